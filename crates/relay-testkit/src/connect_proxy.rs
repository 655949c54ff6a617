//! An HTTP proxy on loopback that takes `CONNECT`, as an organisation has one at its border.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the proxy does with a request.
#[derive(Debug, Clone, Copy)]
pub enum Manner {
    /// Connects whoever asks.
    Open,
    /// Connects whoever gives this value of `Proxy-Authorization`, and asks the others for it.
    Login(&'static str),
    /// Answers with these bytes and closes.
    Say(&'static str),
    /// Reads and never answers.
    Silent,
}

/// The proxy. Dropping it ends it for new connections.
pub struct ConnectProxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl ConnectProxy {
    /// Listens on a free port.
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, manner, Arc::clone(&seen)));
            }
        });
        Self { address, heads, accepting }
    }

    /// Where it listens, as a client is configured.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of the requests that came.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ConnectProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut client: TcpStream, manner: Manner, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    heads.lock().unwrap_or_else(PoisonError::into_inner).push(head.clone());
    let answer = match manner {
        Manner::Open => None,
        Manner::Login(wanted) if head.contains(&format!("\r\nProxy-Authorization: {wanted}\r\n")) => None,
        Manner::Login(_) => Some(
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"the border\"\r\n\
             Content-Length: 0\r\n\r\n",
        ),
        Manner::Say(answer) => Some(answer),
        Manner::Silent => {
            // Until the client gives up.
            let _ = client.read_u8().await;
            return;
        }
    };
    if let Some(answer) = answer {
        let _ = client.write_all(answer.as_bytes()).await;
        return;
    }
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split_once(' '));
    let Some((target, _)) = target else { return };
    match TcpStream::connect(target).await {
        Ok(mut server) => {
            let established = "HTTP/1.1 200 Connection established\r\nVia: 1.1 border\r\n\r\n";
            if client.write_all(established.as_bytes()).await.is_ok() {
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        }
        Err(_) => {
            let _ = client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
        }
    }
}
