//! MESH: the way there step by step, both sides' certificates, and what it says to our mailboxes.

use std::time::Duration;

use mesh_api::{MailboxId, SharedKey};
use mesh_client::{
    BreakerConfig, Client, ClientConfig, Proxy, ProxyFault, Timeouts, TlsConfig, TlsFault, Tunnel,
};
use relay_config::{Faults, MeshSection, SecretRef, Secrets};
use relay_core::diagnosis::Finding;
use rustls::pki_types::CertificateDer;
use secrecy::ExposeSecret;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use url::Url;

use super::certificate::{self, CERTIFICATE, Ours};
use super::credentials::{self, Credentials};
use super::line::{End, Handshake};
use super::{Read, aside, faults_of};
use crate::settings;
use crate::system;

/// Whether the authorities to trust can be read.
const ROOTS: &str = "mesh.roots";
/// Whether the host's name is known.
const NAME: &str = "mesh.name";
/// Whether a connection stands.
const CONNECTION: &str = "mesh.connection";
/// Whether the proxy leads to MESH.
const PROXY: &str = "mesh.proxy";
/// Whether the server's certificate is one to trust.
const TLS: &str = "mesh.tls";
/// Whether MESH takes our certificate.
const ACCEPTED: &str = "mesh.certificate-accepted";
/// Whether what answers is MESH.
pub(super) const ANSWER: &str = "mesh.answer";

/// How long a proxy may take to lead to MESH.
const PROXY_WITHIN: Duration = Duration::from_secs(10);
/// How long a refusal of our certificate may take to arrive, once TLS stands on our side. One that takes longer is met by the
/// first call.
const REFUSAL_WITHIN: Duration = Duration::from_secs(1);
/// How long MESH may take to answer a call with all that may be repeated of it.
const CALL_WITHIN: Duration = Duration::from_secs(30);

/// What is looked at.
pub(super) struct Mesh {
    section: MeshSection,
    secrets: Secrets,
    mailboxes: Vec<(MailboxId, SecretRef)>,
}

impl Mesh {
    pub(super) fn of(loaded: &Read) -> Self {
        let mailbox = |mailbox: &relay_config::MailboxSection| (mailbox.id.clone(), mailbox.password.clone());
        Self {
            section: loaded.mesh.clone(),
            secrets: loaded.secrets.clone(),
            mailboxes: loaded.mailboxes.iter().map(mailbox).collect(),
        }
    }

    /// Looks at all of it, in the order in which one rests on the other.
    pub(super) async fn look(self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Err(fault) = self.steps(&mut findings).await {
            findings.push(fault);
        }
        // What nobody came to, and why.
        let fault = findings.iter().rev().find(|finding| finding.is_fault()).map(|finding| finding.check);
        let tls = self.section.environment.is_tls();
        for check in [NAME, CONNECTION, PROXY, TLS, ACCEPTED, ANSWER] {
            let is_due = match check {
                PROXY => tls && self.section.proxy.is_some(),
                TLS | ACCEPTED => tls,
                _ => true,
            };
            if let Some(fault) = fault
                && is_due
                && !findings.iter().any(|finding| finding.check == check)
            {
                findings.push(Finding::not_checked(check, "MESH", format!("{fault} is at fault")));
            }
        }
        if let Some(fault) = fault
            && !findings.iter().any(|finding| finding.check == credentials::MAILBOX)
        {
            findings.extend(credentials::not_checked(&self.mailboxes, &format!("{fault} is at fault")));
        }
        findings
    }

    fn end(&self) -> End {
        let url = Url::parse(self.section.environment.base_url()).ok();
        let host =
            url.as_ref().and_then(Url::host_str).unwrap_or_default().trim_matches(['[', ']']).to_owned();
        End {
            whose: "MESH".to_owned(),
            host,
            port: url.as_ref().and_then(Url::port_or_known_default).unwrap_or_default(),
            name: NAME,
            connection: CONNECTION,
            tls: TLS,
            key: "`environment` of [mesh]".to_owned(),
            roots_key: match &self.section.roots {
                Some(path) => format!("`roots` of [mesh] ({})", path.display()),
                None => "`roots` of [mesh]".to_owned(),
            },
        }
    }

