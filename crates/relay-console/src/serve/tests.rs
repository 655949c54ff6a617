//! Real connections over loopback. Where a bound is a time, the clock is tokio's and jumps when nothing else happens.

use std::io;

use axum::body::{Body, Bytes};
use axum::extract::Extension;
use axum::http::StatusCode;
use axum::routing::{get, post};
use futures_util::stream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::*;

struct Served {
    address: SocketAddr,
    stop: relay_core::ShutdownTrigger,
    run: JoinHandle<()>,
}

/// Tells when an answer is dropped before its end.
struct GivenUp(mpsc::Sender<()>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        let _ = self.0.try_send(());
    }
}

/// Serves until it is stopped; the channel hears when an endless answer is given up.
async fn serve(tls: Option<Arc<ServerConfig>>, connections_max: usize) -> (Served, mpsc::Receiver<()>) {
    let (given_up, hears) = mpsc::channel(1);
    let routes = Router::new()
        .route("/", get(async |Extension(ends): Extension<Connection>| ends.peer.to_string()))
        .route(
            "/endless",
            get(async move || {
                let held = GivenUp(given_up.clone());
                let pieces = stream::repeat_with(move || {
                    let _held = &held;
                    Ok::<_, io::Error>(Bytes::from_static(&[b'x'; 4096]))
                });
                Body::from_stream(pieces)
            }),
        )
        .route("/silent", get(async || Body::from_stream(stream::pending::<io::Result<Bytes>>())))
        .route(
            "/body",
            post(async |body: Result<Bytes, axum::extract::rejection::BytesRejection>| match body {
                Ok(_) => StatusCode::OK,
                Err(_) => StatusCode::REQUEST_TIMEOUT,
            }),
        );
    let listening =
        Listening::bind(ListenConfig { address: ([127, 0, 0, 1], 0).into(), tls }).await.expect("a port");
    let address = listening.address();
    let (stop, shutdown) = Shutdown::channel();
    let run = tokio::spawn(listening.run_bounded(routes, shutdown, connections_max));
    (Served { address, stop, run }, hears)
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    async fn stop(self) {
        self.stop.request();
        self.run.await.expect("an end");
    }
}

async fn ask(stream: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
}

/// What arrives until a text has.
async fn until(stream: &mut (impl AsyncRead + Unpin), text: &str) -> String {
    let mut got = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.expect("an answer");
        got.extend_from_slice(&piece[..count]);
        let so_far = String::from_utf8_lossy(&got);
        if so_far.contains(text) {
            return so_far.into_owned();
        }
        assert!(count > 0, "it ended before {text}: {so_far}");
    }
}

#[tokio::test]
async fn beyond_loopback_there_is_no_port_without_tls() {
    let address = "0.0.0.0:0".parse().expect("an address");
    let refused =
        Listening::bind(ListenConfig { address, tls: None }).await.map(|_| ()).expect_err("an error");
    assert!(matches!(refused, ListenError::Plain(_)) && refused.to_string().contains("configure `tls`"));
    let (served, _) = serve(None, 8).await;
    let taken = ListenConfig { address: served.address, tls: None };
    let refused = Listening::bind(taken).await.map(|_| ()).expect_err("an error");
    assert!(matches!(refused, ListenError::Bind { .. }), "{refused}");
    served.stop().await;
}

#[tokio::test]
async fn further_connections_are_told_so_until_one_ends() {
    let (served, _hears) = serve(None, 2).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = served.connect().await;
        ask(&mut stream, "/").await;
        let own = stream.local_addr().expect("an address").to_string();
        assert!(until(&mut stream, &own).await.starts_with("HTTP/1.1 200"));
        held.push(stream);
    }
    let mut stream = served.connect().await;
    ask(&mut stream, "/").await;
    let told = until(&mut stream, "too-many-connections").await;
    assert!(told.starts_with("HTTP/1.1 503") && told.contains("Retry-After: 5"), "{told}");
    held.pop();
    // The end of the other is heard of in its own time.
    loop {
        let mut stream = served.connect().await;
        ask(&mut stream, "/").await;
        let told = until(&mut stream, "\r\n\r\n").await;
        if told.starts_with("HTTP/1.1 200") {
            break;
        }
    }
    served.stop().await;
}

#[tokio::test]
async fn tls_is_spoken_where_it_is_configured_and_nothing_else() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let certificate = made.cert.der().clone();
    let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("a configuration");
    let (served, _) = serve(Some(Arc::new(server)), 8).await;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a root");
    let client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = served.connect().await;
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await.expect("a handshake");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.expect("sent");
    assert!(until(&mut stream, "127.0.0.1:").await.starts_with("HTTP/1.1 200"));
    let mut plain = served.connect().await;
    ask(&mut plain, "/").await;
    let mut got = Vec::new();
    // An end or a reset, and no HTTP either way.
    let _ = plain.read_to_end(&mut got).await;
    assert!(!got.starts_with(b"HTTP"), "{got:?}");
    served.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_says_nothing_is_not_waited_for() {
    let (served, _hears) = serve(None, 8).await;
    let mut silent = served.connect().await;
    let mut half = served.connect().await;
    half.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.expect("sent");
    let mut idle = served.connect().await;
    ask(&mut idle, "/").await;
    for stream in [&mut silent, &mut half, &mut idle] {
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.expect("an end");
    }
    let mut slow = served.connect().await;
    slow.write_all(b"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")
        .await
        .expect("sent");
    assert!(until(&mut slow, "\r\n\r\n").await.starts_with("HTTP/1.1 408"));
    served.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_nothing_is_given_up() {
    let (served, mut hears) = serve(None, 8).await;
    let mut stream = served.connect().await;
    ask(&mut stream, "/endless").await;
    until(&mut stream, "xxxx").await;
    assert_eq!(hears.recv().await, Some(()));
    served.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_cuts_what_does_not_end_by_itself() {
    let (served, _hears) = serve(None, 8).await;
    let mut stream = served.connect().await;
    ask(&mut stream, "/silent").await;
    until(&mut stream, "\r\n\r\n").await;
    served.stop().await;
    let mut got = Vec::new();
    let _ = stream.read_to_end(&mut got).await;
    assert!(got.is_empty());
}
