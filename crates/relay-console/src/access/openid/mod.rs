//! Sign-in at an OpenID Connect provider: authorization code, PKCE, state and nonce.

mod client;
mod identity;
mod login;
mod provider;
pub(crate) mod routes;

pub use login::{LOGIN_AGE_MAX, LOGINS_MAX, LOGINS_PER_PEER_MAX};

use self::client::Client;
use self::login::Logins;
use self::provider::Provider;
use super::config::{AccessError, OpenIdConfig};

/// Everything about one provider.
pub(crate) struct OpenId {
    config: OpenIdConfig,
    provider: Provider,
    client: Client,
    logins: Logins,
}

impl OpenId {
    pub(crate) fn new(config: &OpenIdConfig) -> Result<Self, AccessError> {
        Ok(Self {
            config: config.clone(),
            provider: Provider::new(config)?,
            client: Client::new(config.roots.as_deref())?,
            logins: Logins::default(),
        })
    }
}