    /// # Errors
    /// The fault beyond which nothing can be looked at.
    async fn steps(&self, findings: &mut Vec<Finding>) -> Result<(), Finding> {
        let secure = self.section.environment.is_tls();
        let mut roots = Vec::new();
        let mut ours = None;
        let mut has_roots = true;
        if secure {
            let (section, secrets) = (self.section.clone(), self.secrets.clone());
            let read = aside(move || {
                let mut faults = Faults::new();
                let roots = settings::roots(&section, &secrets, &mut faults);
                let mut found = Vec::new();
                let ours = certificate::read(&section, &secrets, &roots, &mut found);
                (roots, faults, ours, found)
            });
            if let Some((read, faults, certificate, found)) = read.await {
                has_roots = faults.is_empty();
                findings.extend(faults_of(ROOTS, "roots of [mesh]", &faults));
                findings.extend(found);
                (roots, ours) = (read, certificate);
            }
            if has_roots {
                let item = self.section.roots.as_ref().map(|path| path.display().to_string());
                let found = format!("{} certificate(s) to trust", roots.len());
                findings.push(Finding::sound(ROOTS, item.unwrap_or_default(), found));
            }
        }
        let end = self.end();
        let stream = self.way(&end, secure, findings).await?;
        if secure {
            if !has_roots {
                return Ok(());
            }
            // The server's certificate is looked at also where ours is at fault.
            let shown = ours.as_ref().and_then(|ours| ours.identity.clone());
            let handshake = end.secure(stream, &roots, shown).await?;
            findings.push(end.judge(&handshake, &roots)?);
            let Some(ours) = &ours else { return Ok(()) };
            findings.push(accepted(ours, handshake).await?);
        }
        self.calls(&end, roots, ours, findings).await
    }

    /// A connection to MESH, through the proxy if there is one.
    async fn way(&self, end: &End, secure: bool, findings: &mut Vec<Finding>) -> Result<TcpStream, Finding> {
        // A call over plain HTTP stays on this machine.
        let proxy = self.section.proxy.as_ref().filter(|_| secure);
        let Some(configured) = proxy else {
            let addresses = end.resolve(findings).await?;
            return end.connect(&addresses, findings).await;
        };
        let item = format!("proxy {}", configured.url);
        let fault = |found: String, advice: String| Finding::fault(PROXY, item.clone(), found, advice);
        let mend = || "mend `proxy` of [mesh]".to_owned();
        let proxy = self.proxy().ok_or_else(|| fault("its password cannot be read".to_owned(), mend()))?;
        let tunnel = Tunnel::new(&proxy).map_err(|error| fault(error.to_string(), mend()))?;
        let (host, port) = tunnel.host_and_port();
        let near = End {
            whose: "proxy".to_owned(),
            host: host.to_owned(),
            port,
            key: "`proxy` of [mesh]".to_owned(),
            ..end.clone()
        };
        let near = End { name: PROXY, connection: PROXY, ..near };
        // Name and connection are the proxy's own here: MESH's name is for the proxy to find.
        let mut steps = Vec::new();
        let addresses = near.resolve(&mut steps).await?;
        let stream = near.connect(&addresses, &mut steps).await?;
        let host = if end.host.contains(':') { format!("[{}]", end.host) } else { end.host.clone() };
        let target = format!("https://{host}:{}", end.port).parse();
        let target = target.map_err(|_| fault("MESH's address cannot be asked of it".to_owned(), mend()))?;
        let deadline = Instant::now() + PROXY_WITHIN;
        let connected = async { Ok::<_, std::io::Error>(stream) };
        match tunnel.dig(connected, &target, deadline).await {
            Ok(stream) => {
                findings.push(Finding::sound(PROXY, item.clone(), format!("it leads to {}", end.item())));
                let by_proxy = "the proxy looks to it";
                findings.push(Finding::not_checked(NAME, end.item(), by_proxy));
                findings.push(Finding::not_checked(CONNECTION, end.item(), by_proxy));
                Ok(stream)
            }
            Err(error) => {
                let told = match &error {
                    ProxyFault::NoWay { status } => format!(
                        "it cannot connect to {} (HTTP {status}); correct `environment` of [mesh], then ask whoever runs the proxy",
                        end.item()
                    ),
                    other => other.to_string(),
                };
                let (found, advice) = told.split_once("; ").unwrap_or((&told, "ask whoever runs the proxy"));
                Err(fault(found.to_owned(), advice.to_owned()))
            }
        }
    }

