//! From the old client's keys to the text of a `mesh-relay.toml`. No I/O.

use std::path::{Path, PathBuf};

use keystore::Severity;
use meshclient_cfg::{Client, Kind, MeshClientCfg, Position, key};
use relay_config::Environment;
use secrecy::SecretString;

use super::{Told, listed};

/// Shortest pause between two polls at NHS England's servers, in minutes (`mesh-api.md` 5.1).
const NHS_POLL_MIN: u32 = 5;

/// Where comments behind a value begin, if it is not longer.
const COMMENT_COLUMN: usize = 56;

/// The variable that holds the shared key where the file has none.
const SHARED_KEY_VARIABLE: &str = "MESH_SHARED_KEY";

/// The stop signal in `SignalPath` (`dts-file-interface.md` 6.3).
const STOP_SIGNAL: &str = "mexclient.sig";

/// The key that a line came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    /// Its name.
    pub(super) key: &'static str,
    /// Where its value stands.
    pub(super) at: Position,
}

/// What keeps a relay from running on the file itself: where, what, what to do.
pub(super) type Lacking = (Option<Origin>, &'static str, &'static str);

/// A client's configuration as the relay's.
#[derive(Default)]
pub(super) struct Translation {
    /// The text.
    pub(super) text: String,
    /// Which key each line came from.
    pub(super) origins: Vec<Option<Origin>>,
    /// The secrets, by the path that the text names.
    pub(super) secrets: Vec<(PathBuf, SecretString)>,
    /// What is to be known.
    pub(super) told: Vec<Told>,
    /// What must be filled in before the text is whole.
    pub(super) lacking: Option<Lacking>,
    /// Keys of the file that have no meaning here, each once.
    unused: Vec<&'static str>,
}

impl Translation {
    fn line(&mut self, text: &str, origin: Option<Origin>) {
        self.text.push_str(text);
        self.text.push('\n');
        self.origins.push(origin);
    }

    fn blank(&mut self) {
        self.line("", None);
    }

    fn value(&mut self, key: &str, value: &str, comment: &str, origin: Option<Origin>) {
        let line = format!("{key} = {value}");
        let line = if comment.is_empty() { line } else { format!("{line:<COMMENT_COLUMN$}  # {comment}") };
        self.line(&line, origin);
    }

    fn warn(&mut self, text: impl Into<String>) {
        self.told.push(Told { severity: Severity::Warning, text: text.into() });
    }

    fn unused(&mut self, key: &'static str, there: bool) {
        if there && !self.unused.contains(&key) {
            self.unused.push(key);
        }
    }

    /// Puts a secret in a file of that name, and gives how the text refers to it.
    fn secret(&mut self, folder: &Path, name: &str, extension: &str, value: &SecretString) -> String {
        let taken = |path: &Path| self.secrets.iter().any(|(other, _)| other == path);
        let mut path = folder.join(format!("{name}.{extension}"));
        let mut number = 2;
        while taken(&path) {
            path = folder.join(format!("{name}-{number}.{extension}"));
            number += 1;
        }
        let reference = format!("{{ file = {} }}", quoted(&path.to_string_lossy()));
        self.secrets.push((path, value.clone()));
        reference
    }
}

/// Writes a configuration anew. `path` is shown in the first line; relative paths start at `base`; the secrets are to be
/// in files in `secrets`.
pub(super) fn translate(cfg: &MeshClientCfg, path: &Path, base: &Path, secrets: &Path) -> Translation {
    let mut to = Translation::default();
    let whose = match cfg.kind {
        Kind::Mesh => "the Java MESH client's",
        Kind::Dts => "a DTS client's",
    };
    // A file name may hold anything, a comment may not.
    let shown: String =
        path.display().to_string().chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    to.line(&format!("# Made by `mesh-relay import` from {whose} {shown}."), None);
    to.line("# Behind each value stands the key that it came from. What is not here has its default.", None);
    to.blank();
    mesh(&mut to, cfg, base, secrets);
    journal(&mut to, cfg, base);
    log_and_stop(&mut to, cfg, base);
    if let Some(number) = cfg.max_connections {
        to.blank();
        to.line("[send]", None);
        let comment = "MaxConnections: messages of one mailbox on their way at a time";
        to.value("in_flight", &number.to_string(), comment, at(cfg, key::MAX_CONNECTIONS));
    }
    for client in &cfg.clients {
        mailbox(&mut to, cfg, client, base, secrets);
    }
    to.unused(key::SERVER_RETRY, cfg.server_retry.is_some());
    to.unused(key::MAX_MESSAGES, cfg.max_messages.is_some());
    to.unused(key::AUTO_UPGRADE, cfg.auto_upgrade.is_some());
    to.unused(key::MAILBOX_TYPE, cfg.clients.iter().any(|client| client.mailbox_type.is_some()));
    to.unused(key::CLIENT_LOG_LEVEL, cfg.clients.iter().any(|client| client.log_level.is_some()));
    if !to.unused.is_empty() {
        let keys: Vec<String> = to.unused.iter().map(|key| (*key).to_owned()).collect();
        let text = format!("keys that have no meaning here and are not used: {}", listed(&keys));
        to.told.push(Told { severity: Severity::Hint, text });
    }
    to
}

