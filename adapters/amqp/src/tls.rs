//! TLS towards a broker: the configured roots and nobody else, and a certificate that may be replaced meanwhile.

use std::error::Error;
use std::io;
use std::sync::Arc;

use keystore::SwappableIdentity;
use lapin::tcp::RustlsConnector;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};

use crate::broker::BrokerError;

/// What TLS needs.
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    identity: Option<Arc<SwappableIdentity>>,
    has_roots: bool,
}

/// Which certificate is shown.
pub(crate) struct Shown(Option<Arc<CertifiedKey>>);

impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(another)) => Arc::ptr_eq(one, another),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Tls {
    pub(crate) fn new(
        roots: &[CertificateDer<'static>],
        identity: Option<Arc<SwappableIdentity>>,
    ) -> Result<Self, BrokerError> {
        let told = |error: rustls::Error| BrokerError::Tls(error.to_string());
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root.clone()).map_err(told)?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(told)?
            .with_root_certificates(store);
        let mut config = match &identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::clone(identity) as _),
            None => builder.with_no_client_auth(),
        };
        // A resumed session would show the certificate of the handshake that began it.
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), identity, has_roots: !roots.is_empty() })
    }

    pub(crate) fn has_roots(&self) -> bool {
        self.has_roots
    }

    pub(crate) fn has_identity(&self) -> bool {
        self.identity.is_some()
    }

    pub(crate) fn connector(&self) -> RustlsConnector {
        Arc::clone(&self.config).into()
    }

    /// The certificate that the next handshake shows.
    pub(crate) fn shown(&self) -> Shown {
        Shown(self.identity.as_ref().and_then(|identity| identity.current()))
    }
}

/// What a refusal in a handshake means, in words; `None` when it is none.
pub(crate) fn advice(error: &io::Error) -> Option<String> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(refusal) = error.downcast_ref::<rustls::Error>() {
            return Some(of_refusal(refusal));
        }
        // An `io::Error` hides its own content from `source`.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(content) => Some(content),
            None => error.source(),
        };
    }
    None
}

fn of_refusal(refusal: &rustls::Error) -> String {
    match refusal {
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "its certificate is not signed by the configured `roots`; see that they are this broker's"
            .to_owned(),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is not valid for the host in the URL; use a name that it has".to_owned(),
        rustls::Error::InvalidCertificate(why) => {
            format!(
                "its certificate cannot be used ({why}); see this machine's clock and the broker's certificate"
            )
        }
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::HandshakeFailure
            | AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate,
        ) => "it wants a certificate and takes none or not ours; see `identity`, and whom the broker trusts"
            .to_owned(),
        rustls::Error::InvalidMessage(_) => {
            "it does not speak TLS at this port; see the port in the URL".to_owned()
        }
        other => format!("TLS failed: {other}"),
    }
}
