//! One section of the file, and faults about it.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::{Fault, Faults, advice};
use crate::imprint::Imprint;
use crate::read;
use crate::secret::Secrets;
use crate::source::Source;

/// A section as it stands in the file. Knows the places of its keys, and shows nothing of their values.
#[derive(Debug, Clone)]
pub struct Section {
    source: Arc<Source>,
    /// The key at the top of the file, such as `mailbox`.
    name: &'static str,
    /// Which of several, from 0; `None` for a section that stands once.
    index: Option<usize>,
    /// Bytes of the header.
    header: Range<usize>,
}

impl Section {
    pub(crate) fn new(
        source: &Arc<Source>,
        name: &'static str,
        index: Option<usize>,
        header: Range<usize>,
    ) -> Self {
        Self { source: Arc::clone(source), name, index, header }
    }

    /// The header as one writes it, such as `[[mailbox]]`.
    pub(crate) fn title(&self) -> String {
        match self.index {
            Some(_) => format!("[[{}]]", self.name),
            None => format!("[{}]", self.name),
        }
    }

    /// The entries. The borrowed tables cannot be kept beside the text, so they are read from it anew.
    fn entries(&self) -> DeTable<'_> {
        let mut tables = self.source.tables();
        let value = tables.remove(self.name).map(Spanned::into_inner);
        let value = match (value, self.index) {
            (Some(DeValue::Array(items)), Some(index)) => {
                items.into_iter().nth(index).map(Spanned::into_inner)
            }
            (value, _) => value,
        };
        match value {
            Some(DeValue::Table(entries)) => entries,
            _ => DeTable::new(),
        }
    }

    /// Reads the entries save `without` into `T`. `None` for the value: nothing could be made of them. The flag
    /// says whether each known key was sound.
    pub(crate) fn read<T: DeserializeOwned>(
        &self,
        without: &[&str],
        faults: &mut Faults,
    ) -> (Option<T>, bool) {
        let mut entries = self.entries();
        for key in without {
            entries.remove(*key);
        }
        read::read(&self.source, &self.title(), self.header.clone(), &entries, without, faults)
    }

    /// Reads the entries `keys` and no others into `T`.
    pub(crate) fn read_only<T: DeserializeOwned>(
        &self,
        keys: &[&str],
        faults: &mut Faults,
    ) -> (Option<T>, bool) {
        let entries =
            self.entries().into_iter().filter(|(key, _)| keys.contains(&key.get_ref().as_ref())).collect();
        read::read(&self.source, &self.title(), self.header.clone(), &entries, &[], faults)
    }

    /// The value of a key that must be there. One that is there and was not sound has its fault already.
    pub(crate) fn require<T>(
        &self,
        key: &str,
        value: Option<T>,
        hint: &str,
        faults: &mut Faults,
    ) -> Option<T> {
        if value.is_none() && place(&self.entries(), key).is_none() {
            let name = key.rsplit('.').next().unwrap_or(key);
            let inside =
                key.rsplit_once('.').map_or_else(|| self.title(), |(parent, _)| format!("`{parent}`"));
            let at = key.rsplit_once('.').map(|(parent, _)| parent);
            faults.push(self.fault(at, format!("missing key `{name}` in {inside}"), hint));
        }
        value
    }

    /// A fault at a key of this section, or at its header without one. A dotted key leads into tables, as in
    /// `identity.cert`, and a number in it to an element of a list, as in `caller.0.name`. Where the key is not in the file the nearest table that is, or the header, is shown.
    pub fn fault(&self, key: Option<&str>, message: impl Into<String>, hint: impl Into<String>) -> Fault {
        let entries = self.entries();
        let mut key = key;
        while let Some(path) = key {
            if let Some(span) = place(&entries, path) {
                return self.source.fault(span, None, message, hint);
            }
            key = path.rsplit_once('.').map(|(parent, _)| parent);
        }
        self.source.fault(self.header.clone(), None, message, hint)
    }

    /// What the section says, with what was read for it by `secrets`, which were set [apart](Secrets::apart) for it.
    pub fn imprint(&self, secrets: &Secrets) -> Imprint {
        Imprint::of(&self.entries(), Some(secrets.reads()))
    }

    /// The line of its header, from 1.
    pub fn line(&self) -> usize {
        self.fault(None, "", "").line
    }

    /// An error as a fault at a key, as [`Self::fault`]. What to do is what the error says behind its last `; `, or
    /// `otherwise`.
    pub fn fault_of(&self, key: Option<&str>, error: &dyn fmt::Display, otherwise: &str) -> Fault {
        let (message, hint) = advice(&error.to_string(), otherwise);
        self.fault(key, message, hint)
    }

    /// A path of the file as seen from the folder of the file.
    pub(crate) fn file(&self, path: PathBuf) -> PathBuf {
        folder(&self.source).join(path)
    }
}

/// The folder of the file; `.` for a name without one.
pub(crate) fn folder(source: &Source) -> PathBuf {
    match source.path().parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Where the key at the end of a dotted path stands. A number in it leads to that element of a list, from 0.
fn place(entries: &DeTable<'_>, path: &str) -> Option<Range<usize>> {
    let (first, deeper) = match path.split_once('.') {
        Some((first, deeper)) => (first, Some(deeper)),
        None => (path, None),
    };
    let (key, value) = entries.get_key_value(first)?;
    match (deeper, value.get_ref()) {
        (None, _) => Some(key.span()),
        (Some(deeper), DeValue::Table(inner)) => place(inner, deeper),
        (Some(deeper), DeValue::Array(items)) => {
            let (index, deeper) = match deeper.split_once('.') {
                Some((index, deeper)) => (index, Some(deeper)),
                None => (deeper, None),
            };
            let item = items.get(index.parse::<usize>().ok()?)?;
            match deeper {
                Some(deeper) => place(item.get_ref().as_table()?, deeper),
                None => Some(item.span()),
            }
        }
        (Some(_), _) => None,
    }
}
