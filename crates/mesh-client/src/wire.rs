//! A connection that knows which identity it was made with.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use keystore::SwappableIdentity;
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;

/// What the server was shown when a connection was made. Goes with every response that comes over it.
#[derive(Clone)]
pub(crate) struct Shown(Option<Arc<CertifiedKey>>);

impl Shown {
    /// What a handshake that begins now shows.
    pub(crate) fn now(identity: Option<&SwappableIdentity>) -> Self {
        Self(identity.and_then(SwappableIdentity::current))
    }

    /// Whether it is still what a handshake would show.
    pub(crate) fn is_current(&self, identity: Option<&SwappableIdentity>) -> bool {
        match (&self.0, Self::now(identity).0) {
            (Some(shown), Some(current)) => Arc::ptr_eq(shown, &current),
            (None, None) => true,
            _ => false,
        }
    }
}

/// A TCP connection, to MESH itself or through a proxy, and what is shown on it.
pub(crate) struct Wire {
    tcp: TokioIo<TcpStream>,
    shown: Shown,
}

impl Wire {
    pub(crate) fn new(tcp: TokioIo<TcpStream>, shown: Shown) -> Self {
        Self { tcp, shown }
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        self.tcp.connected().extra(self.shown.clone())
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(context, parts)
    }
}
