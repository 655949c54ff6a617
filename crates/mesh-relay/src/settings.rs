//! From a configuration file to what a relay is started with.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dts_folder::Names;
use keystore::{Finding, Severity, read_authorities};
use mesh_api::{MailboxId, SharedKey};
use mesh_client::{
    BreakerConfig, Client, ClientConfig, Proxy, ProxyLogin, RootCertificate, Timeouts, TlsConfig,
};
use relay_config::{
    AdapterSection, Fault, Faults, Identity, InDoubt, JournalPlace, JournalSection, Loaded, MailboxSection,
    MeshSection, RouteSection, SecretRef, Secrets, SendSection,
};
use relay_core::lease::LEASE_TTL;
use relay_core::{DoubtStrategy, Pattern, Rate, ReceivePolicy, SendPolicy, SendRoute, UnknownWorkflow};
use rustls::RootCertStore;
use secrecy::{ExposeSecret, SecretString};

use crate::adapters::AdapterConfig;
use crate::console::ConsoleSettings;
use crate::identity::{self, IdentityError, IdentityWatch, Whose};
use crate::journal::JournalSettings;
use crate::system;

/// What a relay is started with: everything resolved, no connection and no folder opened.
pub struct Settings {
    /// Where MESH is, for people.
    pub mesh_url: String,
    /// How MESH is reached.
    pub client: Client,
    /// What keeps the client's identity as its files are, and the pause between two looks at them.
    pub identity: Option<(IdentityWatch, Duration)>,
    /// What is to be known and keeps nothing from starting.
    pub notes: Vec<Note>,
    /// Its mailboxes.
    pub mailboxes: Vec<MailboxSettings>,
    /// Where the journal is.
    pub journal: JournalSettings,
    /// How long messages that have ended are kept.
    pub keep: Duration,
    /// Bounds of sending.
    pub send: SendPolicy,
    /// The file with one line for each transfer, if there is to be one.
    pub transfer_log: Option<PathBuf>,
    /// Whether its lines hold file names and local ids.
    pub transfer_names: Names,
    /// The file that stops the relay once its content is `1`, if one is looked at.
    pub stop_signal: Option<PathBuf>,
    /// Adapters by name.
    pub adapters: Vec<(String, AdapterConfig)>,
    /// The console, if there is to be one.
    pub console: Option<ConsoleSettings>,
    /// The pause between two looks at files of certificates.
    pub identity_look: Duration,
}

/// Something to know about a configuration without a fault.
pub struct Note {
    /// How bad it is; no error.
    pub severity: Severity,
    /// What it is, where, and what to do.
    pub fault: Fault,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault.message)?;
        match &self.fault.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// One mailbox.
pub struct MailboxSettings {
    /// Its id.
    pub id: MailboxId,
    /// Its password.
    pub password: SecretString,
    /// Bounds of receiving.
    pub receive: ReceivePolicy,
}

/// The name and version that MESH is told (`mesh-api.md` 4.1).
pub fn application() -> String {
    format!("mesh-relay=={}", env!("CARGO_PKG_VERSION"))
}

impl Settings {
    /// Reads a configuration file and everything it refers to.
    ///
    /// # Errors
    /// Every fault that was found, each with its place and what to do.
    pub fn load(path: &Path) -> Result<Self, Faults> {
        Self::resolve(relay_config::load_with(path, adapter_in(path))?)
    }

    /// As [`Self::load`], a configuration that was made in memory, with the secrets of its files.
    ///
    /// # Errors
    /// As [`Self::load`]; the places are those of the text.
    pub fn load_text(path: &Path, text: String, secrets: Secrets) -> Result<Self, Faults> {
        Self::resolve(relay_config::load_text_with(path, text, secrets, adapter_in(path))?)
    }

