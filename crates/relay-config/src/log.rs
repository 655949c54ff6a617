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
    /// `format`: how lines of the relay's own log look. Default: for people.
    pub format: LogFormat,
    /// `level`: how much is logged. Default: `info`. The variable `MESH_RELAY_LOG` counts more where it is set.
    pub level: LogLevel,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// `text`: for people.
    #[default]
    Text,
    /// `json`: one JSON object a line, for programs.
    Json,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// `error`: what somebody must see to.
    Error,
    /// `warn`: also what somebody should look at.
    Warn,
    /// `info`: also what happens to each message.
    #[default]
    Info,
    /// `debug`: also each step of it.
    Debug,
}

impl LogLevel {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Entries {
    /// The file with one line for each transfer, as the Java client's `mesh.log`. Relative to the folder of the
    /// configuration file. Default: none is written.
    transfers: Option<PathBuf>,
    /// Whether its lines hold file names and local ids, which may say who a patient is. Default: they do not.
    #[serde(default)]
    names: bool,
    /// How lines of the relay's own log look. Default `text`, for people; `json` is one object a line, for programs.
    format: Option<LogFormat>,
    /// How much is logged. Default `info`. The variable `MESH_RELAY_LOG` counts more where it is set.
    level: Option<LogLevel>,
}

impl LogSection {
    pub(crate) fn read(section: &Section, faults: &mut Faults) -> Option<Self> {
        let Entries { transfers, names, format, level } = section.read(&[], faults).0?;
        if transfers.as_ref().is_some_and(|path| path.file_name().is_none()) {
            let hint = "such as transfers = \"log/mesh.log\"";
            faults.push(section.fault(Some("transfers"), "`transfers` names no file", hint));
        }
        Some(Self {
            transfers: transfers.map(|path| section.file(path)),
            names,
            format: format.unwrap_or_default(),
            level: level.unwrap_or_default(),
        })
    }
}
