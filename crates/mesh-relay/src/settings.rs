//! From a configuration file to what a relay is started with.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh_api::{MailboxId, SharedKey};
use mesh_client::{BreakerConfig, Client, ClientConfig, Identity, Timeouts, TlsConfig};
use relay_config::{AdapterSection, Faults, Loaded, MeshSection, SendSection};
use relay_core::{ReceivePolicy, SendPolicy};
use secrecy::{ExposeSecret, SecretString};

use crate::adapters::AdapterConfig;
use crate::system;

/// What a relay is started with: everything resolved, no connection and no folder opened.
pub struct Settings {
    /// Where MESH is, for people.
    pub mesh_url: String,
    /// How MESH is reached.
    pub client: Client,
    /// Its mailboxes.
    pub mailboxes: Vec<MailboxSettings>,
    /// Where the journal is.
    pub journal: PathBuf,
    /// Bounds of sending.
    pub send: SendPolicy,
    /// Bounds of receiving; each mailbox has its own poll time.
    pub receive: ReceivePolicy,
    /// Adapters by name.
    pub adapters: Vec<(String, AdapterConfig)>,
}

/// One mailbox.
pub struct MailboxSettings {
    /// Its id.
    pub id: MailboxId,
    /// Its password.
    pub password: SecretString,
    /// Pause between two looks at its inbox.
    pub poll: Duration,
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
        let folder = path.parent().unwrap_or(Path::new(""));
        let loaded = relay_config::load_with(path, |section, faults| {
            AdapterConfig::read(section, folder, faults).map(|config| (section.clone(), config))
        })?;
        let mut faults = Faults::new();
        check_adapters(&loaded, &mut faults);
        let base = &loaded.folder;
        let mut mailboxes = Vec::new();
        for mailbox in &loaded.mailboxes {
            match mailbox.password.resolve(base) {
                Ok(password) => {
                    mailboxes.push(MailboxSettings { id: mailbox.id.clone(), password, poll: mailbox.poll });
                }
                Err(error) => {
                    faults.push(mailbox.section.fault(Some("password"), error.to_string(), None));
                }
            }
        }
        let client = client(&loaded.mesh, base, &mut faults);
        match client {
            Some(client) if faults.is_empty() => Ok(Self {
                mesh_url: loaded.mesh.environment.base_url().to_owned(),
                client,
                mailboxes,
                journal: loaded.journal.path,
                send: send_policy(&loaded.send, loaded.mesh.chunk_bytes),
                receive: ReceivePolicy::default(),
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
            if before.mailbox() == mailbox {
                faults.push(section.fault(
                    Some("mailbox"),
                    format!("adapter {} takes the messages of mailbox {mailbox} already", other.name),
                    Some("give each mailbox one adapter".to_owned()),
                ));
            }
            if let (Some(ours), Some(theirs)) = (config.territory(), before.territory())
                && ours == theirs
            {
                faults.push(section.fault(
                    Some("root"),
                    format!("adapter {} works on {theirs} already", other.name),
                    Some("give each adapter a folder of its own".to_owned()),
                ));
            }
        }
    }
}

fn client(mesh: &MeshSection, base: &Path, faults: &mut Faults) -> Option<Client> {
    let mut read = |key: &str, path: &Path| match std::fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            let hint = Some("name a PEM file that the relay's account may read".to_owned());
            faults.push(mesh.section.fault(Some(key), format!("{}: {error}", path.display()), hint));
            None
        }
    };
    let roots_pem = mesh.roots.as_deref().and_then(|path| read("roots", path));
    let identity = mesh.identity.as_ref().and_then(|identity| {
        let certificate_pem = read("identity", &identity.cert);
        let key_pem = read("identity", &identity.key);
        Some(Identity { certificate_pem: certificate_pem?, key_pem: key_pem?.into() })
    });
    let shared_key = match mesh.shared_key.resolve(base) {
        Ok(key) => key,
        Err(error) => {
            faults.push(mesh.section.fault(Some("shared_key"), error.to_string(), None));
            return None;
        }
    };
    let config = ClientConfig {
        base_url: mesh.environment.base_url().to_owned(),
        shared_key: SharedKey::new(shared_key.expose_secret()),
        tls: TlsConfig { roots_pem, identity },
        timeouts: Timeouts::default(),
        breaker: BreakerConfig::default(),
        application: application(),
        now: system::now,
    };
    // Files that could be read may still not hold what they should.
    match Client::new(config) {
        Ok(client) => Some(client),
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
        two_step: section.two_step,
        ..usual
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
