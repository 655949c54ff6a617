//! What the provider says of itself, asked for when it is first needed and again when that has changed.

use std::sync::Arc;
use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreClientAuthMethod, CoreErrorResponseType, CoreGenderClaim,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthType, ClientId, ClientSecret, DiscoveryError, EmptyExtraTokenFields,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields, IssuerUrl, StandardErrorResponse,
    StandardTokenResponse,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::client::{CallError, Client};
use crate::access::config::{AccessError, OpenIdConfig};

/// How long what the provider said of itself is believed.
const DISCOVERY_AGE_MAX: Duration = Duration::from_secs(60 * 60);
/// How long after a failure the provider is left alone.
const DISCOVERY_PAUSE: Duration = Duration::from_secs(1);

/// Claims of whatever name, because which one holds roles is configured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AnyClaims {
    #[serde(flatten)]
    claims: serde_json::Map<String, serde_json::Value>,
}

impl AdditionalClaims for AnyClaims {}

type Fields = IdTokenFields<
    AnyClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

/// The crate's client, with claims of whatever name.
pub(crate) type Relying = openidconnect::Client<
    AnyClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Signatures that are taken: those that only the provider can make. HMAC would do with the client's secret.
const SIGNATURES: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// What is known of the provider.
#[derive(Default)]
struct Known {
    relying: Option<(Instant, Arc<Relying>)>,
    failed: Option<Instant>,
}

/// The provider.
pub(crate) struct Provider {
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: Option<SecretString>,
    /// Held while the provider is asked, so that many who wait make one question.
    known: Mutex<Known>,
}

impl Provider {
    pub(crate) fn new(config: &OpenIdConfig) -> Result<Self, AccessError> {
        Ok(Self {
            issuer: IssuerUrl::new(config.issuer.clone()).map_err(|_| AccessError::Issuer)?,
            client_id: ClientId::new(config.client_id.clone()),
            client_secret: config.client_secret.clone(),
            known: Mutex::default(),
        })
    }

    /// The provider as it is known, or as it says anew if `afresh`. `None`: it cannot be asked for the moment, which the
    /// log explains.
    pub(crate) async fn relying(&self, client: &Client, afresh: bool) -> Option<Arc<Relying>> {
        let asked = Instant::now();
        let mut known = self.known.lock().await;
        // While this one waited, another may have asked.
        let sound = |at: Instant| if afresh { at >= asked } else { at.elapsed() < DISCOVERY_AGE_MAX };
        if let Some((at, relying)) = &known.relying
            && sound(*at)
        {
            return Some(Arc::clone(relying));
        }
        if known.failed.is_some_and(|failed| failed.elapsed() < DISCOVERY_PAUSE) {
            return None;
        }
        match CoreProviderMetadata::discover_async(self.issuer.clone(), client).await {
            Ok(metadata) => {
                let relying = Arc::new(self.relying_on(metadata));
                *known = Known { relying: Some((Instant::now(), Arc::clone(&relying))), failed: None };
                Some(relying)
            }
            Err(error) => {
                tracing::warn!(
                    error = explained(&error),
                    "the OpenID Connect provider cannot be asked about itself"
                );
                known.failed = Some(Instant::now());
                None
            }
        }
    }

    fn relying_on(&self, metadata: CoreProviderMetadata) -> Relying {
        let methods = metadata.token_endpoint_auth_methods_supported();
        let takes = |method| methods.is_none_or(|methods| methods.contains(&method));
        let basic = takes(CoreClientAuthMethod::ClientSecretBasic);
        let post = takes(CoreClientAuthMethod::ClientSecretPost);
        // The library keeps it as a text of its own, which it does not wipe, for as long as it is needed.
        let secret = self.client_secret.as_ref();
        let secret = secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let relying = Relying::from_provider_metadata(metadata, self.client_id.clone(), secret);
        // Basic is what holds where a provider says nothing.
        if post && !basic { relying.set_auth_type(AuthType::RequestBody) } else { relying }
    }
}

/// The signatures that are taken.
pub(crate) fn signatures() -> Vec<CoreJwsSigningAlgorithm> {
    SIGNATURES.to_vec()
}

/// Why the provider could not be asked, without anything of its answer.
fn explained(error: &DiscoveryError<CallError>) -> String {
    match error {
        DiscoveryError::Request(call) => call.to_string(),
        DiscoveryError::Response(status, ..) => format!("it answered with the status {status}"),
        DiscoveryError::Parse(_) => "its answer is not what OpenID Connect says".to_owned(),
        DiscoveryError::Validation(_) => "it names itself by another issuer than is configured".to_owned(),
        _ => "its address is not usable".to_owned(),
    }
}
