//! The port: TLS, connections, the end of them.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::api::Api;
use crate::certificate::common_name;
use crate::impatient::Impatient;

/// Most connections at a time; further ones wait in the operating system's queue.
pub const CONNECTIONS_MAX: usize = 512;
/// Longest TLS handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for a request's headers to arrive, an idle wait for the next request included.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest silence inside a request's body.
pub const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest silence inside a body that is only read to be dropped, because the answer does not need it.
pub const DRAIN_IDLE_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest time that is spent on such a body, however fast it comes.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time that a caller takes nothing of an answer.
pub const ANSWER_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a shutdown lets running calls finish before it cuts them.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// Wait after a connection could not be taken, because the system is out of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    api: Arc<Api>,
    mut stopped: oneshot::Receiver<()>,
) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(panicked = error.is_panic(), "a sandbox connection failed");
                }
            }
            taken = listener.accept(), if connections.len() < CONNECTIONS_MAX => match taken {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, tls.clone(), Arc::clone(&api), graceful.watcher()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::select! {
                        _ = &mut stopped => break,
                        () = sleep(ACCEPT_PAUSE) => {}
                    }
                }
            }
        }
    }
    drop(listener);
    if timeout(SHUTDOWN_GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were cut at shutdown");
    }
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, api: Arc<Api>, watcher: Watcher) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "small packets may be delayed on a connection");
    }
    let Some(tls) = tls else {
        return exchange(stream, api, None, watcher).await;
    };
    match timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).and_then(common_name);
            exchange(stream, api, shown, watcher).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn exchange<S>(stream: S, api: Arc<Api>, client_cn: Option<Arc<str>>, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let (api, client_cn) = (Arc::clone(&api), client_cn.clone());
        async move { api.answer(request, client_cn.as_ref()).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(Impatient::new(stream, ANSWER_IDLE_TIMEOUT)), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}
