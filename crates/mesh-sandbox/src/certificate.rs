//! The TLS side (`mesh-api.md` 1.2): certificates made or given, client certificates required or not.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::config::{ClientCertificates, SandboxError, Tls};

/// Names that the self-made certificate is good for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A server's TLS settings, and the root to trust when it was made here.
pub(crate) struct Secured {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) root: Option<String>,
}

struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    root: Option<String>,
}

/// Makes the settings; `None` for plain HTTP.
pub(crate) fn secure(tls: &Tls) -> Result<Option<Secured>, SandboxError> {
    let (identity, client) = match tls {
        Tls::Plain => return Ok(None),
        Tls::SelfMade { client } => {
            (self_made().map_err(|source| SandboxError::SelfMade { source })?, client)
        }
        Tls::Given { certificate, key, client } => (given(certificate, key)?, client),
    };
    // The provider is named here because a process-wide default belongs to whoever runs the process.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|source| SandboxError::Certificate { source })?;
    let builder = match client {
        None => builder.with_no_client_auth(),
        Some(ClientCertificates { authorities, required }) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates("client authority", authorities)? {
                roots.add(authority).map_err(|source| SandboxError::Certificate { source })?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if *required { verifier } else { verifier.allow_unauthenticated() };
            let verifier = verifier.build().map_err(|source| SandboxError::ClientCa { source })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(identity.chain, identity.key)
        .map_err(|source| SandboxError::Certificate { source })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Secured { config: Arc::new(config), root: identity.root }))
}

/// Common name of a certificate's subject (`mesh-api.md` 1.2). It is shown, never decided on.
pub(crate) fn common_name(certificate: &CertificateDer<'_>) -> Option<Arc<str>> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name.into())
}

fn given(certificate: &str, key: &str) -> Result<Identity, SandboxError> {
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| SandboxError::Pem { what: "server key", item: "private key" })?;
    Ok(Identity { chain: certificates("server certificate", certificate)?, key, root: None })
}

/// All certificates of a PEM text, at least one. What is wrong with it is not repeated: a key may have been given
/// by mistake.
fn certificates(what: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, SandboxError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(SandboxError::Pem { what, item: "certificate" }),
    }
}

fn self_made() -> Result<Identity, rcgen::Error> {
    // Good far either way, so that a rehearsal with a moved clock works too.
    let dated = |mut params: CertificateParams, name: &str| {
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2049, 12, 31);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let mut root = dated(CertificateParams::new(Vec::new())?, "mesh-sandbox root");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let root_key = KeyPair::generate()?;
    let root_certificate = root.self_signed(&root_key)?;

    let mut leaf = dated(CertificateParams::new(NAMES.map(str::to_owned))?, "localhost");
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    let leaf_key = KeyPair::generate()?;
    let leaf = leaf.signed_by(&leaf_key, &Issuer::new(root, root_key))?;
    Ok(Identity { chain: vec![leaf.der().clone()], key: leaf_key.into(), root: Some(root_certificate.pem()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_no_certificates_are_named_and_not_repeated() {
        let key = KeyPair::generate().expect("a key").serialize_pem();
        let client = Some(ClientCertificates { authorities: "canary".to_owned(), required: true });
        let tls = Tls::SelfMade { client };
        let error = secure(&tls).err().expect("no authority").to_string();
        assert!(error.contains("client authority") && !error.contains("canary"), "{error}");
        let tls = Tls::Given { certificate: key.clone(), key, client: None };
        let error = secure(&tls).err().expect("no certificate").to_string();
        assert!(error.contains("server certificate"), "{error}");
        assert_eq!(format!("{tls:?}"), "Given { client_certificates: false, .. }");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, two) = (self_made().expect("one"), self_made().expect("two"));
        let certificate = one.root.expect("a root");
        let key = KeyPair::generate().expect("a key").serialize_pem();
        drop(two);
        let tls = Tls::Given { certificate, key, client: None };
        assert!(matches!(secure(&tls), Err(SandboxError::Certificate { .. })));
    }
}
