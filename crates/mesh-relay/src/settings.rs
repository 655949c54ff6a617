//! From a configuration file to what a relay is started with.

use std::collections::{BTreeMap, BTreeSet};
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
    AdapterSection, Fault, Faults, Identity, Imprint, JournalPlace, JournalSection, Loaded, MailboxSection,
    MeshSection, ReloadSection, SecretRef, Secrets, SendRouteSection, SendSection,
};
use relay_core::lease::LEASE_TTL;
use relay_core::{Pattern, Rate, ReceivePolicy, Router, SendPolicy, SendRoute, UnknownWorkflow};
use rustls::RootCertStore;
use secrecy::SecretString;

use crate::adapters::{AUTHORITIES, AdapterConfig, IDENTITY, SECRET};
use crate::alerts::AlertSettings;
use crate::clear_text::{self, ClearWay};
use crate::console::ConsoleSettings;
use crate::identity::{self, IdentityError, IdentityWatch, Whose};
use crate::journal::JournalSettings;
use crate::telemetry::Reporting;
use crate::{config_tests, routing, system};

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
    /// Its adapters.
    pub adapters: Vec<AdapterSettings>,
    /// Which of them takes a message from MESH.
    pub router: Arc<Router>,
    /// The console, if there is to be one.
    pub console: Option<ConsoleSettings>,
    /// What the process tells of itself.
    pub reporting: Reporting,
    /// The pause between two looks at files of certificates.
    pub identity_look: Duration,
    /// What tells how MESH is reached from how another configuration says.
    pub mesh_imprint: Imprint,
    /// What only a start can change.
    pub fixed: Fixed,
    /// How a running relay follows its configuration.
    pub reload: ReloadSection,
    /// The files beside the configuration file that were read for all of this, save those of certificates that are
    /// followed by themselves.
    pub files: BTreeSet<PathBuf>,
    /// How long messages under way may take to end when the relay stops.
    pub drain: Duration,
    /// Incidents, and who is told.
    pub alerts: AlertSettings,
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
        write!(f, "{}; {}", self.fault.message, self.fault.hint)
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
    /// What tells it from what another configuration says of it.
    pub imprint: Imprint,
}

/// One adapter.
pub struct AdapterSettings {
    /// Its name.
    pub name: String,
    /// What it is made from.
    pub config: AdapterConfig,
    /// What tells it from what another configuration says of it.
    pub imprint: Imprint,
}

/// The sections that only a start can change, with what they refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fixed(BTreeMap<String, Vec<Imprint>>);

/// The sections that stand once and that a running relay follows.
const FOLLOWED: [&str; 3] = ["mesh", "send", "reload"];

impl Fixed {
    fn new<A>(loaded: &Loaded<A>, journal: &Secrets, console: &Secrets, alerts: &Secrets) -> Self {
        let sections = loaded.once.iter().filter(|(name, _)| !FOLLOWED.contains(&name.as_str()));
        let mut fixed: BTreeMap<String, Vec<Imprint>> =
            sections.map(|(name, imprint)| (name.clone(), vec![imprint.clone()])).collect();
        fixed.entry("journal".to_owned()).or_default().push(loaded.journal.section.imprint(journal));
        if let Some(section) = &loaded.console {
            fixed.entry("console".to_owned()).or_default().push(section.section.imprint(console));
        }
        if let Some(section) = &loaded.alerts.section {
            fixed.entry("alerts".to_owned()).or_default().push(section.imprint(alerts));
        }
        Self(fixed)
    }

