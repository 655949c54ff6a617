//! The console over TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use relay_testkit::certificates::{Authority, Identity};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::process::command;
use crate::scene::{OPERATOR, Scene, token, until};

fn trusting(authority: &Authority) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("a certificate");
    roots.add(root).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// The certificate that new connections are shown.
async fn shown(address: SocketAddr, config: &Arc<ClientConfig>) -> CertificateDer<'static> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let stream = TlsConnector::from(Arc::clone(config)).connect(address.ip().into(), stream).await;
    let stream = stream.expect("a handshake");
    stream.get_ref().1.peer_certificates().expect("certificates")[0].clone().into_owned()
}

fn certificate(identity: &Identity) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("a certificate")
}

const TLS: &str = "tls = { cert = \"console.pem\", key = \"console.key\" }";

#[tokio::test]
async fn the_api_answers_over_tls_and_shows_a_certificate_that_was_replaced() {
    let authority = Authority::new("The organisation's authority");
    let (first, second) = (authority.server("127.0.0.1"), authority.server("127.0.0.1"));
    let scene = Scene::with(TLS, "").await;
    scene.site.write("console.pem", &first.certificate);
    scene.site.write("console.key", &first.key);
    let text = std::fs::read_to_string(scene.site.path("relay.toml")).expect("a configuration");
    scene.site.write("relay.toml", text.replacen("[mesh]\n", "[mesh]\nidentity_look = \"200ms\"\n", 1));
    let running = scene.run().await;
    let config = trusting(&authority);
    let operator = running.operator().over_tls(Arc::clone(&config));
    let answer = operator.get("/v1/overview").await;
    let overview = answer.good(200);
    assert!(answer.header("strict-transport-security").starts_with("max-age="), "{:?}", answer.headers);
    assert!(overview["certificates"].to_string().contains("the console"), "{overview}");
    let set = running.nobody().over_tls(Arc::clone(&config)).get("/sign-in").await;
    assert!(set.header("set-cookie").starts_with("__Host-"), "{:?}", set.headers);
    assert!(set.header("set-cookie").contains("; Secure"), "{:?}", set.headers);
    assert_eq!(shown(running.address, &config).await, certificate(&first));

    // Without TLS nothing is said.
    let mut plain = TcpStream::connect(running.address).await.expect("a connection");
    let request = format!(
        "GET /v1/overview HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\r\n",
        running.address,
        token(OPERATOR)
    );
    tokio::io::AsyncWriteExt::write_all(&mut plain, request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut plain, &mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));

    scene.site.replace("console.key", &second.key);
    scene.site.replace("console.pem", &second.certificate);
    until("the new certificate is shown", async || {
        shown(running.address, &config).await == certificate(&second)
    })
    .await;
    assert_eq!(operator.get("/v1/overview").await.status, 200);
    scene.carries("MEANWHILE").await;
    running.ends_well().await;
}

/// What `check` says of a configuration.
fn checked(scene: &Scene) -> (Option<i32>, String) {
    let path = scene.site.path("relay.toml");
    let output = command(&["check", "--config", path.to_str().expect("a path")]);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn beyond_loopback_nothing_goes_without_tls() {
    let scene = Scene::with("listen = \"0.0.0.0:0\"", "").await;
    let (code, error) = checked(&scene);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("beyond loopback the console needs `tls`"), "{error}");
    // Nor does the program start.
    let path = scene.site.path("relay.toml");
    let output = command(&["run", "--config", path.to_str().expect("a path")]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));

    let scene = Scene::with(
        "listen = \"127.0.0.1:0\"\nread_without_sign_in = true\npublic_url = \"https://relay.example\"",
        "",
    )
    .await;
    let (code, error) = checked(&scene);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("`read_without_sign_in` is for loopback alone"), "{error}");

    let scene = Scene::with(&format!("listen = \"0.0.0.0:0\"\n{TLS}"), "").await;
    let (code, error) = checked(&scene);
    assert!(code == Some(2) && error.contains("console.pem"), "a certificate that is not there: {error}");
}
