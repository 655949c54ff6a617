//! The port that the console listens at.

mod connection;
mod impatient;
mod peers;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::server::graceful::GracefulShutdown;
use relay_core::Shutdown;
use rustls::ServerConfig;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use self::connection::{Server, turn_away};
use self::peers::Peers;

/// Most connections at a time; further ones are told so and closed.
pub const CONNECTIONS_MAX: usize = 512;
/// Most connections from one address at a time, unless it is this machine's own.
pub const CONNECTIONS_PER_PEER_MAX: usize = 64;
/// Most connections at a time that are being told that there are too many; further ones are just closed.
const TURNED_AWAY_MAX: usize = 32;
/// How long a stop lets running requests finish before it cuts them. Streams of events are always cut.
pub const STOP_GRACE: Duration = Duration::from_secs(5);
/// Wait after a connection could not be taken, because the system is out of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where to listen.
#[derive(Clone)]
pub struct ListenConfig {
    /// Address and port; port 0 takes any that is free.
    pub address: SocketAddr,
    /// Certificate and key, needed beyond loopback. They can change under way if the configuration asks a
    /// [`ResolvesServerCert`](rustls::server::ResolvesServerCert) that does.
    pub tls: Option<Arc<ServerConfig>>,
}

/// Why nobody can connect.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Everybody on the way could read along.
    #[error(
        "the console listens at {0}, which is not on loopback, without TLS; configure `tls`, or listen on 127.0.0.1"
    )]
    Plain(SocketAddr),
    /// The address cannot be had.
    #[error(
        "the console cannot listen at {address}: {source}; choose another address, or stop what listens there"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// The two ends of the connection that a request came by. In the extensions of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// The address that connected.
    pub peer: SocketAddr,
    /// The address that it connected to.
    pub local: SocketAddr,
}

/// A port that is open. Connections wait until [`run`](Self::run).
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
}

impl Listening {
    /// Opens the port.
    ///
    /// # Errors
    /// The address is beyond loopback and there is no TLS, or it cannot be had.
    pub async fn bind(config: ListenConfig) -> Result<Self, ListenError> {
        let ListenConfig { address, tls } = config;
        if tls.is_none() && !address.ip().is_loopback() {
            return Err(ListenError::Plain(address));
        }
        let bind = |source| ListenError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        Ok(Self { listener, address, tls: tls.map(TlsAcceptor::from) })
    }

    /// The address, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `routes` until a stop is asked for, then lets running requests finish for [`STOP_GRACE`] at most.
    pub async fn run(self, routes: Router, shutdown: Shutdown) {
        self.run_bounded(routes, shutdown, CONNECTIONS_MAX).await;
    }

    async fn run_bounded(self, routes: Router, mut shutdown: Shutdown, connections_max: usize) {
        let Self { listener, tls, .. } = self;
        let server = Arc::new(Server { routes, tls });
        let peers = Arc::new(Peers::default());
        let graceful = GracefulShutdown::new();
        let (mut connections, mut turned_away) = (JoinSet::new(), JoinSet::new());
        loop {
            tokio::select! {
                () = shutdown.requested() => break,
                Some(ended) = connections.join_next(), if !connections.is_empty() => {
                    if ended.is_err_and(|error| error.is_panic()) {
                        tracing::error!("a connection to the console failed");
                    }
                }
                Some(_) = turned_away.join_next(), if !turned_away.is_empty() => {}
                taken = listener.accept() => match taken {
                    Ok((stream, peer)) => {
                        let place = (connections.len() < connections_max).then(|| Peers::enter(&peers, peer.ip())).flatten();
                        if let Some(place) = place {
                            let (server, watcher) = (Arc::clone(&server), graceful.watcher());
                            connections.spawn(async move {
                                server.converse(stream, peer, watcher).await;
                                drop(place);
                            });
                        } else if turned_away.len() < TURNED_AWAY_MAX && server.tls.is_none() {
                            turned_away.spawn(turn_away(stream));
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection to the console could not be taken");
                        tokio::select! {
                            () = shutdown.requested() => break,
                            () = sleep(ACCEPT_PAUSE) => {}
                        }
                    }
                }
            }
        }
        drop(listener);
        if timeout(STOP_GRACE, graceful.shutdown()).await.is_err() {
            tracing::info!("connections to the console were cut at the stop");
        }
        connections.shutdown().await;
        turned_away.shutdown().await;
    }
}

#[cfg(test)]
mod tests;
