//! A wire on loopback whose state is in a test's hands: whole, broken, held, or silent in one direction.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of bytes on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// They pass.
    Whole,
    /// Every connection breaks, and new ones do at once.
    Broken,
    /// Connections come about, nothing passes and nobody is told. What was held passes once the wire is whole.
    Held,
    /// What is sent arrives, and what comes back is swallowed.
    Silent,
}

/// The wire. Dropping it ends it.
pub struct Wire {
    address: SocketAddr,
    state: watch::Sender<State>,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Wire {
    /// A whole one to `target`, from a port of its own.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, state) = watch::channel(State::Whole);
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(near, target, state.clone()));
            }
        });
        Self { address, state: sender, connections, accepting }
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it is so.
    pub fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(near: TcpStream, target: SocketAddr, state: watch::Receiver<State>) {
    if *state.borrow() == State::Broken {
        return;
    }
    let Ok(far) = TcpStream::connect(target).await else { return };
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let mut breaking = state.clone();
    let both = async {
        tokio::join!(pass(near_in, far_out, state.clone(), false), pass(far_in, near_out, state, true))
    };
    tokio::select! {
        _ = both => {}
        // An error means that the wire is gone, and its connections with it.
        _ = breaking.wait_for(|state| *state == State::Broken) => {}
    }
}

/// Passes bytes on until the end of either side; `back` is the way from the target.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
    back: bool,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        let now = match state.wait_for(|state| *state != State::Held).await {
            Ok(now) => *now,
            Err(_) => return,
        };
        if back && now == State::Silent {
            continue;
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
    // The other side may be gone already.
    let _ = to.shutdown().await;
}