    /// Reads everything that a configuration refers to.
    fn resolve(loaded: Loaded<(AdapterSection, AdapterConfig)>) -> Result<Self, Faults> {
        let mut loaded = loaded;
        let mut faults = Faults::new();
        let mut adapter_notes = Vec::new();
        check_adapters(&loaded, &mut faults);
        for (section, config) in &mut loaded.adapters {
            config.resolve(section, &loaded.secrets, &mut adapter_notes, &mut faults);
        }
        let secrets = &loaded.secrets;
        let mut mailboxes = Vec::new();
        for mailbox in &loaded.mailboxes {
            match mailbox.password.resolve(secrets) {
                Ok(password) => {
                    let (id, receive) = (mailbox.id.clone(), receive_policy(mailbox));
                    mailboxes.push(MailboxSettings { id, password, receive });
                }
                Err(error) => {
                    faults.push(mailbox.section.fault(Some("password"), error.to_string(), None));
                }
            }
        }
        let journal = journal(&loaded.journal, secrets, &mut faults);
        let console = loaded
            .console
            .as_ref()
            .and_then(|section| ConsoleSettings::read(section, secrets, &mut adapter_notes, &mut faults));
        match (reach(&loaded.mesh, secrets, &mut faults), journal) {
            (Some(Reach { client, watch, mut notes }), Some(journal)) if faults.is_empty() => Ok(Self {
                mesh_url: loaded.mesh.environment.base_url().to_owned(),
                client,
                identity: watch.map(|watch| (watch, loaded.mesh.identity_look)),
                notes: {
                    notes.append(&mut adapter_notes);
                    notes
                },
                mailboxes,
                journal,
                keep: loaded.journal.keep,
                send: send_policy(&loaded.send, loaded.mesh.chunk_bytes),
                transfer_log: loaded.log.transfers,
                transfer_names: if loaded.log.names { Names::Told } else { Names::Left },
                stop_signal: loaded.stop.signal,
                console,
                identity_look: loaded.mesh.identity_look,
                adapters: loaded
                    .adapters
                    .into_iter()
                    .map(|(section, config)| (section.name.clone(), config))
                    .collect(),
            }),
            _ => Err(faults),
        }
    }
}

/// Reads a configuration and nothing that it refers to.
pub(crate) fn read(path: &Path) -> Result<Loaded<(AdapterSection, AdapterConfig)>, Faults> {
    let loaded = relay_config::load_with(path, adapter_in(path))?;
    let mut faults = Faults::new();
    check_adapters(&loaded, &mut faults);
    if faults.is_empty() { Ok(loaded) } else { Err(faults) }
}

/// Reads the adapters of a configuration and nothing that they need to run: no secret, no key, no certificate.
///
/// # Errors
/// Every fault that was found, each with its place and what to do.
pub fn adapters(path: &Path) -> Result<Vec<(String, AdapterConfig)>, Faults> {
    named(relay_config::load_with(path, adapter_in(path))?)
}

/// As [`adapters`], of a configuration that was made in memory.
///
/// # Errors
/// As [`adapters`]; the places are those of the text.
pub fn adapters_of_text(
    path: &Path,
    text: String,
    secrets: Secrets,
) -> Result<Vec<(String, AdapterConfig)>, Faults> {
    named(relay_config::load_text_with(path, text, secrets, adapter_in(path))?)
}

