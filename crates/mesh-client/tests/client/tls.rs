//! Mutual TLS, and what its refusals say.

use std::sync::Arc;

use mesh_client::keystore::{KeyMaterial, SwappableIdentity, certified_key, read_pem};
use mesh_client::{CallError, ConnectFault, ErrorKind, TlsConfig, TlsFault};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::server::{answer, mailbox, read_head};

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a root"))
    }

    pub(crate) fn root(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(crate) fn issue(&self, name: &str, expired: bool) -> KeyMaterial {
        let mut params = CertificateParams::new([name.to_owned()]).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        if expired {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        read_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes(), None).expect("an identity")
    }
}

/// As the client holds an identity.
pub(crate) fn held(identity: &KeyMaterial) -> Arc<SwappableIdentity> {
    Arc::new(SwappableIdentity::new(Some(certified_key(identity).expect("a sound identity"))))
}

/// The server's side of TLS, which asks for certificates of `clients`.
pub(crate) fn acceptor(identity: KeyMaterial, clients: Option<&Authority>) -> TlsAcceptor {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = match clients {
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.root()).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
        None => builder.with_no_client_auth(),
    };
    let config = builder.with_single_cert(identity.chain, identity.key.clone_key()).expect("a server");
    TlsAcceptor::from(Arc::new(config))
}

/// A server that says yes to one request on each connection, and asks for certificates of `clients`.
pub(crate) async fn serve(identity: KeyMaterial, clients: Option<&Authority>) -> u16 {
    let acceptor = acceptor(identity, clients);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            if say_yes(&mut stream).await {
                stream.shutdown().await.expect("an end");
            }
        }
    });
    port
}

/// Answers one request. `false` at the end of the connection.
pub(crate) async fn say_yes(stream: &mut TlsStream<TcpStream>) -> bool {
    if read_head(stream).await.is_none() {
        return false;
    }
    stream.write_all(&answer("200 OK", &[], b"")).await.expect("a reader");
    true
}

async fn call(port: u16, roots: &Authority, identity: Option<KeyMaterial>) -> Result<(), CallError> {
    let tls = TlsConfig { roots: vec![roots.root()], identity: identity.as_ref().map(held) };
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
