//! `[stop]`: what stops the relay beside the signals of the system.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::fault::Faults;
use crate::section::Section;

/// The section `[stop]`, which may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StopSection {
    /// `signal`: a file that stops the relay once its content is `1`, as the Java client's `mexclient.sig`
    /// (`dts-file-interface.md` 6.3). Relative to the folder of the configuration file. Default: none is looked at.
    pub signal: Option<PathBuf>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Entries {
    /// A file that stops the relay once its content is `1`, as the Java client's `mexclient.sig`
    /// (`dts-file-interface.md` 6.3). Relative to the folder of the configuration file. Default: none is looked at.
    signal: Option<PathBuf>,
}

impl StopSection {
    pub(crate) fn read(section: &Section, faults: &mut Faults) -> Option<Self> {
        let entries: Entries = section.read(&[], faults).0?;
        let signal = entries.signal;
        if signal.as_ref().is_some_and(|path| path.file_name().is_none()) {
            let hint = "such as signal = \"sig/mexclient.sig\"";
            faults.push(section.fault(Some("signal"), "`signal` names no file", hint));
        }
        Some(Self { signal: signal.map(|path| section.file(path)) })
    }
}