    /// The sections in which it differs from `other`, by name.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        let differs = |name: &&String| self.0.get(*name) != other.0.get(*name);
        names.into_iter().filter(differs).cloned().collect()
    }
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
        let mut files = BTreeSet::new();
        let mut adapter_imprints = Vec::with_capacity(loaded.adapters.len());
        check_adapters(&loaded, &mut faults);
        let router = Arc::new(routing::router(&loaded, &mut faults));
        let send = send_policy(&loaded.send, loaded.mesh.chunk_bytes);
        // Without a route that has a fault, others would be blamed for it.
        if faults.is_empty() {
            config_tests::run(&loaded.tests, &router, &send, &mut faults);
        }
        for (section, config) in &mut loaded.adapters {
            let secrets = loaded.secrets.apart();
            config.resolve(section, &secrets, &mut adapter_notes, &mut faults);
            adapter_imprints.push(section.imprint(&secrets));
            files.append(&mut secrets.files());
        }
        for (section, config) in &loaded.adapters {
            let at = |key: &str, what: String, hint: String| section.fault(Some(key), what, hint);
            for way in config.clear_ways() {
                clear_text::judge(&way, &loaded.mesh.environment, at, &mut adapter_notes, &mut faults);
            }
        }
        let mut mailboxes = Vec::new();
        for mailbox in &loaded.mailboxes {
            let secrets = loaded.secrets.apart();
            match mailbox.password.resolve(&secrets) {
                Ok(password) => {
                    let (id, receive) = (mailbox.id.clone(), receive_policy(mailbox));
                    let imprint = mailbox.section.imprint(&secrets);
                    mailboxes.push(MailboxSettings { id, password, receive, imprint });
                }
                Err(error) => {
                    faults.push(mailbox.section.fault_of(Some("password"), &error, SECRET));
                }
            }
            files.append(&mut secrets.files());
        }
        let journal_secrets = loaded.secrets.apart();
        let journal = journal(&loaded.journal, &journal_secrets, &mut faults);
        files.append(&mut journal_secrets.files());
        let at = |key: &str, what: String, hint: String| loaded.journal.section.fault(Some(key), what, hint);
        if let (Some(way), JournalPlace::Postgres { clear_text: accepted, .. }) =
            (journal.as_ref().and_then(JournalSettings::in_clear_text), &loaded.journal.place)
        {
            let way = ClearWay { accepted: *accepted, ..way };
            clear_text::judge(&way, &loaded.mesh.environment, at, &mut adapter_notes, &mut faults);
        }
        let console_secrets = loaded.secrets.apart();
        let console = loaded.console.as_ref().and_then(|section| {
            ConsoleSettings::read(section, &console_secrets, &mut adapter_notes, &mut faults)
        });
        files.append(&mut console_secrets.files());
        let mesh_secrets = loaded.secrets.apart();
        let reached = reach(&loaded.mesh, &mesh_secrets, &mut faults);
        files.append(&mut mesh_secrets.files());
        let alerts_secrets = loaded.secrets.apart();
        let alerts = AlertSettings::read(&loaded.alerts, &alerts_secrets, &mut faults);
        files.append(&mut alerts_secrets.files());
        let telemetry_secrets = loaded.secrets.apart();
        let reporting =
            Reporting::read(&loaded.log, loaded.telemetry.as_ref(), &telemetry_secrets, &mut faults);
        files.append(&mut telemetry_secrets.files());
        let fixed = Fixed::new(&loaded, &journal_secrets, &console_secrets, &alerts_secrets);
        match (reached, journal) {
            (Some(Reach { client, watch, mut notes }), Some(journal)) if faults.is_empty() => Ok(Self {
                mesh_imprint: loaded.mesh.section.imprint(&mesh_secrets),
                fixed,
                reload: loaded.reload,
                files,
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
                send,
                router,
                transfer_log: loaded.log.transfers,
                transfer_names: if loaded.log.names { Names::Told } else { Names::Left },
                stop_signal: loaded.stop.signal,
                console,
                reporting,
                identity_look: loaded.mesh.identity_look,
                drain: loaded.stop.drain,
                alerts,
                adapters: loaded
                    .adapters
                    .into_iter()
                    .zip(adapter_imprints)
                    .map(|((section, config), imprint)| AdapterSettings {
                        name: section.name,
                        config,
                        imprint,
                    })
                    .collect(),
            }),
            _ => Err(faults),
        }
    }
}

/// What of a configuration decides which way a message takes: no secret, no key, no certificate.
pub(crate) struct Plan {
    /// Adapters by name.
    pub(crate) adapters: Vec<(String, AdapterConfig)>,
    /// The mailboxes.
    pub(crate) mailboxes: Vec<MailboxId>,
    /// Which adapter takes a message from MESH.
    pub(crate) router: Router,
    /// The line of each of its routes.
    pub(crate) route_lines: Vec<usize>,
    /// Bounds of sending.
    pub(crate) send: SendPolicy,
    receive: Vec<ReceivePolicy>,
}

