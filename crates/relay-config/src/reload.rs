//! `[reload]`: how a running relay follows its configuration.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::fault::Faults;
use crate::quantity::Interval;
use crate::section::Section;

/// The pause between two looks at the files of a configuration unless configured: short beside the minute that a person
/// waits for a change to be taken, long beside the milliseconds that a look costs.
pub const RELOAD_LOOK: Duration = Duration::from_secs(5);

/// The section `[reload]`, which may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReloadSection {
    /// `look`: pause between two looks whether the configuration file, or a file of secrets or certificates to trust that
    /// it names, changed. What changed is taken once it has kept still from one look to the next. `"0s"`: nobody looks, and
    /// it is read again when the process is told to (SIGHUP). Default [`RELOAD_LOOK`].
    pub look: Duration,
}

impl Default for ReloadSection {
    fn default() -> Self {
        Self { look: RELOAD_LOOK }
    }
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Entries {
    /// Pause between two looks whether the configuration file, or a file of secrets or of certificates to trust that it names,
    /// changed. What changed is taken once it has kept still from one look to the next. `"0s"`: nobody looks, and it is read
    /// again when the process is told to (SIGHUP). Default 5 s.
    #[schemars(extend("default" = "5s"))]
    look: Option<Interval>,
}

impl ReloadSection {
    pub(crate) fn read(section: &Section, faults: &mut Faults) -> Option<Self> {
        let entries: Entries = section.read(&[], faults).0?;
        Some(Self { look: entries.look.map_or(RELOAD_LOOK, Interval::get) })
    }
}
