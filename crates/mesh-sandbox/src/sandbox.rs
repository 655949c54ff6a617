//! A running server, as the program that started it holds it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use mesh_api::MailboxId;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::api::Api;
use crate::certificate;
use crate::clock::ClockError;
use crate::config::{SandboxConfig, SandboxError, Tls};
use crate::faults::Faults;
use crate::habits::{Habit, Habits};
use crate::reports::HeldReports;
use crate::requests::{RequestSeen, Requests};
use crate::rules::Rules;
#[cfg(doc)]
use crate::serve::SHUTDOWN_GRACE;
use crate::serve::serve;
use crate::store::{Store, StoredMessage};
use crate::tokens::UsedTokens;

/// A running MESH server. With [`StoreKind::Memory`](crate::StoreKind) its messages live as long as it does. Dropped
/// without [`Sandbox::shutdown`], it shuts down by itself in the background.
pub struct Sandbox {
    address: SocketAddr,
    secured: bool,
    root: Option<String>,
    api: Arc<Api>,
    /// Dropping it ends the server.
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Sandbox {
    /// Starts [`SandboxConfig::loopback`].
    ///
    /// # Errors
    /// As [`Sandbox::start`].
    pub async fn loopback() -> Result<Self, SandboxError> {
        Self::start(SandboxConfig::loopback()).await
    }

    /// Opens the port and serves; on return the port answers. Needs a tokio runtime with time and I/O, on which it
    /// runs until it is shut down.
    ///
    /// # Errors
    /// [`SandboxError`] when the address is taken or, without TLS, not loopback, or certificates or the store's
    /// folder are unusable.
    pub async fn start(config: SandboxConfig) -> Result<Self, SandboxError> {
        let asked = config.listen;
        if matches!(config.tls, Tls::Plain) && !asked.ip().is_loopback() {
            return Err(SandboxError::PlainOffLoopback { address: asked });
        }
        let (tls, root) = match certificate::secure(&config.tls)? {
            Some(secured) => (Some(TlsAcceptor::from(secured.config)), secured.root),
            None => (None, None),
        };
        let store = Store::open(&config.store, config.clock.now())?;
        let mut directory = config.directory;
        store.check_mailboxes(&directory)?;
        for mailbox in store.mailboxes() {
            directory.adopt(mailbox);
        }
        let bind = |source| SandboxError::Bind { address: asked, source };
        let listener = TcpListener::bind(asked).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;

        let secured = tls.is_some();
        let api = Arc::new(Api {
            directory,
            shared_key: config.shared_key,
            auth: config.auth,
            secured,
            store,
            clock: config.clock,
            rules: config.rules,
            faults: Faults::new(config.faults),
            used_tokens: UsedTokens::default(),
            habits: Habits::default(),
            requests: Requests::default(),
            held_reports: HeldReports::default(),
            ageing: Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(serve(listener, tls, Arc::clone(&api), stopped));
        tracing::info!(%address, tls = secured, "mesh sandbox listens");
        Ok(Self { address, secured, root, api, stop, server })
    }

    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What paths of `mesh-api.md` section 4 are appended to, such as `http://127.0.0.1:8700`. A server on every
    /// address of the machine is named by loopback.
    pub fn base_url(&self) -> String {
        let scheme = if self.secured { "https" } else { "http" };
        let ip = match self.address.ip() {
            ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        format!("{scheme}://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// PEM of the root that clients must trust; only with [`Tls::SelfMade`].
    pub fn root_certificate(&self) -> Option<&str> {
        self.root.as_deref()
    }

    /// Everything ever sent to this mailbox, in order of sending, unfinished and acknowledged messages and reports
    /// included; without what was reset or deleted.
    pub fn messages(&self, mailbox: &MailboxId) -> Vec<StoredMessage> {
        self.api.age_wholly(self.api.clock.now());
        self.api.store.sent_to(mailbox)
    }

    /// The last requests, oldest first, at most [`REQUESTS_KEPT_MAX`](crate::REQUESTS_KEPT_MAX).
    pub fn requests(&self) -> Vec<RequestSeen> {
        self.api.requests.last()
    }

    /// Moves the server's clock forward, and lets everything happen that becomes due by it.
    ///
    /// # Errors
    /// [`ClockError`] when the move is not forward or too far.
    pub fn advance(&self, by: SignedDuration) -> Result<(), ClockError> {
        self.api.clock.advance(by)?;
        self.api.age_wholly(self.api.clock.now());
        Ok(())
    }

    /// The rules, to be switched while the server runs.
    pub fn rules(&self) -> &Rules {
        &self.api.rules
    }

    /// The faults, to be changed while the server runs, and what they did.
    pub fn faults(&self) -> &Faults {
        &self.api.faults
    }

    /// What the server noted about a mailbox's owner.
    pub fn habit(&self, mailbox: &MailboxId) -> Habit {
        self.api.habits.of(mailbox)
    }

    /// Switches a mailbox on or off; it counts under the rules that look at it.
    pub fn set_active(&self, mailbox: &MailboxId, active: bool) {
        self.api.habits.switch(mailbox, active);
    }

    /// Takes no more connections, lets running calls finish for at most [`SHUTDOWN_GRACE`], cuts the rest.
    pub async fn shutdown(self) {
        drop(self.stop);
        if self.server.await.is_err() {
            tracing::warn!("the mesh sandbox had ended before its shutdown");
        }
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sandbox({})", self.base_url())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsConnector;

    use std::net::SocketAddr;
    use std::sync::Arc;

    use tokio::net::TcpStream;

    use super::*;
    use crate::config::ClientCertificates;

    struct Authority {
        pem: String,
        issuer: Issuer<'static, KeyPair>,
    }

    fn authority() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a root").pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    impl Authority {
        /// A certificate and its key, in PEM.
        fn issue(&self, name: &str) -> (String, String) {
            let key = KeyPair::generate().expect("a key");
            let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
            params.distinguished_name.push(DnType::CommonName, format!("{name}.Y99.api.mesh-client.nhs.uk"));
            (params.signed_by(&key, &self.issuer).expect("a certificate").pem(), key.serialize_pem())
        }
    }

    fn config(tls: Tls) -> SandboxConfig {
        SandboxConfig { tls, ..SandboxConfig::loopback() }
    }

    fn certificate(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
    }

    const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

    async fn health(sandbox: &Sandbox, root: &str, client: Option<(String, String)>) -> io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(root)).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
                builder.with_client_auth_cert(vec![certificate(&chain)], key).expect("a client certificate")
            }
        };
        let stream = TcpStream::connect(sandbox.address()).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(HEALTH).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn plain_http_off_loopback_is_refused() {
        let listen: SocketAddr = "0.0.0.0:0".parse().expect("an address");
        let refused = Sandbox::start(SandboxConfig { listen, ..SandboxConfig::loopback() }).await;
        assert!(matches!(refused, Err(SandboxError::PlainOffLoopback { address }) if address == listen));
    }

    #[tokio::test]
    async fn a_taken_port_is_told() {
        let first = Sandbox::start(config(Tls::Plain)).await.expect("a server");
        let listen = first.address();
        let second = Sandbox::start(SandboxConfig { listen, ..SandboxConfig::loopback() }).await;
        assert!(matches!(second, Err(SandboxError::Bind { address, .. }) if address == listen));
        first.shutdown().await;
    }

    #[tokio::test]
    async fn the_self_made_root_is_enough_and_a_failed_handshake_harms_nobody() {
        let sandbox = Sandbox::start(config(Tls::SelfMade { client: None })).await.expect("a server");
        assert!(sandbox.base_url().starts_with("https://127.0.0.1:"));
        assert!(health(&sandbox, &authority().pem, None).await.is_err(), "another root was trusted");
        let root = sandbox.root_certificate().expect("a root").to_owned();
        let answer = health(&sandbox, &root, None).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        sandbox.shutdown().await;
    }

    #[tokio::test]
    async fn client_certificates_are_required_when_an_authority_is_given() {
        let (servers, clients) = (authority(), authority());
        let (chain, key) = servers.issue("localhost");
        let client = Some(ClientCertificates { authorities: clients.pem.clone(), required: true });
        let tls = Tls::Given { certificate: chain, key, client };
        let sandbox = Sandbox::start(config(tls)).await.expect("a server");
        assert_eq!(sandbox.root_certificate(), None);
        assert!(health(&sandbox, &servers.pem, None).await.is_err(), "no client certificate");
        let foreign = servers.issue("client");
        assert!(health(&sandbox, &servers.pem, Some(foreign)).await.is_err(), "another authority's");
        let known = clients.issue("client");
        let answer = health(&sandbox, &servers.pem, Some(known)).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let shown: Vec<_> = sandbox.requests().into_iter().map(|request| request.client_cn).collect();
        assert_eq!(shown, [Some("client.Y99.api.mesh-client.nhs.uk".into())]);
        sandbox.shutdown().await;
    }

    #[tokio::test]
    async fn client_certificates_may_be_asked_for_without_being_required() {
        let clients = authority();
        let client = Some(ClientCertificates { authorities: clients.pem.clone(), required: false });
        let sandbox = Sandbox::start(config(Tls::SelfMade { client })).await.expect("a server");
        let root = sandbox.root_certificate().expect("a root").to_owned();
        assert!(
            health(&sandbox, &root, Some(authority().issue("client"))).await.is_err(),
            "another authority's"
        );
        for identity in [None, Some(clients.issue("client"))] {
            let answer = health(&sandbox, &root, identity).await.expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        let shown: Vec<_> = sandbox.requests().iter().map(|request| request.client_cn.is_some()).collect();
        assert_eq!(shown, [false, true]);
        sandbox.shutdown().await;
    }

    #[tokio::test]
    async fn shutdown_ends_idle_connections_and_the_port() {
        let sandbox = Sandbox::start(config(Tls::Plain)).await.expect("a server");
        let address = sandbox.address();
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sent");
        stream.read_u8().await.expect("an answer");
        sandbox.shutdown().await;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("the end of the connection");
        assert!(TcpStream::connect(address).await.is_err(), "the port is still open");
    }
}
