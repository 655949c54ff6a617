//! `[stop]`: what stops the relay beside the signals of the system.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::fault::Faults;
use crate::quantity::Interval;
use crate::section::Section;

/// The section `[stop]`, which may be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopSection {
    /// `signal`: a file that stops the relay once its content is `1`, as the Java client's `mexclient.sig`
    /// (`dts-file-interface.md` 6.3). Relative to the folder of the configuration file. Default: none is looked at.
    pub signal: Option<PathBuf>,
    /// `drain`: how long messages under way may take to end when the relay stops, [`DRAIN_MIN`] to [`DRAIN_MAX`]. Default:
    /// [`DRAIN`].
    pub drain: Duration,
}

/// How long a stop lets messages under way take, unless configured: longer than the client waits for MESH's answer, so that
/// a stop does not make doubts.
pub const DRAIN: Duration = Duration::from_secs(75);
/// The shortest drain: what takes longer than that to end is broken off.
pub const DRAIN_MIN: Duration = Duration::from_secs(1);
/// The longest drain: a service manager gives up sooner.
pub const DRAIN_MAX: Duration = Duration::from_secs(60 * 60);

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Entries {
    /// A file that stops the relay once its content is `1`, as the Java client's `mexclient.sig`
    /// (`dts-file-interface.md` 6.3). Relative to the folder of the configuration file. Default: none is looked at.
    signal: Option<PathBuf>,
    /// How long messages under way may take to end when the relay stops, 1 s to 1 h. What takes longer is broken off, and
    /// taken up by the next start. Default 75 s: longer than the relay waits for MESH's answer, so that a stop makes no doubt.
    #[schemars(extend("default" = "75s"))]
    drain: Option<Interval>,
}

impl Default for StopSection {
    fn default() -> Self {
        Self { signal: None, drain: DRAIN }
    }
}

impl StopSection {
    pub(crate) fn read(section: &Section, faults: &mut Faults) -> Option<Self> {
        let entries: Entries = section.read(&[], faults).0?;
        let signal = entries.signal;
        if signal.as_ref().is_some_and(|path| path.file_name().is_none()) {
            let hint = "such as signal = \"sig/mexclient.sig\"";
            faults.push(section.fault(Some("signal"), "`signal` names no file", hint));
        }
        let drain = entries.drain.map_or(DRAIN, Interval::get);
        if !(DRAIN_MIN..=DRAIN_MAX).contains(&drain) {
            let hint = "such as drain = \"75s\"; 1s to 1h";
            faults.push(section.fault(Some("drain"), "`drain` is shorter or longer than can be used", hint));
        }
        Some(Self { signal: signal.map(|path| section.file(path)), drain })
    }
}
