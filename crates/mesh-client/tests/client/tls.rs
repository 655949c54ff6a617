//! Mutual TLS, and what its refusals say.

use std::sync::Arc;

use mesh_client::{CallError, ConnectFault, ErrorKind, Identity, TlsConfig, TlsFault};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::server::{answer, mailbox, read_head};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a root"))
    }

    fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    fn issue(&self, name: &str, expired: bool) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).expect("parameters");
        if expired {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Identity {
            certificate_pem: certificate.pem().into_bytes(),
            key_pem: key.serialize_pem().into_bytes().into(),
        }
    }
}

/// A server that says yes to one request on each connection, and asks for certificates of `clients`.
async fn serve(identity: Identity, clients: Option<&Authority>) -> u16 {
    use secrecy::ExposeSecret;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let chain = vec![CertificateDer::from_pem_slice(&identity.certificate_pem).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.expose_secret()).expect("a key");
    let builder = match clients {
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(&authority.pem()).expect("a root")).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
        None => builder.with_no_client_auth(),
    };
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).expect("a server")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            if read_head(&mut stream).await.is_some() {
                stream.write_all(&answer("200 OK", &[], b"")).await.expect("a reader");
                stream.shutdown().await.expect("an end");
            }
        }
    });
    port
}

async fn call(port: u16, roots: &Authority, identity: Option<Identity>) -> Result<(), CallError> {
    let tls = TlsConfig { roots_pem: Some(roots.pem()), identity };
    mailbox(&format!("https://localhost:{port}"), tls).handshake().await
}

fn fault(outcome: Result<(), CallError>) -> TlsFault {
    let error = outcome.expect_err("a refusal");
    match error.kind() {
        ErrorKind::Connect(ConnectFault::Tls(fault)) => fault.clone(),
        _ => panic!("not a TLS refusal: {error:?}"),
    }
}

#[tokio::test]
async fn both_sides_prove_who_they_are() {
    let authority = Authority::new();
    let port = serve(authority.issue("localhost", false), Some(&authority)).await;
    let identity = authority.issue("client", false);
    call(port, &authority, Some(identity)).await.expect("a handshake");
}

#[tokio::test]
async fn a_wrong_server_is_named_as_such() {
    let (authority, other) = (Authority::new(), Authority::new());
    let port = serve(authority.issue("localhost", false), None).await;
    assert_eq!(fault(call(port, &other, None).await), TlsFault::UntrustedServer);
    let port = serve(authority.issue("elsewhere.example.test", false), None).await;
    assert_eq!(fault(call(port, &authority, None).await), TlsFault::WrongName);
    let port = serve(authority.issue("localhost", true), None).await;
    assert_eq!(fault(call(port, &authority, None).await), TlsFault::ServerExpired);
}

#[tokio::test]
async fn a_refused_client_is_told_why() {
    let (authority, other) = (Authority::new(), Authority::new());
    let port = serve(authority.issue("localhost", false), Some(&authority)).await;
    assert_eq!(fault(call(port, &authority, None).await), TlsFault::CertificateWanted);
    let expired = authority.issue("client", true);
    assert_eq!(fault(call(port, &authority, Some(expired)).await), TlsFault::OursExpired);
    let foreign = other.issue("client", false);
    let refused = fault(call(port, &authority, Some(foreign)).await);
    assert!(matches!(refused, TlsFault::OurIssuerUnknown | TlsFault::OursRefused(_)), "{refused}");
}
