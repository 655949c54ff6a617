//! Connections: name, TCP, proxy and TLS under one time limit.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use keystore::SwappableIdentity;
use tokio::time::Instant;
use tower_service::Service;

use crate::proxy::Tunnel;
use crate::wire::{Shown, Wire};

type Inner = HttpsConnector<Dialler>;
type BoxError = Box<dyn Error + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Connects within a limit. HTTP/1.1 only: MESH says nothing of HTTP/2.
#[derive(Clone)]
pub(crate) struct Connector {
    inner: Inner,
    identity: Option<Arc<SwappableIdentity>>,
    limit: Duration,
}

impl Connector {
    /// `identity` is what `tls` shows, and `tunnel` the proxy on the way.
    pub(crate) fn new(
        tls: rustls::ClientConfig,
        identity: Option<Arc<SwappableIdentity>>,
        tunnel: Option<Tunnel>,
        limit: Duration,
    ) -> Self {
        let mut tcp = HttpConnector::new();
        // The TLS layer decides on the scheme; the base address was checked before.
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let dialler = Dialler { tcp, identity: identity.clone(), tunnel, limit };
        let inner = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(dialler);
        Self { inner, identity, limit }
    }

    /// What new connections show.
    pub(crate) fn identity(&self) -> Option<&Arc<SwappableIdentity>> {
        self.identity.as_ref()
    }
}

impl Service<Uri> for Connector {
    type Response = <Inner as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.inner.call(uri);
        let limit = self.limit;
        Box::pin(async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(outcome) => outcome,
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}

/// What lies beneath TLS: TCP to the server, or through the proxy.
#[derive(Clone)]
pub(crate) struct Dialler {
    tcp: HttpConnector,
    identity: Option<Arc<SwappableIdentity>>,
    tunnel: Option<Tunnel>,
    limit: Duration,
}

impl Service<Uri> for Dialler {
    type Response = Wire;
    type Error = BoxError;
    type Future = Connecting<Wire>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // Before the handshake: if it is replaced meanwhile, the connection counts as old, which does no harm.
        let shown = Shown::now(self.identity.as_deref());
        let secure = uri.scheme_str() == Some("https");
        match self.tunnel.clone().filter(|_| secure) {
            Some(tunnel) => {
                // Not later than the limit of the whole, so that the proxy is named when it is the one that waits.
                let deadline = Instant::now() + self.limit;
                let connecting = self.tcp.call(tunnel.address.clone());
                Box::pin(async move {
                    let connecting = async { connecting.await.map(TokioIo::into_inner) };
                    let stream = tunnel.dig(connecting, &uri, deadline).await?;
                    Ok(Wire::new(TokioIo::new(stream), shown))
                })
            }
            None => {
                let connecting = self.tcp.call(uri);
                Box::pin(async move { Ok(Wire::new(connecting.await?, shown)) })
            }
        }
    }
}
