//! `[journal]`: where the durable record stands.

use std::path::PathBuf;

use serde::Deserialize;

use crate::fault::Faults;
use crate::section::Section;

/// The section `[journal]`.
#[derive(Debug, Clone)]
pub struct JournalSection {
    /// `path`: the file of the journal. Required; relative to the folder of the configuration file.
    pub path: PathBuf,
    /// The section, for faults that are found later.
    pub section: Section,
}

#[derive(Deserialize)]
struct Entries {
    path: Option<PathBuf>,
}

impl JournalSection {
    pub(crate) fn read(section: Section, faults: &mut Faults) -> Option<Self> {
        let entries: Entries = section.read(&[], faults).0?;
        let hint = "such as path = \"/var/lib/mesh-relay/journal.db\"";
        let path = section.require("path", entries.path, hint, faults)?;
        if path.as_os_str().is_empty() {
            faults.push(section.fault(Some("path"), "`path` is empty", Some(hint.to_owned())));
            return None;
        }
        Some(Self { path: section.file(path), section })
    }
}
