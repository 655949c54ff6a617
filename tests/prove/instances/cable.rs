//! A wire that can be cut: what is connected breaks, what would connect hangs.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A wire from a port of its own to a target. Dropping it cuts it for good.
pub struct Cable {
    address: SocketAddr,
    whole: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Cable {
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (whole, state) = watch::channel(true);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, target, state.clone()));
            }
        });
        Self { address, whole, accepting }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts it: no byte passes, and nobody is told.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Mends it. What was connected stays broken.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(mut near: TcpStream, target: SocketAddr, mut whole: watch::Receiver<bool>) {
    // Fails only when the cable is gone, and then the connections go, too.
    if whole.wait_for(|whole| *whole).await.is_err() {
        return;
    }
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
        _ = whole.wait_for(|whole| !*whole) => {}
    }
    // Both ends hang until it is mended, as on a wire that is cut; then they break.
    let _ = whole.wait_for(|whole| *whole).await;
}
