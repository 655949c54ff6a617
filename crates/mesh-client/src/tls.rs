//! Mutual TLS (`mesh-api.md` 1.2 and 1.3): versions 1.2 and 1.3, the configured roots and no others, and an identity
//! that may be swapped.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};

use crate::config::{ClientConfigError, TlsConfig};

/// Builds the TLS side. `secure` says whether it will be used: without it roots may be absent.
pub(crate) fn configure(tls: &TlsConfig, secure: bool) -> Result<ClientConfig, ClientConfigError> {
    if secure && tls.roots.is_empty() {
        return Err(ClientConfigError::NoRoots);
    }
    let mut roots = RootCertStore::empty();
    for (index, certificate) in tls.roots.iter().enumerate() {
        roots
            .add(certificate.clone())
            .map_err(|error| ClientConfigError::BadRoot { number: index + 1, why: error.to_string() })?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| ClientConfigError::Tls(error.to_string()))?
        .with_root_certificates(roots);
    let mut config = match &tls.identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::clone(identity) as _),
        None => builder.with_no_client_auth(),
    };
    // A resumed session shows the certificate of the handshake that began it: a swapped identity would live on.
    config.resumption = Resumption::disabled();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystore::SwappableIdentity;
    use rcgen::generate_simple_self_signed;
    use rustls::pki_types::CertificateDer;

    fn root() -> CertificateDer<'static> {
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate").cert.into()
    }

    #[test]
    fn an_identity_may_come_later() {
        let identity = Arc::new(SwappableIdentity::new(None));
        let tls = TlsConfig { roots: vec![root()], identity: Some(identity) };
        assert!(!configure(&tls, true).expect("a configuration").client_auth_cert_resolver.has_certs());
    }

    #[test]
    fn roots_are_needed_and_looked_at() {
        assert!(configure(&TlsConfig::default(), false).is_ok());
        assert_eq!(configure(&TlsConfig::default(), true).err(), Some(ClientConfigError::NoRoots));
        let broken = TlsConfig { roots: vec![root(), vec![0x30, 0].into()], identity: None };
        let error = configure(&broken, true).expect_err("a broken root");
        assert!(matches!(error, ClientConfigError::BadRoot { number: 2, .. }), "{error}");
    }
}
