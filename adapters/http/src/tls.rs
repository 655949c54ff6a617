//! TLS towards a webhook: the configured roots and nobody else, and a certificate that may be replaced meanwhile.

use std::sync::Arc;

use keystore::SwappableIdentity;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// The configuration of TLS.
///
/// # Errors
/// When a root is no certificate that TLS can use.
pub(crate) fn config(
    roots: &[CertificateDer<'static>],
    identity: Option<Arc<SwappableIdentity>>,
) -> Result<ClientConfig, rustls::Error> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone())?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store);
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(identity),
        None => builder.with_no_client_auth(),
    };
    // A resumed session would show the certificate of the handshake that began it.
    config.resumption = Resumption::disabled();
    Ok(config)
}
