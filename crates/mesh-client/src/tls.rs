//! Mutual TLS from PEM (`mesh-api.md` 1.2 and 1.3): versions 1.2 and 1.3, the configured roots and no others.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret;

use crate::config::{ClientConfigError, Identity, TlsConfig};

const ROOTS: &str = "root certificate file";
const CERTIFICATE: &str = "client certificate file";
const KEY: &str = "client key file";

/// Builds the TLS side. `secure` says whether it will be used: without it roots may be absent.
pub(crate) fn configure(tls: &TlsConfig, secure: bool) -> Result<ClientConfig, ClientConfigError> {
    let roots = match &tls.roots_pem {
        Some(pem) => read_roots(pem)?,
        None if secure => return Err(ClientConfigError::NoRoots),
        None => RootCertStore::empty(),
    };
    let refused = |error: rustls::Error| ClientConfigError::Tls(error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(refused)?
        .with_root_certificates(roots);
    let Some(identity) = &tls.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let (chain, key) = read_identity(identity)?;
    builder.with_client_auth_cert(chain, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => ClientConfigError::KeyMismatch,
        other => refused(other),
    })
}

fn read_roots(pem: &[u8]) -> Result<RootCertStore, ClientConfigError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ROOTS, pem)? {
        roots
            .add(certificate)
            .map_err(|error| ClientConfigError::PemDamaged { what: ROOTS, why: error.to_string() })?;
    }
    Ok(roots)
}

fn read_identity(
    identity: &Identity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), ClientConfigError> {
    let chain = certificates(CERTIFICATE, &identity.certificate_pem)?;
    let pem = identity.key_pem.expose_secret();
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
        if is_encrypted(pem) { ClientConfigError::KeyEncrypted } else { damaged(KEY, "private key", &error) }
    })?;
    // An old-style encrypted key has the frame of a plain one, so it is read without complaint.
    if is_encrypted(pem) {
        return Err(ClientConfigError::KeyEncrypted);
    }
    Ok((chain, key))
}

/// Both ways of writing an encrypted key: PKCS#8 by its frame, the older one by its header line.
fn is_encrypted(pem: &[u8]) -> bool {
    let text = String::from_utf8_lossy(pem);
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED")
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ClientConfigError> {
    const ITEM: &str = "certificate";
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| damaged(what, ITEM, &error))?;
    if found.is_empty() {
        return Err(ClientConfigError::PemMissing { what, item: ITEM });
    }
    Ok(found)
}

/// What is wrong with a file, in words that hold nothing of it: the reader's own may quote a line.
fn damaged(what: &'static str, item: &'static str, error: &pem::Error) -> ClientConfigError {
    let why = match error {
        pem::Error::NoItemsFound => return ClientConfigError::PemMissing { what, item },
        pem::Error::MissingSectionEnd { .. } => "an END line is missing",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line cannot be read",
        pem::Error::Base64Decode(_) => "what stands between BEGIN and END is not base64",
        _ => "it cannot be read",
    };
    ClientConfigError::PemDamaged { what, why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    fn made() -> (Vec<u8>, Vec<u8>) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        (cert.pem().into_bytes(), signing_key.serialize_pem().into_bytes())
    }

    fn with(certificate: &[u8], key: &[u8]) -> TlsConfig {
        TlsConfig {
            roots_pem: Some(certificate.to_vec()),
            identity: Some(Identity { certificate_pem: certificate.to_vec(), key_pem: key.to_vec().into() }),
        }
    }

    #[test]
    fn a_whole_identity_is_taken() {
        let (certificate, key) = made();
        assert!(configure(&with(&certificate, &key), true).is_ok());
        assert!(configure(&TlsConfig::default(), false).is_ok());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let (certificate, key) = made();
        let (_, other) = made();
        let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let old =
            b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,0\n\nAAAA\n\
                    -----END RSA PRIVATE KEY-----\n";
        let fails = |tls: &TlsConfig| configure(tls, true).err();
        assert_eq!(fails(&TlsConfig::default()), Some(ClientConfigError::NoRoots));
        assert_eq!(fails(&with(&certificate, &other)), Some(ClientConfigError::KeyMismatch));
        assert_eq!(fails(&with(&certificate, encrypted)), Some(ClientConfigError::KeyEncrypted));
        assert_eq!(fails(&with(&certificate, old)), Some(ClientConfigError::KeyEncrypted));
        assert!(matches!(fails(&with(&key, &key)), Some(ClientConfigError::PemMissing { what: ROOTS, .. })));
        assert!(matches!(
            fails(&with(&certificate, &certificate)),
            Some(ClientConfigError::PemMissing { what: KEY, .. })
        ));
        let cut = &certificate[..certificate.len() / 2];
        assert!(matches!(fails(&with(cut, &key)), Some(ClientConfigError::PemDamaged { .. })));
    }

    #[test]
    fn keys_do_not_print() {
        let printed = format!("{:?}", with(b"", b"canary").identity);
        assert_eq!(printed, "Some(Identity(…))");
    }
}
