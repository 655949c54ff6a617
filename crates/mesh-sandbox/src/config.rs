//! What a server is started with, and why it may not start.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use jiff::Timestamp;
use mesh_api::SharedKey;
use thiserror::Error;

use crate::directory::Directory;

/// What a [`Sandbox`](crate::Sandbox) is started with.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Where to listen. Port 0 takes a free one. With [`Tls::Plain`] it must be a loopback address.
    pub listen: SocketAddr,
    /// The secret that all mailboxes share (`mesh-api.md` 2.1).
    pub shared_key: SharedKey,
    /// Mailboxes and workflows.
    pub directory: Directory,
    /// Plain HTTP or TLS.
    pub tls: Tls,
    /// The clock: message ids, status times and expiry times come from it. Token times are not compared with it,
    /// because the official emulator does not (`mesh-api.md` 2.2).
    pub now: fn() -> Timestamp,
}

impl SandboxConfig {
    /// A server for this machine alone: a free port of `127.0.0.1`, plain HTTP, shared key `TestKey`, the stock
    /// directory, the system clock.
    pub fn loopback() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            shared_key: SharedKey::new("TestKey"),
            directory: Directory::stock(),
            tls: Tls::Plain,
            now: system_now,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the system clock that a configuration may ask for; everything else takes its time from there"
)]
fn system_now() -> Timestamp {
    Timestamp::now()
}

/// Whether and how the port is secured (`mesh-api.md` 1.2). TLS is 1.2 or 1.3.
#[derive(Clone)]
pub enum Tls {
    /// Plain HTTP, on loopback only: tokens and payloads would be readable elsewhere.
    Plain,
    /// TLS with a certificate for `localhost`, `127.0.0.1` and `::1` under a root made at start, which
    /// [`Sandbox::root_certificate`](crate::Sandbox::root_certificate) tells.
    SelfMade {
        /// PEM of the authorities whose client certificates are required. `None` asks for no client certificate.
        client_ca: Option<String>,
    },
    /// TLS with a certificate of the caller's own.
    Given {
        /// PEM of the server's certificate, then of its intermediates.
        certificate: String,
        /// PEM of the certificate's private key (PKCS#8, PKCS#1 or SEC1, not encrypted).
        key: String,
        /// As in [`Tls::SelfMade`].
        client_ca: Option<String>,
    },
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, client_ca) = match self {
            Self::Plain => return f.write_str("Plain"),
            Self::SelfMade { client_ca } => ("SelfMade", client_ca),
            Self::Given { client_ca, .. } => ("Given", client_ca),
        };
        f.debug_struct(name).field("client_certificates", &client_ca.is_some()).finish_non_exhaustive()
    }
}

/// Why a server did not start. Nothing was left running.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// Plain HTTP was asked for on an address that other machines can reach.
    #[error(
        "plain HTTP is served on loopback only, not on {address}: choose a loopback address or switch TLS on"
    )]
    PlainOffLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: free it or choose another")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// A PEM text does not hold what it should.
    #[error(
        "the {what} holds no readable {item} in PEM form: check that it is the right file and not encrypted"
    )]
    Pem {
        /// Which of the given texts.
        what: &'static str,
        /// What was looked for in it.
        item: &'static str,
    },
    /// The certificate authorities for client certificates cannot be used.
    #[error("the authorities for client certificates cannot be used: give certificates of authorities")]
    ClientCa {
        /// What the TLS library said.
        source: rustls::server::VerifierBuilderError,
    },
    /// Certificate and key do not work, alone or together.
    #[error("the server's certificate and key cannot be used: check that they belong together")]
    Certificate {
        /// What the TLS library said.
        source: rustls::Error,
    },
    /// The self-made certificate could not be made.
    #[error("a certificate could not be made: give one instead")]
    SelfMade {
        /// What the certificate library said.
        source: rcgen::Error,
    },
}
