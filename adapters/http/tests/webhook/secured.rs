//! TLS: only who is trusted is told, and the relay shows its certificate, also a new one.

use keystore::{SwappableIdentity, certified_key, read_authorities, read_pem};
use relay_core::FailureClass;
use relay_testkit::certificates::{Authority, Identity};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A server that asks for a certificate and takes everything; says who called.
async fn server(authority: &Authority) -> (String, Arc<Mutex<Vec<Vec<u8>>>>) {
    let identity = authority.server("localhost");
    let mut roots = RootCertStore::empty();
    for root in read_authorities(authority.pem().as_bytes(), None).expect("an authority") {
        roots.add(root).expect("a root");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(chain, key)
        .expect("an identity");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://localhost:{}/mesh", listener.local_addr().expect("an address").port());
    let callers: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let seen = Arc::clone(&callers);
    tokio::spawn(async move {
        while let Ok((wire, _)) = listener.accept().await {
            let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                let Ok(mut wire) = acceptor.accept(wire).await else { return };
                let shown = wire.get_ref().1.peer_certificates().expect("a certificate")[0].to_vec();
                let mut request = Vec::new();
                // One connection may carry several requests; each ends with the message's bytes.
                while let Ok(1..) = wire.read_buf(&mut request).await {
                    if request.ends_with(b"result 7") {
                        request.clear();
                        seen.lock().expect("a lock").push(shown.clone());
                        wire.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("an answer");
                    }
                }
            });
        }
    });
    (url, callers)
}

fn certified(identity: &Identity) -> Arc<rustls::sign::CertifiedKey> {
    let material =
        read_pem(identity.certificate.as_bytes(), identity.key.as_bytes(), None).expect("an identity");
    certified_key(&material).expect("a key")
}

fn secured(url: &str, trusted: &Authority, identity: &Arc<SwappableIdentity>) -> WebhookSink {
    let roots = read_authorities(trusted.pem().as_bytes(), None).expect("an authority");
    let secrets = Secrets { roots, identity: Some(Arc::clone(identity)), ..secrets() };
    let clock = Arc::new(TestClock::default());
    WebhookSink::new("lab", &inbound_config(url, "30s"), &secrets, clock).expect("a sink")
}

#[tokio::test]
async fn the_relay_shows_its_certificate_and_a_new_one_from_the_next_request_on() {
    let authority = Authority::new("The receiver's");
    let (url, callers) = server(&authority).await;
    let (first, second) = (certified(&authority.client("one")), certified(&authority.client("two")));
    let identity = Arc::new(SwappableIdentity::new(Some(Arc::clone(&first))));
    let sink = secured(&url, &authority, &identity);
    deliver(&sink, &download(&[]), body(b"result 7"), 1).await.expect("a receipt");
    deliver(&sink, &download(&[]), body(b"result 7"), 1).await.expect("a receipt");
    identity.swap(Some(Arc::clone(&second)));
    deliver(&sink, &download(&[]), body(b"result 7"), 1).await.expect("a receipt");
    let shown = |key: &rustls::sign::CertifiedKey| key.cert[0].to_vec();
    assert_eq!(*callers.lock().expect("a lock"), [shown(&first), shown(&first), shown(&second)]);
}

#[tokio::test]
async fn a_receiver_that_is_not_trusted_is_told_nothing() {
    let authority = Authority::new("The receiver's");
    let (url, callers) = server(&authority).await;
    let identity = Arc::new(SwappableIdentity::new(Some(certified(&authority.client("one")))));
    let sink = secured(&url, &Authority::new("Another"), &identity);
    let error = deliver(&sink, &download(&[]), body(b"result 7"), 1).await.expect_err("it is not trusted");
    assert_eq!(error.class, FailureClass::Transient);
    assert!(error.to_string().contains("certificate"), "{error}");
    assert!(callers.lock().expect("a lock").is_empty());
}

#[test]
fn https_without_anybody_to_trust_is_refused_at_the_start() {
    let clock = Arc::new(TestClock::default());
    let config = inbound_config("https://receiver.example/", "30s");
    assert!(WebhookSink::new("lab", &config, &secrets(), clock).is_err());
}