fn named(loaded: Loaded<(AdapterSection, AdapterConfig)>) -> Result<Vec<(String, AdapterConfig)>, Faults> {
    let mut faults = Faults::new();
    check_adapters(&loaded, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(loaded.adapters.into_iter().map(|(section, config)| (section.name, config)).collect())
}

/// Reads the adapters of a configuration file, whose relative paths start at its folder.
fn adapter_in(
    path: &Path,
) -> impl FnMut(&AdapterSection, &mut Faults) -> Option<(AdapterSection, AdapterConfig)> {
    let folder = path.parent().unwrap_or(Path::new(""));
    move |section, faults| {
        AdapterConfig::read(section, folder, faults).map(|config| (section.clone(), config))
    }
}

/// What can only be seen with all sections at hand: mailboxes that are not there, and adapters in each other's
/// way.
fn check_adapters(loaded: &Loaded<(AdapterSection, AdapterConfig)>, faults: &mut Faults) {
    for (index, (section, config)) in loaded.adapters.iter().enumerate() {
        let mailbox = config.mailbox();
        if !loaded.mailboxes.iter().any(|known| known.id == *mailbox) {
            let hint = format!("add a [[mailbox]] section with id = \"{mailbox}\"");
            faults.push(section.fault(
                Some("mailbox"),
                format!("mailbox {mailbox} is not configured"),
                Some(hint),
            ));
        }
        for (other, before) in &loaded.adapters[..index] {
            if before.mailbox() == mailbox && before.receives() && config.receives() {
                faults.push(section.fault(
                    Some("mailbox"),
                    format!("adapter {} takes the messages of mailbox {mailbox} already", other.name),
                    Some("give the messages of each mailbox to one adapter".to_owned()),
                ));
            }
            let taken = before.territories();
            for (key, ours) in config.territories() {
                if taken.iter().any(|(_, theirs)| *theirs == ours) {
                    faults.push(section.fault(
                        Some(key),
                        format!("adapter {} works on {ours} already", other.name),
                        Some("give each adapter its own".to_owned()),
                    ));
                }
            }
        }
    }
}

/// Where the journal is, with the secrets and files that `section` refers to. `None` comes with a fault.
pub(crate) fn journal(
    section: &JournalSection,
    secrets: &Secrets,
    faults: &mut Faults,
) -> Option<JournalSettings> {
    let (url, instance, roots, lease) = match &section.place {
        JournalPlace::File(path) => return Some(JournalSettings::File(path.clone())),
        JournalPlace::Postgres { url, instance, roots, lease } => (url, instance, roots, *lease),
    };
    let mut fault = |key: &str, what: String| faults.push(section.section.fault(Some(key), what, None));
    let url = url.resolve(secrets).map_err(|error| fault("url", error.to_string())).ok()?;
    let roots = match roots {
        Some(path) => {
            let store = database_roots(path).map_err(|what| fault("roots", what)).ok()?;
            Some(Arc::new(store))
        }
        None => None,
    };
    Some(JournalSettings::Postgres {
        url,
        instance: instance.clone(),
        roots,
        lease: lease.unwrap_or(LEASE_TTL),
    })
}

fn database_roots(path: &Path) -> Result<RootCertStore, String> {
    let told = |what: &dyn fmt::Display| format!("{}: {what}", path.display());
    let bytes = std::fs::read(path).map_err(|error| told(&error))?;
    let authorities = read_authorities(&bytes, None).map_err(|error| told(&error))?;
    let mut store = RootCertStore::empty();
    for authority in authorities {
        store.add(authority).map_err(|error| told(&error))?;
    }
    Ok(store)
}

/// The authorities to trust. Where they are the keystore of the identity, its password opens it.
pub(crate) fn roots(mesh: &MeshSection, secrets: &Secrets, faults: &mut Faults) -> Vec<RootCertificate> {
    let Some(path) = &mesh.roots else {
        return Vec::new();
    };
    let password = match &mesh.identity {
        Some(Identity::Keystore { keystore, password, .. }) if keystore == path => password.as_ref(),
        _ => None,
    };
    // One that cannot be had is told where the identity is read.
    let password = password.and_then(|password| password.resolve(secrets).ok());
    let mut fault = |what: &dyn fmt::Display, hint: Option<&str>| {
        let message = format!("{}: {what}", path.display());
        faults.push(mesh.section.fault(Some("roots"), message, hint.map(str::to_owned)));
        Vec::new()
    };
    match std::fs::read(path) {
        Ok(bytes) => match read_authorities(&bytes, password.as_ref()) {
            Ok(roots) => roots,
            Err(error) => fault(&error, Some("name a PEM file, or the keystore of the identity")),
        },
        Err(error) => fault(&error, Some("name a file that the relay's account may read")),
    }
}

/// The identity and what is to be known of it.
fn watch(
    mesh: &MeshSection,
    secrets: &Secrets,
    roots: &[RootCertificate],
    notes: &mut Vec<Note>,
    faults: &mut Faults,
) -> Option<IdentityWatch> {
    let files = identity::files(mesh.identity.as_ref()?, secrets);
    let fault = |finding: &Finding| {
        let hint = Some(finding.advice.to_owned());
        mesh.section.fault(Some("identity"), finding.sentence.clone(), hint)
    };
    match IdentityWatch::start(files, Whose::Mesh(roots.to_vec()), system::now()) {
        Ok((watch, findings)) => {
            let note = |finding: &Finding| Note { severity: finding.severity, fault: fault(finding) };
            notes.extend(findings.iter().map(note));
            Some(watch)
        }
        Err(IdentityError::Unfit(finding)) => {
            faults.push(fault(&finding));
            None
        }
        Err(IdentityError::Load(error)) => {
            faults.push(mesh.section.fault(Some("identity"), error.to_string(), None));
            None
        }
    }
}

pub(crate) fn proxy(mesh: &MeshSection, secrets: &Secrets, faults: &mut Faults) -> Option<Proxy> {
    let configured = mesh.proxy.as_ref()?;
    let login = match &configured.login {
        Some(login) => Some(ProxyLogin {
            user: login.user.clone(),
            password: secret(mesh, "proxy.password", &login.password, secrets, faults)?,
        }),
        None => None,
    };
    Some(Proxy { url: configured.url.clone(), login })
}

fn secret(
    mesh: &MeshSection,
    key: &str,
    secret: &SecretRef,
    secrets: &Secrets,
    faults: &mut Faults,
) -> Option<SecretString> {
    match secret.resolve(secrets) {
        Ok(secret) => Some(secret),
        Err(error) => {
            faults.push(mesh.section.fault(Some(key), error.to_string(), None));
            None
        }
    }
}

/// MESH as a configuration says to reach it.
pub(crate) struct Reach {
    /// The client.
    pub(crate) client: Client,
    /// What keeps its identity as the files are.
    watch: Option<IdentityWatch>,
    notes: Vec<Note>,
}

/// Reads what `mesh` refers to. `None` comes with a fault.
pub(crate) fn reach(mesh: &MeshSection, secrets: &Secrets, faults: &mut Faults) -> Option<Reach> {
    let before = faults.len();
    let mut notes = Vec::new();
    let roots = roots(mesh, secrets, faults);
    let watch = watch(mesh, secrets, &roots, &mut notes, faults);
    let identity = watch.as_ref().map(IdentityWatch::shown);
    let proxy = proxy(mesh, secrets, faults);
    let shared_key = secret(mesh, "shared_key", &mesh.shared_key, secrets, faults)?;
    // Faults of the parts are told; one of the whole would repeat them.
    if faults.len() > before {
        return None;
    }
    let config = ClientConfig {
        base_url: mesh.environment.base_url().to_owned(),
        shared_key: SharedKey::new(shared_key.expose_secret()),
        tls: TlsConfig { roots, identity },
        proxy,
        timeouts: Timeouts::default(),
        breaker: BreakerConfig::default(),
        expanded_bytes_max: mesh_client::EXPANDED_BYTES_MAX,
        application: application(),
        now: system::now,
    };
    // What could be read may still not be what it should.
    match Client::new(config) {
        Ok(client) => Some(Reach { client, watch, notes }),
        Err(error) => {
            faults.push(mesh.section.fault(None, error.to_string(), None));
            None
        }
    }
}

fn send_policy(section: &SendSection, chunk_bytes: u64) -> SendPolicy {
    let usual = SendPolicy::default();
    SendPolicy {
        in_flight_max: section.in_flight.unwrap_or(usual.in_flight_max),
        chunk_bytes,
        retry_first: section.retry_first.unwrap_or(usual.retry_first),
        retry_max: section.retry_max.unwrap_or(usual.retry_max),
        give_up_after: section.give_up_after.unwrap_or(usual.give_up_after),
        doubt_wait: section.doubt_wait.unwrap_or(usual.doubt_wait),
        rate: section.rate.map(rate),
        recipient_rate: section.recipient_rate.map(rate),
        in_doubt: doubt_strategy(section.in_doubt),
        routes: section.routes.iter().map(send_route).collect(),
        ..usual
    }
}

fn rate(configured: relay_config::Rate) -> Rate {
    Rate { messages: configured.messages, per: configured.per() }
}

fn receive_policy(section: &MailboxSection) -> ReceivePolicy {
    ReceivePolicy {
        poll_every: section.poll,
        workflows: section.workflows.clone(),
        unknown: match section.unknown_workflow {
            relay_config::UnknownWorkflow::Deliver => UnknownWorkflow::Deliver,
            relay_config::UnknownWorkflow::Leave => UnknownWorkflow::Leave,
        },
        track: section.track,
        ..ReceivePolicy::default()
    }
}

fn doubt_strategy(configured: InDoubt) -> DoubtStrategy {
    match configured {
        InDoubt::Probe => DoubtStrategy::Probe,
        InDoubt::TwoStep => DoubtStrategy::TwoStep,
        InDoubt::Resend => DoubtStrategy::Resend,
        InDoubt::Park => DoubtStrategy::Park,
    }
}

fn send_route(configured: &RouteSection) -> SendRoute {
    let pattern = |text: &Option<String>| text.as_ref().map(Pattern::new);
    SendRoute {
        from: pattern(&configured.from),
        to: pattern(&configured.to),
        workflow: pattern(&configured.workflow),
        in_doubt: doubt_strategy(configured.in_doubt),
    }
}

/// What was decided, without secrets, the client and the identity's watch.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mailboxes: Vec<_> =
            self.mailboxes.iter().map(|mailbox| (&mailbox.id, &mailbox.receive)).collect();
        f.debug_struct("Settings")
            .field("mesh_url", &self.mesh_url)
            .field("identity", &self.identity.as_ref().map(|(_, every)| every))
            .field("mailboxes", &mailboxes)
            .field("journal", &self.journal)
            .field("keep", &self.keep)
            .field("send", &self.send)
            .field("transfer_log", &self.transfer_log)
            .field("transfer_names", &self.transfer_names)
            .field("stop_signal", &self.stop_signal)
            .field("adapters", &self.adapters.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mailboxes, adapters) = (self.mailboxes.len(), self.adapters.len());
        write!(f, "{mailboxes} mailbox(es) at {}, {adapters} adapter(s): ", self.mesh_url)?;
        for (index, (name, config)) in self.adapters.iter().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            write!(f, "{separator}{name} for {}", config.mailbox())?;
        }
        Ok(())
    }
}
