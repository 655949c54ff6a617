//! `[alerts]`: from when on something is an incident, and where people's alerting is told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::fault::Faults;
use crate::quantity::Interval;
use crate::secret::SecretRef;
use crate::section::Section;

/// The section `[alerts]`, which may be left out: then incidents stand in the log, the metrics and the overview alone.
#[derive(Debug, Clone, Default)]
pub struct AlertsSection {
    /// `url`: a webhook, `https` or on this machine `http`, that is told when an incident begins, grows worse and ends.
    pub url: Option<String>,
    /// `secret`: what its requests are signed with. Required with `url`.
    pub secret: Option<SecretRef>,
    /// `authorization`: sent as `Authorization`, whole.
    pub authorization: Option<SecretRef>,
    /// `roots`: whose certificates to trust at an `https` URL. Relative to the folder of the configuration file.
    pub roots: Option<PathBuf>,
    /// `clear`: how long a condition must be gone before its incident is over.
    pub clear: Option<Duration>,
    /// `look`: pause between two looks.
    pub look: Option<Duration>,
    /// `stall`: how long a pump may stand still at least before that counts.
    pub stall: Option<Duration>,
    /// `[alerts.after]`: how long a condition must hold before it is an incident, by the incident's kind.
    pub after: BTreeMap<String, Duration>,
    /// The section, for faults that are found later. `None`: it is not there.
    pub section: Option<Section>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Entries {
    /// A webhook, `https` or on this machine `http`, that is told when an incident begins, grows worse and ends.
    #[schemars(extend("examples" = ["https://alerts.trust.example/mesh"]))]
    url: Option<String>,
    /// What its requests are signed with. Required with `url`.
    secret: Option<SecretRef>,
    /// Sent as `Authorization`, whole.
    authorization: Option<SecretRef>,
    /// Whose certificates to trust at an `https` URL (PEM). Relative to the folder of the configuration file.
    roots: Option<PathBuf>,
    /// How long a condition must be gone before its incident is over. Default 2 min.
    clear: Option<Interval>,
    /// Pause between two looks. Default 10 s.
    look: Option<Interval>,
    /// How long a pump may stand still at least before that counts. Default 2 min.
    stall: Option<Interval>,
    /// How long a condition must hold before it is an incident, by the incident's kind.
    #[serde(default)]
    after: BTreeMap<String, Interval>,
}

impl AlertsSection {
    pub(crate) fn read(section: Section, faults: &mut Faults) -> Option<Self> {
        let entries: Entries = section.read(&[], faults).0?;
        if entries.url.is_some() {
            let hint = "such as secret = { file = \"alerts.secret\" }";
            section.require("secret", entries.secret.as_ref(), hint, faults);
        }
        for (key, value) in [("look", entries.look), ("stall", entries.stall)] {
            if value.is_some_and(|value| value.get().is_zero()) {
                faults.push(section.fault(
                    Some(key),
                    format!("`{key}` must be longer than nothing"),
                    "leave it out for the default",
                ));
            }
        }
        Some(Self {
            url: entries.url,
            secret: entries.secret,
            authorization: entries.authorization,
            roots: entries.roots.map(|path| section.file(path)),
            clear: entries.clear.map(Interval::get),
            look: entries.look.map(Interval::get),
            stall: entries.stall.map(Interval::get),
            after: entries.after.into_iter().map(|(kind, after)| (kind, after.get())).collect(),
            section: Some(section),
        })
    }
}
