//! A TCP proxy on loopback that meddles with HTTP exchanges, to cut a connection at a known place. It looks at
//! how a request begins and at nothing else.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What happens to a request that begins with the given text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meddling {
    /// It is never passed on, and no answer comes.
    Hold,
    /// It is passed on; its answer is thrown away and the connection closed.
    LoseAnswer,
}

/// The proxy. Dropping it ends it.
pub struct Proxy {
    address: SocketAddr,
    met: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Passes everything on to `target`, but meddles with the first `times` requests that begin with `start`.
    pub async fn start(target: SocketAddr, start: &'static str, meddling: Meddling, times: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let met = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&met);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, target, start, meddling, times, Arc::clone(&seen)));
            }
        });
        Self { address, met, accepting }
    }

    /// Where to connect.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests were meddled with.
    pub fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(
    mut client: TcpStream,
    target: SocketAddr,
    start: &'static str,
    meddling: Meddling,
    times: usize,
    met: Arc<AtomicUsize>,
) {
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    let (mut request, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut losing = false;
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let Ok(length @ 1..) = read else { return };
                let bytes = &request[..length];
                if bytes.starts_with(start.as_bytes()) && met.load(Ordering::SeqCst) < times {
                    if meddling == Meddling::Hold {
                        met.fetch_add(1, Ordering::SeqCst);
                        // Until the client gives up or is gone.
                        while matches!(client.read(&mut request).await, Ok(1..)) {}
                        return;
                    }
                    losing = true;
                }
                if server.write_all(bytes).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answer) => {
                let Ok(length @ 1..) = read else { return };
                if losing {
                    met.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                if client.write_all(&answer[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
