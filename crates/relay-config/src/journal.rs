//! `[journal]`: where the durable record stands.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::fault::Faults;
use crate::quantity::Interval;
use crate::section::Section;

/// How long messages that have ended are kept unless configured.
pub const KEEP: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Shortest time for which they are: MESH may report on a message for six days, and a local id is looked for over
/// thirty (`queue-bridging.md` 4.3).
pub const KEEP_MIN: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// The section `[journal]`.
#[derive(Debug, Clone)]
pub struct JournalSection {
    /// `path`: the file of the journal. Required; relative to the folder of the configuration file.
    pub path: PathBuf,
    /// `keep`: how long messages that have ended are kept, at least [`KEEP_MIN`]. Default [`KEEP`].
    pub keep: Duration,
    /// The section, for faults that are found later.
    pub section: Section,
}

#[derive(Deserialize)]
struct Entries {
    path: Option<PathBuf>,
    keep: Option<Interval>,
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
        let keep = entries.keep.map_or(KEEP, Interval::get);
        if keep < KEEP_MIN {
            let hint =
                Some("doubts and late reports are resolved by it: write at least keep = \"31d\"".to_owned());
            faults.push(section.fault(Some("keep"), "`keep` is too short", hint));
        }
        Some(Self { path: section.file(path), keep, section })
    }
}
