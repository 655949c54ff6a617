//! `[[adapter]]`: one of the organisation's own systems, as far as it is the same for all kinds.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::fault::{Fault, Faults};
use crate::identity::{Identity, IdentityEntries};
use crate::imprint::Imprint;
use crate::secret::Secrets;
use crate::section::Section;

/// A section `[[adapter]]`: `name` and `kind` are read, the rest is the adapter's own.
#[derive(Debug, Clone)]
pub struct AdapterSection {
    /// `name`: what the relay calls it. Letters, digits, `-` and `_`; unique, whatever the case. Empty only
    /// inside [`load_with`](crate::load_with), where it is missing.
    pub name: String,
    /// `kind`: which adapter it is. Which kinds there are the binary knows.
    pub kind: String,
    section: Section,
}

/// What is read here. The other keys are the adapter's, so a near miss of these two is found when it reads them.
const OWN: [&str; 2] = ["name", "kind"];

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Entries {
    /// What the relay calls it: letters, digits, `-` and `_`; unique, whatever the case. Required.
    #[schemars(required)]
    name: Option<String>,
    /// Which adapter it is. Required.
    #[schemars(required)]
    kind: Option<String>,
}

impl AdapterSection {
    pub(crate) fn read_common(
        section: Section,
        taken: &mut Vec<String>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let entries: Entries = section.read_only(&OWN, faults).0?;
        let name = section.require("name", entries.name, "such as name = \"pathology\"", faults);
        let kind = section.require("kind", entries.kind, "such as kind = \"dts-folder\"", faults);
        if let Some(name) = &name {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if name.is_empty() || !name.chars().all(allowed) {
                let hint = "use letters, digits, `-` and `_`";
                faults.push(section.fault(
                    Some("name"),
                    "the name of an adapter is not of the allowed form",
                    hint,
                ));
            }
            if taken.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                let hint = "case does not count; give each adapter a name of its own";
                faults.push(section.fault(
                    Some("name"),
                    format!("the adapter {name} stands here twice"),
                    hint,
                ));
            }
            taken.push(name.clone());
        }
        // Without a name the file is refused, but the adapter's own keys can still be checked.
        Some(Self { name: name.unwrap_or_default(), kind: kind?, section })
    }

    /// Reads all keys but `name` and `kind` into the adapter's own struct. `None`: a value is wrong or missing,
    /// and `faults` says which. Unknown keys go to `faults` too, but the struct is made all the same, so that
    /// its own rules can be checked in the same run.
    ///
    /// Each wrong value is found. Of keys that are missing serde names the first in each table only; a struct
    /// that wants to name them all makes them `Option` and asks itself. An error of a type's own
    /// `Deserialize` may give a hint on a second line. `#[serde(flatten)]`, `untagged` and `tag` lose the places
    /// of keys and are not supported.
    pub fn read<T: DeserializeOwned>(&self, faults: &mut Faults) -> Option<T> {
        match self.section.read(&OWN, faults) {
            (value, true) => value,
            (_, false) => None,
        }
    }

    /// Reads the entries of this section's `identity`. `None`: they make none, and `faults` says why.
    pub fn identity(&self, entries: IdentityEntries, faults: &mut Faults) -> Option<Identity> {
        entries.read(&self.section, faults)
    }

    /// What the section says, with what was read for it, as [`Section::imprint`].
    pub fn imprint(&self, secrets: &Secrets) -> Imprint {
        self.section.imprint(secrets)
    }

    /// A path of this section, which starts at the folder of the configuration file.
    pub fn file(&self, path: &Path) -> PathBuf {
        self.section.file(path.to_owned())
    }

    /// A fault at a key of this section, or at its header without one. A dotted key leads into tables, as in
    /// `outbound.queue`.
    pub fn fault(&self, key: Option<&str>, message: impl Into<String>, hint: impl Into<String>) -> Fault {
        self.section.fault(key, message, hint)
    }

    /// An error as a fault at a key, as [`Self::fault`]. What to do is what the error says behind its last `; `, or
    /// `otherwise`.
    pub fn fault_of(&self, key: Option<&str>, error: &dyn fmt::Display, otherwise: &str) -> Fault {
        self.section.fault_of(key, error, otherwise)
    }
}
