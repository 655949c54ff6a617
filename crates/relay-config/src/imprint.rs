//! What a part of a configuration says, as one hash, so that a running relay can tell what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use toml::de::{DeTable, DeValue};

/// What a section says, with the content of every file and variable that was read for it. Equal ones mean the same, however
/// they are written; files that are followed by themselves, such as certificates, are in it by name alone. The default is the imprint of
/// nothing that was read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Imprint([u8; 32]);

/// It may be made from secrets, and tells nobody anything.
impl fmt::Debug for Imprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Imprint")
    }
}

impl Imprint {
    pub(crate) fn of(entries: &DeTable<'_>, reads: Option<&Reads>) -> Self {
        let mut hash = Sha256::new();
        table(&mut hash, entries);
        if let Some(reads) = reads {
            for (place, content) in reads.lock().iter() {
                text(&mut hash, &place.to_string());
                hash.update(content);
            }
        }
        Self(hash.finalize().into())
    }
}

/// Something beside the configuration file that was read for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    File(PathBuf),
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
        }
    }
}

/// Notes what was read beside the configuration file, by the hash of its content. A clone is the same list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reads(Arc<Mutex<BTreeMap<Place, [u8; 32]>>>);

impl Reads {
    pub(crate) fn file(&self, path: &Path, content: &[u8]) {
        self.lock().insert(Place::File(path.to_owned()), Sha256::digest(content).into());
    }

    pub(crate) fn variable(&self, name: &str, content: &[u8]) {
        self.lock().insert(Place::Variable(name.to_owned()), Sha256::digest(content).into());
    }

    pub(crate) fn files(&self) -> BTreeSet<PathBuf> {
        let file = |place: &Place| match place {
            Place::File(path) => Some(path.clone()),
            Place::Variable(_) => None,
        };
        self.lock().keys().filter_map(file).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, [u8; 32]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds a text so that no two rows of texts give the same bytes.
fn text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}

fn table(hash: &mut Sha256, entries: &DeTable<'_>) {
    let sorted: BTreeMap<&str, &DeValue<'_>> =
        entries.iter().map(|(key, value)| (key.get_ref().as_ref(), value.get_ref())).collect();
    hash.update(b"{");
    for (key, entry) in sorted {
        text(hash, key);
        value(hash, entry);
    }
    hash.update(b"}");
}

fn value(hash: &mut Sha256, entry: &DeValue<'_>) {
    match entry {
        DeValue::Table(entries) => table(hash, entries),
        DeValue::Array(items) => {
            hash.update(b"[");
            for item in items {
                value(hash, item.get_ref());
            }
            hash.update(b"]");
        }
        DeValue::String(string) => {
            hash.update(b"\"");
            text(hash, string);
        }
        DeValue::Integer(number) => text(hash, &format!("integer {number}")),
        DeValue::Float(number) => text(hash, &format!("float {number}")),
        DeValue::Boolean(truth) => text(hash, if *truth { "true" } else { "false" }),
        DeValue::Datetime(at) => text(hash, &at.to_string()),
    }
}
