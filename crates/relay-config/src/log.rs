//! `[log]`: what is written for people and programs that read logs.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::fault::Faults;
use crate::section::Section;

/// The section `[log]`, which may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogSection {
    /// `transfers`: the file with one line for each transfer, as the Java client's `mesh.log`. Relative to the folder of
    /// the configuration file. Default: none is written.
    pub transfers: Option<PathBuf>,
    /// `names`: whether its lines hold file names and local ids, which may say who a patient is. Default: they do not.
    pub names: bool,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Entries {
    /// The file with one line for each transfer, as the Java client's `mesh.log`. Relative to the folder of the
    /// configuration file. Default: none is written.
    transfers: Option<PathBuf>,
    /// Whether its lines hold file names and local ids, which may say who a patient is. Default: they do not.
    #[serde(default)]
    names: bool,
}

impl LogSection {
    pub(crate) fn read(section: &Section, faults: &mut Faults) -> Option<Self> {
        let entries: Entries = section.read(&[], faults).0?;
        let transfers = entries.transfers;
        if transfers.as_ref().is_some_and(|path| path.file_name().is_none()) {
            let hint = "such as transfers = \"log/mesh.log\"";
            faults.push(section.fault(Some("transfers"), "`transfers` names no file", hint));
        }
        Some(Self { transfers: transfers.map(|path| section.file(path)), names: entries.names })
    }
}