fn at(cfg: &MeshClientCfg, key: &'static str) -> Option<Origin> {
    cfg.place(key).map(|at| Origin { key, at })
}

fn of(client: &Client, key: &'static str) -> Option<Origin> {
    client.place(key).map(|at| Origin { key, at })
}

fn mesh(to: &mut Translation, cfg: &MeshClientCfg, base: &Path, secrets: &Path) {
    let url = at(cfg, key::PRIMARY_URL);
    to.line("[mesh]", url);
    match &cfg.primary_url {
        Some(text) => {
            to.value("environment", &format!("{{ url = {} }}", quoted(text)), key::PRIMARY_URL, url);
            if cfg.kind == Kind::Dts {
                to.warn(
                    "PrimaryURL of a DTS client may be the DTS server's address; check that it is MESH's",
                );
            }
        }
        None => {
            to.value("environment", "\"live\"", "to be checked: the old file names no server", None);
            to.warn("no PrimaryURL: the live MESH on the internet is written; check it");
        }
    }
    if is_tls(cfg) {
        identity(to, cfg, base, secrets);
    } else {
        to.unused(key::KEY_STORE_PATH, cfg.key_store_path.is_some());
        to.unused(key::KEY_STORE_PASSWORD, cfg.key_store_password.is_some());
    }
    match &cfg.authentication_key {
        Some(shared_key) => {
            let reference = to.secret(secrets, "mesh-shared", "key", shared_key);
            to.value("shared_key", &reference, key::AUTHENTICATION_KEY, at(cfg, key::AUTHENTICATION_KEY));
        }
        None => {
            let reference = format!("{{ env = \"{SHARED_KEY_VARIABLE}\" }}");
            to.value("shared_key", &reference, "the old file has no AuthenticationKey", url);
            to.warn(format!(
                "no AuthenticationKey (clients before 6.3 had none in their file): MESH's shared key is taken from the \
                 variable {SHARED_KEY_VARIABLE}; set it for the service"
            ));
        }
    }
    if cfg.proxy_path.is_some() {
        to.line(
            "# proxy = { url = \"http://proxy.example.nhs.uk:8080\" }   # if there was one: ProxyPath",
            None,
        );
    }
}

fn identity(to: &mut Translation, cfg: &MeshClientCfg, base: &Path, secrets: &Path) {
    let Some(store) = &cfg.key_store_path else {
        to.line(
            "# identity = { keystore = \"mesh.keystore\", password = { file = \"keystore.pass\" } }",
            None,
        );
        to.line("# roots = \"mesh.keystore\"", None);
        to.lacking = Some((
            at(cfg, key::PRIMARY_URL),
            "MESH is reached over https, and KeyStorePath names no keystore",
            "write KeyStorePath and KeyStorePassword, or `mesh-relay import` this file and name PEM files in its output",
        ));
        to.warn("no KeyStorePath: fill in `identity` and `roots` under [mesh]");
        return;
    };
    let store = quoted(&whole(store, base).to_string_lossy());
    let origin = at(cfg, key::KEY_STORE_PATH);
    let password = match &cfg.key_store_password {
        Some(password) => {
            format!(", password = {}", to.secret(secrets, "keystore", "pass", password))
        }
        None => String::new(),
    };
    to.value(
        "identity",
        &format!("{{ keystore = {store}{password} }}"),
        "KeyStorePath, KeyStorePassword",
        origin,
    );
    to.value("roots", &store, "whom to trust: the authorities in the same keystore", origin);
}

fn journal(to: &mut Translation, cfg: &MeshClientCfg, base: &Path) {
    let folder = match &cfg.work_path {
        Some(path) => whole(path, base),
        None => base.to_owned(),
    };
    let path = within(&within(&folder, "mesh-relay"), "journal.db");
    let comment = if cfg.work_path.is_some() { key::WORK_PATH } else { "the old file has no WorkPath" };
    to.blank();
    to.line("[journal]", None);
    to.value("path", &quoted(&path.to_string_lossy()), comment, at(cfg, key::WORK_PATH));
}

fn log_and_stop(to: &mut Translation, cfg: &MeshClientCfg, base: &Path) {
    for (section, name, folder, file, key) in [
        ("[log]", "transfers", &cfg.log_path, "mesh.log", key::LOG_PATH),
        ("[stop]", "signal", &cfg.signal_path, STOP_SIGNAL, key::SIGNAL_PATH),
    ] {
        if let Some(folder) = folder {
            let path = within(&whole(folder, base), file);
            to.blank();
            to.line(section, None);
            to.value(name, &quoted(&path.to_string_lossy()), key, at(cfg, key));
        }
    }
}