    fn proxy(&self) -> Option<Proxy> {
        settings::proxy(&self.section, &self.secrets, &mut Faults::new())
    }

    /// A handshake for each mailbox, as a relay makes one at its start.
    async fn calls(
        &self,
        end: &End,
        roots: Vec<CertificateDer<'static>>,
        ours: Option<Ours>,
        findings: &mut Vec<Finding>,
    ) -> Result<(), Finding> {
        let Ok(shared_key) = self.section.shared_key.resolve(&self.secrets) else {
            // The secret's own check names it.
            let why = "the shared key cannot be read";
            findings.push(Finding::not_checked(ANSWER, end.item(), why));
            findings.extend(credentials::not_checked(&self.mailboxes, why));
            return Ok(());
        };
        let item = ours.as_ref().map(|ours| ours.item.clone());
        let client = Client::new(ClientConfig {
            base_url: self.section.environment.base_url().to_owned(),
            shared_key: SharedKey::new(shared_key.expose_secret()),
            tls: TlsConfig { roots, identity: ours.and_then(|ours| ours.identity) },
            proxy: self.proxy(),
            timeouts: Timeouts { answer: CALL_WITHIN, whole: CALL_WITHIN, ..Timeouts::default() },
            // Each mailbox is to be asked about, whatever became of the others.
            breaker: BreakerConfig { failures: 0, ..BreakerConfig::default() },
            expanded_bytes_max: mesh_client::EXPANDED_BYTES_MAX,
            application: settings::application(),
            now: system::now,
        });
        let client =
            client.map_err(|error| Finding::fault(ANSWER, end.item(), error.to_string(), "mend [mesh]"))?;
        let credentials = Credentials {
            client,
            mailboxes: &self.mailboxes,
            secrets: &self.secrets,
            shared_key: &self.section.shared_key,
            server: end.item(),
            certificate: item.unwrap_or_default(),
            answer: ANSWER,
            accepted: ACCEPTED,
        };
        findings.extend(credentials.look().await);
        Ok(())
    }
}

/// Whether the server took our certificate. Under TLS 1.3 its refusal comes after our side of the handshake; nothing is written
/// meanwhile, so that it is not lost with a connection that breaks.
async fn accepted(ours: &Ours, handshake: Handshake) -> Result<Finding, Finding> {
    let refused = match handshake.outcome {
        Err(error) => TlsFault::find(&error),
        Ok(mut stream) if handshake.asked => match timeout(REFUSAL_WITHIN, stream.read(&mut [0])).await {
            Err(_) | Ok(Ok(1..)) => None,
            Ok(Ok(0)) => Some(TlsFault::OursRefused("it closed the connection".to_owned())),
            Ok(Err(error)) => Some(
                TlsFault::find(&error).unwrap_or_else(|| TlsFault::OursRefused(error.kind().to_string())),
            ),
        },
        Ok(_) => None,
    };
    let Some(refused) = refused else {
        let found = match (handshake.asked, &ours.identity) {
            (true, Some(_)) => "the server asked for it and did not refuse it",
            (true, None) => "the server asked for a certificate and goes on without one",
            (false, _) => "the server asked for no certificate",
        };
        return Ok(Finding::sound(ACCEPTED, &ours.item, found));
    };
    Err(refusal(&ours.item, ours.identity.is_some(), &refused))
}

/// What a refusal is, in words.
pub(super) fn refusal(item: &str, has_one: bool, refused: &TlsFault) -> Finding {
    if !has_one {
        let advice =
            "name the certificate that was issued for this environment, and its key, in `identity` of [mesh]";
        return Finding::fault(
            CERTIFICATE,
            item,
            "the server asks for a client certificate, and none is configured",
            advice,
        );
    }
    let told = refused.to_string();
    let (found, advice) = told.split_once("; ").unwrap_or((&told, "ask whoever issued it"));
    Finding::fault(ACCEPTED, item, found, advice)
}