impl Plan {
    /// Reads a configuration file. Its `[[test]]`s are not run: whoever asks why one fails must get an answer.
    pub(crate) fn load(path: &Path) -> Result<Self, Faults> {
        let loaded = relay_config::load_with(path, adapter_in(path))?;
        let mut faults = Faults::new();
        check_adapters(&loaded, &mut faults);
        let router = routing::router(&loaded, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            mailboxes: loaded.mailboxes.iter().map(|mailbox| mailbox.id.clone()).collect(),
            receive: loaded.mailboxes.iter().map(receive_policy).collect(),
            router,
            route_lines: loaded.routes.iter().map(|route| route.section.line()).collect(),
            send: send_policy(&loaded.send, loaded.mesh.chunk_bytes),
            adapters: loaded.adapters.into_iter().map(|(section, config)| (section.name, config)).collect(),
        })
    }

    /// Whether a mailbox is configured.
    pub(crate) fn has(&self, mailbox: &MailboxId) -> bool {
        self.mailboxes.contains(mailbox)
    }

    /// How messages of a mailbox are received, if it is configured.
    pub(crate) fn receive(&self, mailbox: &MailboxId) -> Option<&ReceivePolicy> {
        self.mailboxes.iter().position(|known| known == mailbox).and_then(|at| self.receive.get(at))
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
    // A name alone has an empty folder, which nothing is relative to.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
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
            faults.push(section.fault(Some("mailbox"), format!("mailbox {mailbox} is not configured"), hint));
        }
        for (other, before) in &loaded.adapters[..index] {
            let taken = before.territories();
            for (key, ours) in config.territories() {
                if taken.iter().any(|(_, theirs)| *theirs == ours) {
                    faults.push(section.fault(
                        Some(key),
                        format!("adapter {} works on {ours} already", other.name),
                        "give each adapter its own",
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
        JournalPlace::Postgres { url, instance, roots, lease, .. } => (url, instance, roots, *lease),
    };
    let mut fault = |key: &str, what: String, otherwise: &str| {
        faults.push(section.section.fault_of(Some(key), &what, otherwise));
    };
    let url = url.resolve(secrets).map_err(|error| fault("url", error.to_string(), SECRET)).ok()?;
    let roots = match roots {
        Some(path) => {
            let store =
                database_roots(path, secrets).map_err(|what| fault("roots", what, AUTHORITIES)).ok()?;
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

fn database_roots(path: &Path, secrets: &Secrets) -> Result<RootCertStore, String> {
    let told = |what: &dyn fmt::Display| format!("{}: {what}", path.display());
    let bytes = secrets.read(path).map_err(|error| told(&error))?;
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
    let mut fault = |what: &dyn fmt::Display, otherwise: &str| {
        let message = format!("{}: {what}", path.display());
        faults.push(mesh.section.fault_of(Some("roots"), &message, otherwise));
        Vec::new()
    };
    match secrets.read(path) {
        Ok(bytes) => match read_authorities(&bytes, password.as_ref()) {
            Ok(roots) => roots,
            Err(error) => fault(&error, "name a PEM file, or the keystore of the identity"),
        },
        Err(error) => fault(&error, "name a file that the relay's account may read"),
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
    let fault =
        |finding: &Finding| mesh.section.fault(Some("identity"), finding.sentence.clone(), finding.advice);
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
            faults.push(mesh.section.fault_of(Some("identity"), &error, IDENTITY));
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
            faults.push(mesh.section.fault_of(Some(key), &error, SECRET));
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
        shared_key: SharedKey::new(shared_key),
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
            let hint = "correct environment, roots, identity or proxy";
            faults.push(mesh.section.fault_of(None, &error, hint));
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
        in_doubt: config_tests::strategy(section.in_doubt),
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

fn send_route(configured: &SendRouteSection) -> SendRoute {
    let pattern = |text: &Option<String>| text.as_ref().map(Pattern::new);
    SendRoute {
        from: pattern(&configured.from),
        to: pattern(&configured.to),
        workflow: pattern(&configured.workflow),
        in_doubt: config_tests::strategy(configured.in_doubt),
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
            .field("adapters", &self.adapters.iter().map(|adapter| &adapter.name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mailboxes, adapters) = (self.mailboxes.len(), self.adapters.len());
        write!(f, "{mailboxes} mailbox(es) at {}, {adapters} adapter(s): ", self.mesh_url)?;
        for (index, adapter) in self.adapters.iter().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            write!(f, "{separator}{} for {}", adapter.name, adapter.config.mailbox())?;
        }
        Ok(())
    }
}
