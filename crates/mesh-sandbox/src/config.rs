//! What a server is started with, and why it may not start.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mesh_api::SharedKey;
use thiserror::Error;

use crate::clock::Clock;
use crate::directory::Directory;
use crate::faults::FaultScript;
use crate::rules::Rules;
use crate::store::{FolderError, StoreKind};

/// What a [`Sandbox`](crate::Sandbox) is started with.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Where to listen. Port 0 takes a free one. With [`Tls::Plain`] it must be a loopback address.
    pub listen: SocketAddr,
    /// The secret that all mailboxes share (`mesh-api.md` 2.1).
    pub shared_key: SharedKey,
    /// How callers are authorised.
    pub auth: Auth,
    /// Mailboxes, workflows and patients.
    pub directory: Directory,
    /// Where messages are kept.
    pub store: StoreKind,
    /// Which of live's rules hold that the official emulator lets slip.
    pub rules: Rules,
    /// What goes wrong on purpose.
    pub faults: FaultScript,
    /// Plain HTTP or TLS.
    pub tls: Tls,
    /// The clock: message ids, status times, expiry and the age of tokens follow it.
    pub clock: Clock,
}

impl SandboxConfig {
    /// A server for this machine alone that answers as the official emulator does: a free port of `127.0.0.1`,
    /// plain HTTP, shared key `TestKey`, the stock directory, messages in memory, the system clock.
    pub fn loopback() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            shared_key: SharedKey::new("TestKey"),
            auth: Auth::Full,
            directory: Directory::stock(),
            store: StoreKind::Memory,
            rules: Rules::official(),
            faults: FaultScript::default(),
            tls: Tls::Plain,
            clock: Clock::system(),
        }
    }

    /// The same with every rule of live MESH ([`Rules::strict`]).
    pub fn strict() -> Self {
        Self { rules: Rules::strict(), ..Self::loopback() }
    }
}

/// How callers are authorised (`mesh-api.md` 2.2, 11.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// The token's hash is checked against the mailbox's password and the shared key.
    Full,
    /// The nonce `VALID` is let in; nothing else of the token counts but its mailbox. The rules about tokens have
    /// nothing to look at then.
    Canned,
    /// Everybody is let in to every mailbox that there is. The rules about tokens have nothing to look at then.
    None,
}

/// Whether and how the port is secured (`mesh-api.md` 1.2). TLS is 1.2 or 1.3.
#[derive(Clone)]
pub enum Tls {
    /// Plain HTTP, on loopback only: tokens and payloads would be readable elsewhere.
    Plain,
    /// TLS with a certificate for `localhost`, `127.0.0.1` and `::1` under a root made at start, which
    /// [`Sandbox::root_certificate`](crate::Sandbox::root_certificate) tells.
    SelfMade {
        /// Whose client certificates are asked for. `None` asks for none.
        client: Option<ClientCertificates>,
    },
    /// TLS with a certificate of the caller's own.
    Given {
        /// PEM of the server's certificate, then of its intermediates.
        certificate: String,
        /// PEM of the certificate's private key (PKCS#8, PKCS#1 or SEC1, not encrypted).
        key: String,
        /// As in [`Tls::SelfMade`].
        client: Option<ClientCertificates>,
    },
}

/// Client certificates that a server asks for. The common name of one that is shown stands beside the caller's
/// requests.
#[derive(Clone)]
pub struct ClientCertificates {
    /// PEM of the authorities that must have issued them.
    pub authorities: String,
    /// Whether a caller without one is turned away. One with a certificate of another authority always is.
    pub required: bool,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, client) = match self {
            Self::Plain => return f.write_str("Plain"),
            Self::SelfMade { client } => ("SelfMade", client),
            Self::Given { client, .. } => ("Given", client),
        };
        f.debug_struct(name).field("client_certificates", &client.is_some()).finish_non_exhaustive()
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
    /// The store's folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
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
