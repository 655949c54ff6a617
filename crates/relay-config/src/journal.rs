//! `[journal]`: where the durable record stands.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::clear_text::ClearText;
use crate::fault::Faults;
use crate::quantity::Interval;
use crate::secret::SecretRef;
use crate::section::Section;

/// How long messages that have ended are kept unless configured.
pub const KEEP: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Shortest time for which they are: MESH may report on a message for six days, and a local id is looked for over
/// thirty (`queue-bridging.md` 4.3).
pub const KEEP_MIN: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Shortest lease: a shorter one would be lost to every hiccup of the network.
pub const LEASE_MIN: Duration = Duration::from_secs(3);

/// Where the durable record stands.
#[derive(Debug, Clone)]
pub enum JournalPlace {
    /// `path`: a file of SQLite, for one instance; relative to the folder of the configuration file.
    File(PathBuf),
    /// `url`: a PostgreSQL, for any number of instances.
    Postgres {
        /// `url`: where, as which user, with which password. A secret.
        url: SecretRef,
        /// `instance`: the name of this instance, of its own among all that share the journal, and the same at each
        /// start; or `{ env = "NAME" }`, where all instances have one file. Required.
        instance: String,
        /// `roots`: whose certificates to trust (PEM); the connection is encrypted then.
        roots: Option<PathBuf>,
        /// `clear_text`: whether the connection may do without `roots`, and so without TLS, beyond this machine.
        clear_text: Option<ClearText>,
        /// `lease`: how long an instance that fell silent keeps its mailboxes and folders, at least [`LEASE_MIN`].
        /// Default 30 s.
        lease: Option<Duration>,
    },
}

/// The section `[journal]`.
#[derive(Debug, Clone)]
pub struct JournalSection {
    /// `path` or `url`. One of them is required.
    pub place: JournalPlace,
    /// `keep`: how long messages that have ended are kept, at least [`KEEP_MIN`]. Default [`KEEP`].
    pub keep: Duration,
    /// The section, for faults that are found later.
    pub section: Section,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Entries {
    /// A file of SQLite, for one instance. This or `url` is required. Relative to the folder of the configuration file.
    path: Option<PathBuf>,
    /// A PostgreSQL, for any number of instances: where, as which user, with which password.
    url: Option<SecretRef>,
    /// With `url`: the name of this instance, of its own among all that share the journal, and the same at each start: in
    /// quotes, or the variable that holds it, `{ env = "NAME" }`. Required there.
    instance: Option<Instance>,
    /// Whose certificates to trust (PEM); the connection is encrypted then.
    roots: Option<PathBuf>,
    /// With `url`: `"accepted"` where the database is reached without TLS over a network that encrypts by itself.
    clear_text: Option<ClearText>,
    /// How long an instance that fell silent keeps its mailboxes and folders, at least 3 s. Default 30 s.
    #[schemars(extend("default" = "30s"))]
    lease: Option<Interval>,
    /// How long messages that have ended are kept, at least 31 days. Default 90 days.
    #[schemars(extend("default" = "90d"))]
    keep: Option<Interval>,
}

/// A name, or the variable that holds it.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Instance {
    Name(String),
    Env { env: String },
}

impl JournalSection {
    pub(crate) fn read(section: Section, faults: &mut Faults) -> Option<Self> {
        let (entries, sound) = section.read::<Entries>(&[], faults);
        let entries = entries?;
        let keep = entries.keep.map_or(KEEP, Interval::get);
        if keep < KEEP_MIN {
            let hint = "doubts and late reports are resolved by it: write at least keep = \"31d\"";
            faults.push(section.fault(Some("keep"), "`keep` is too short", hint));
        }
        let hint = "such as path = \"/var/lib/mesh-relay/journal.db\"";
        let place = match (entries.path, entries.url) {
            (Some(_), Some(_)) => {
                let hint = "a file serves one instance, a PostgreSQL any number";
                faults.push(section.fault(
                    Some("url"),
                    "`path` and `url` both say where the journal is",
                    hint,
                ));
                return None;
            }
            // Which of the two it was to be is not known, and its fault is told.
            (None, None) if !sound => return None,
            (path, None) => {
                for (key, there) in [
                    ("instance", entries.instance.is_some()),
                    ("roots", entries.roots.is_some()),
                    ("clear_text", entries.clear_text.is_some()),
                    ("lease", entries.lease.is_some()),
                ] {
                    if there {
                        let message = format!("`{key}` belongs to a journal on PostgreSQL");
                        faults.push(section.fault(Some(key), message, "write `url` in place of `path` for a journal that instances share, or leave it out"));
                    }
                }
                let path = section.require("path", path, hint, faults)?;
                if path.as_os_str().is_empty() {
                    faults.push(section.fault(Some("path"), "`path` is empty", hint));
                    return None;
                }
                JournalPlace::File(section.file(path))
            }
            (None, Some(url)) => {
                let hint =
                    "such as instance = \"relay-a\": of its own for each instance, the same at each start";
                let instance = match section.require("instance", entries.instance, hint, faults)? {
                    Instance::Name(name) => name,
                    Instance::Env { env } => match std::env::var(&env) {
                        Ok(name) if !name.trim().is_empty() => name,
                        _ => {
                            let message = format!("environment variable {env} holds no name of an instance");
                            faults.push(section.fault(Some("instance"), message, hint));
                            return None;
                        }
                    },
                };
                let lease = entries.lease.map(Interval::get);
                if lease.is_some_and(|lease| lease < LEASE_MIN) {
                    let hint = "leave it out for the default of 30 s";
                    faults.push(section.fault(Some("lease"), "`lease` is shorter than 3 s", hint));
                }
                let roots = entries.roots.map(|roots| section.file(roots));
                JournalPlace::Postgres { url, instance, roots, clear_text: entries.clear_text, lease }
            }
        };
        Some(Self { place, keep, section })
    }
}