fn mailbox(to: &mut Translation, cfg: &MeshClientCfg, client: &Client, base: &Path, secrets: &Path) {
    let block = Some(Origin { key: key::CLIENT, at: client.at });
    let id = quoted(&client.identity.to_ascii_uppercase());
    let name = name_of(&client.identity);
    to.blank();
    to.line("[[mailbox]]", block);
    to.value("id", &id, key::CLIENT_IDENTITY, of(client, key::CLIENT_IDENTITY));
    let password = to.secret(secrets, &name, "pass", &client.authentication);
    let origin = of(client, key::CLIENT_AUTHENTICATION);
    to.value("password", &password, key::CLIENT_AUTHENTICATION, origin);
    if let Some(minutes) = cfg.poll_period {
        let least = if is_nhs(cfg) { NHS_POLL_MIN } else { 1 };
        let comment = if minutes < least {
            format!("PollPeriod {minutes}, raised: MESH allows one poll in {least} minutes")
        } else {
            key::POLL_PERIOD.to_owned()
        };
        let poll = format!("\"{}m\"", minutes.max(least));
        to.value("poll", &poll, &comment, at(cfg, key::POLL_PERIOD));
    }
    to.blank();
    to.line("[[adapter]]", block);
    to.value("name", &quoted(&name), "", of(client, key::CLIENT_IDENTITY));
    to.value("kind", "\"dts-folder\"", "", block);
    to.value("mailbox", &id, "", of(client, key::CLIENT_IDENTITY));
    let root = whole(&client.interface_root, base);
    let origin = of(client, key::INTERFACE_ROOT);
    to.value("root", &quoted(&root.to_string_lossy()), key::INTERFACE_ROOT, origin);
    let (seconds, comment) = match cfg.processing_delay {
        Some(seconds) => (seconds, key::PROCESSING_DELAY),
        None => (GRACE_SECONDS, "no ProcessingDelay: the default"),
    };
    to.value("grace", &format!("\"{seconds}s\""), comment, at(cfg, key::PROCESSING_DELAY));
    to.value("save_sent", &client.save_sent.to_string(), key::SAVE_SENT, of(client, key::SAVE_SENT));
    let reports = format!(
        "{{ collect = {}, transfer = {}, delay = {}, poll = {} }}",
        client.collect_report, client.transfer_report, client.delay_report, client.poll_report
    );
    to.value("reports", &reports, "CollectReport … PollReport", block);
    let profile = match cfg.kind {
        Kind::Mesh => "\"mesh\"",
        Kind::Dts => "\"dts\"",
    };
    to.value("profile", profile, "", None);
    if let Some(minutes) = cfg.poll_period.filter(|minutes| is_nhs(cfg) && *minutes < NHS_POLL_MIN) {
        let text = format!(
            "PollPeriod {minutes} is shorter than MESH allows; inboxes are looked at every {NHS_POLL_MIN} minutes"
        );
        // Once, not for each mailbox.
        if to.told.iter().all(|told| told.text != text) {
            to.warn(text);
        }
    }
}

/// `grace` of a folder unless the file says otherwise (`dts-file-interface.md` 2.4).
const GRACE_SECONDS: u32 = 2;

/// Whether MESH is reached over TLS. An address that is none is told by the loader.
fn is_tls(cfg: &MeshClientCfg) -> bool {
    cfg.primary_url
        .as_deref()
        .map(Environment::from_url)
        .is_none_or(|read| read.map_or(true, |environment| environment.is_tls()))
}

fn is_nhs(cfg: &MeshClientCfg) -> bool {
    cfg.primary_url
        .as_deref()
        .map(Environment::from_url)
        .is_none_or(|read| read.is_ok_and(|environment| environment.is_nhs()))
}

/// A mailbox's name for a file and an adapter: lower case, and nothing that either may not have.
fn name_of(identity: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    identity.to_ascii_lowercase().chars().map(fit).collect()
}

/// A path that no longer depends on where it is read. One of Windows stays as it is, also where it is not at home.
fn whole(path: &Path, base: &Path) -> PathBuf {
    let text = path.to_string_lossy();
    let of_windows = text.starts_with('\\') || text.as_bytes().get(1) == Some(&b':');
    if of_windows { path.to_owned() } else { base.join(path) }
}

/// A name in a folder, with the separator that the folder's own path has.
fn within(folder: &Path, name: &str) -> PathBuf {
    let text = folder.to_string_lossy();
    if text.contains('\\') && !text.contains('/') {
        PathBuf::from(format!("{}\\{name}", text.trim_end_matches('\\')))
    } else {
        folder.join(name)
    }
}

/// A text as TOML has it: as it stands between single quotes where it holds a backslash, such as a path of Windows.
pub(crate) fn quoted(text: &str) -> String {
    let plain = !text.chars().any(|c| c == '\'' || c.is_control());
    if text.contains('\\') && plain {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
