//! A server that says what it is told to, and remembers what it heard.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use mesh_api::SharedKey;
use mesh_client::{BreakerConfig, Client, ClientConfig, Mailbox, Proxy, Timeouts, TlsConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Longest silence that these clients bear.
pub(crate) const SILENCE: Duration = Duration::from_millis(800);

/// What to do with one request.
pub(crate) enum Step {
    /// Read it, answer, keep the connection.
    Answer(Vec<u8>),
    /// Read it, answer, close the connection.
    AnswerAndClose(Vec<u8>),
    /// Read it, close the connection.
    Cut,
    /// Read its head and close the connection.
    CutInBody,
    /// Read its head, answer at once, and read the rest once told to, for as long as it comes.
    AnswerEarly(Vec<u8>, Arc<Notify>),
    /// Read it and keep silent.
    Hang,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) connection: usize,
}

impl Seen {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

pub(crate) struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(crate) async fn start(steps: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let steps = Arc::new(Mutex::new(VecDeque::from(steps)));
        let heard = Arc::clone(&seen);
        tokio::spawn(async move {
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                tokio::spawn(serve(stream, connection, Arc::clone(&steps), Arc::clone(&heard)));
            }
        });
        Self { port, seen }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn mailbox(&self) -> Mailbox {
        mailbox(&self.base_url(), TlsConfig::default())
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("a lock").clone()
    }
}

pub(crate) fn mailbox(base_url: &str, tls: TlsConfig) -> Mailbox {
    mailbox_through(None, base_url, tls, Duration::from_secs(5))
}

/// [`mailbox`] behind a proxy, with a limit for connecting.
pub(crate) fn mailbox_through(
    proxy: Option<Proxy>,
    base_url: &str,
    tls: TlsConfig,
    connect: Duration,
) -> Mailbox {
    of(config(proxy, base_url, tls, connect))
}

/// The mailbox of a client of this configuration.
pub(crate) fn of(config: ClientConfig) -> Mailbox {
    let client = Client::new(config).expect("a client");
    client.mailbox("X26ABC1".parse().expect("a mailbox"), "password".into())
}

pub(crate) fn config(
    proxy: Option<Proxy>,
    base_url: &str,
    tls: TlsConfig,
    connect: Duration,
) -> ClientConfig {
    ClientConfig {
        base_url: base_url.to_owned(),
        shared_key: SharedKey::new("TestKey"),
        tls,
        proxy,
        timeouts: Timeouts { connect, answer: SILENCE, ..Timeouts::default() },
        // Tests that are about a breaker bring their own.
        breaker: BreakerConfig { failures: 0, ..BreakerConfig::default() },
        expanded_bytes_max: mesh_client::EXPANDED_BYTES_MAX,
        application: "mesh-relay==0.1.0".to_owned(),
        now: || Timestamp::UNIX_EPOCH,
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    steps: Arc<Mutex<VecDeque<Step>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
) {
    while let Some(head) = read_head(&mut stream).await {
        let step = steps.lock().expect("a lock").pop_front();
        let mut request = Seen { head, body: Vec::new(), connection };
        if matches!(step, Some(Step::CutInBody)) {
            seen.lock().expect("a lock").push(request);
            return;
        }
        if let Some(Step::AnswerEarly(answer, go_on)) = step {
            stream.write_all(&answer).await.expect("a reader");
            go_on.notified().await;
            // Until the connection ends, one way or the other.
            let _ = stream.read_to_end(&mut request.body).await;
            seen.lock().expect("a lock").push(request);
            return;
        }
        request.body = read_body(&mut stream, &request).await;
        seen.lock().expect("a lock").push(request);
        match step {
            Some(Step::Answer(answer)) => stream.write_all(&answer).await.expect("a reader"),
            Some(Step::AnswerAndClose(answer)) => {
                stream.write_all(&answer).await.expect("a reader");
                return;
            }
            Some(Step::Hang) => std::future::pending().await,
            Some(Step::Cut | Step::CutInBody | Step::AnswerEarly(..)) | None => return,
        }
    }
}

/// The head of a request. `None` at the end of the connection.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

async fn read_body(stream: &mut TcpStream, request: &Seen) -> Vec<u8> {
    let mut body = Vec::new();
    if let Some(length) = request.header("content-length") {
        body.resize(length.parse().expect("a length"), 0);
        if stream.read_exact(&mut body).await.is_err() {
            body.clear();
        }
    } else if request.header("transfer-encoding").is_some() {
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => line.push(byte),
                    Err(_) => return body,
                }
            }
            let text = String::from_utf8_lossy(&line);
            let size = usize::from_str_radix(text.trim(), 16).expect("a chunk size");
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).await.expect("a chunk");
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
    body
}

/// An answer with a length.
pub(crate) fn answer(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// [`answer`] as a step.
pub(crate) fn say(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Step {
    Step::Answer(answer(status, headers, body.as_ref()))
}
