//! One connection, from its handshake to its end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tower_http::timeout::TimeoutBody;

use super::Connection;
use super::impatient::Impatient;

/// Longest TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for a request's headers to arrive, an idle wait for the next request included.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest silence inside a request's body.
const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest time that a caller takes nothing of an answer.
const ANSWER_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest time that is spent on a connection that is turned away.
const TURN_AWAY_TIMEOUT: Duration = Duration::from_secs(2);
/// Most bytes that are read of one that is turned away, so that the answer is not lost over what was not read.
const TURN_AWAY_BYTES_MAX: u64 = 16 * 1024;
/// What is said to it.
const TOO_MANY: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n\
    Cache-Control: no-store\r\nRetry-After: 5\r\nConnection: close\r\n\r\n\
    {\"type\":\"about:blank#too-many-connections\",\"title\":\"Service Unavailable\",\"status\":503,\
    \"detail\":\"the console has as many connections as it takes; close some, or try again\"}";

pub(crate) struct Server {
    pub(crate) routes: Router,
    pub(crate) tls: Option<TlsAcceptor>,
}

impl Server {
    pub(crate) async fn converse(&self, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "small packets may be delayed on a connection");
        }
        let connection = match stream.local_addr() {
            Ok(local) => Connection { peer, local },
            Err(error) => return tracing::debug!(%error, "a connection ended before it began"),
        };
        let Some(tls) = &self.tls else {
            return self.exchange(stream, connection, watcher).await;
        };
        match timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.exchange(stream, connection, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn exchange<S>(&self, stream: S, ends: Connection, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let routes = self.routes.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(|body| Body::new(TimeoutBody::new(BODY_IDLE_TIMEOUT, body)));
            request.extensions_mut().insert(ends);
            let routes = routes.clone();
            async move { routes.oneshot(request).await.map_err(|error: Infallible| error) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(Impatient::new(stream, ANSWER_IDLE_TIMEOUT)), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// Tells a connection that there are too many.
pub(crate) async fn turn_away(mut stream: TcpStream) {
    let told: Result<io::Result<()>, _> = timeout(TURN_AWAY_TIMEOUT, async {
        stream.write_all(TOO_MANY.as_bytes()).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(TURN_AWAY_BYTES_MAX), &mut tokio::io::sink()).await?;
        Ok(())
    })
    .await;
    if !matches!(told, Ok(Ok(()))) {
        tracing::debug!("a connection that was turned away did not wait to be told");
    }
}
