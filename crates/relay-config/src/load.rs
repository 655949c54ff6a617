//! The file as a whole: which sections there are, and the rules between them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeValue;

use crate::adapter::AdapterSection;
use crate::alerts::AlertsSection;
use crate::console::ConsoleSection;
use crate::fault::Faults;
use crate::imprint::Imprint;
use crate::journal::JournalSection;
use crate::log::LogSection;
use crate::mailbox::MailboxSection;
use crate::mesh::MeshSection;
use crate::reload::ReloadSection;
use crate::route::RouteSection;
use crate::schema::SECTIONS;
use crate::secret::Secrets;
use crate::section::{Section, folder};
use crate::send::SendSection;
use crate::source::Source;
use crate::stop::StopSection;
use crate::suggest::did_you_mean;
use crate::telemetry::TelemetrySection;
use crate::test_section::TestSection;

/// A configuration without a fault. `A` is what the binary makes of an `[[adapter]]`.
#[derive(Debug, Clone)]
pub struct Loaded<A = AdapterSection> {
    /// `[mesh]`.
    pub mesh: MeshSection,
    /// `[journal]`.
    pub journal: JournalSection,
    /// `[send]`, empty if it is not there.
    pub send: SendSection,
    /// `[console]`, if it is there: without it the relay listens nowhere.
    pub console: Option<ConsoleSection>,
    /// `[log]`, empty if it is not there.
    pub log: LogSection,
    /// `[telemetry]`, if it is there: without it nothing is sent to a collector.
    pub telemetry: Option<TelemetrySection>,
    /// `[stop]`, empty if it is not there.
    pub stop: StopSection,
    /// `[reload]`, empty if it is not there.
    pub reload: ReloadSection,
    /// Each section that stands once, by its name, as it is written: what it refers to is not in there.
    pub once: BTreeMap<String, Imprint>,
    /// `[alerts]`, empty if it is not there.
    pub alerts: AlertsSection,
    /// Each `[[mailbox]]` in the order of the file, at least one.
    pub mailboxes: Vec<MailboxSection>,
    /// Each `[[adapter]]` in the order of the file. May be empty.
    pub adapters: Vec<A>,
    /// Each `[[route]]` in the order of the file. May be empty.
    pub routes: Vec<RouteSection>,
    /// Each `[[test]]` in the order of the file. May be empty.
    pub tests: Vec<TestSection>,
    /// Where its secrets are, for [`SecretRef::resolve`]. Knows the folder of the file, from which relative paths
    /// count.
    ///
    /// [`SecretRef::resolve`]: crate::SecretRef::resolve
    pub secrets: Secrets,
}

/// Reads a configuration. What an adapter makes of its own keys is not looked at.
pub fn load(path: &Path) -> Result<Loaded, Faults> {
    load_with(path, |adapter, _| Some(adapter.clone()))
}

/// Reads a configuration, and each adapter with `read`, which puts what it finds wrong into the faults. `None`
/// from `read` must come with a fault.
pub fn load_with<A>(
    path: &Path,
    read: impl FnMut(&AdapterSection, &mut Faults) -> Option<A>,
) -> Result<Loaded<A>, Faults> {
    let source = Source::read(path)?;
    let secrets = Secrets::in_files(folder(&source));
    load_source(source, secrets, read)
}

/// As [`load_with`], a configuration that was made in memory. `path` is the file that it would be: faults name it, and
/// relative paths start at its folder.
pub fn load_text_with<A>(
    path: &Path,
    text: String,
    secrets: Secrets,
    read: impl FnMut(&AdapterSection, &mut Faults) -> Option<A>,
) -> Result<Loaded<A>, Faults> {
    load_source(Source::of(path, text)?, secrets, read)
}

fn load_source<A>(
    source: Source,
    secrets: Secrets,
    mut read: impl FnMut(&AdapterSection, &mut Faults) -> Option<A>,
) -> Result<Loaded<A>, Faults> {
    let source = Arc::new(source);
    let mut faults = Faults::new();
    check_names(&source, &mut faults);

    let (mesh, environment) = match once(&source, "mesh", &mut faults) {
        Some(section) => MeshSection::read(section, &mut faults),
        None => {
            require(&source, "mesh", "[mesh]", &mut faults);
            (None, None)
        }
    };
    let journal = match once(&source, "journal", &mut faults) {
        Some(section) => JournalSection::read(section, &mut faults),
        None => {
            require(&source, "journal", "[journal]", &mut faults);
            None
        }
    };
    let send = match once(&source, "send", &mut faults) {
        Some(section) => SendSection::read(&section, &mut faults),
        None => Some(SendSection::default()),
    };
    let console =
        once(&source, "console", &mut faults).map(|section| ConsoleSection::read(section, &mut faults));
    let log = match once(&source, "log", &mut faults) {
        Some(section) => LogSection::read(&section, &mut faults),
        None => Some(LogSection::default()),
    };
    let telemetry =
        once(&source, "telemetry", &mut faults).map(|section| TelemetrySection::read(section, &mut faults));
    let stop = match once(&source, "stop", &mut faults) {
        Some(section) => StopSection::read(&section, &mut faults),
        None => Some(StopSection::default()),
    };
    let reload = match once(&source, "reload", &mut faults) {
        Some(section) => ReloadSection::read(&section, &mut faults),
        None => Some(ReloadSection::default()),
    };
    let alerts = match once(&source, "alerts", &mut faults) {
        Some(section) => AlertsSection::read(section, &mut faults),
        None => Some(AlertsSection::default()),
    };
    require(&source, "mailbox", "[[mailbox]]", &mut faults);
    let mut taken = Vec::new();
    let mailboxes: Vec<_> = several(&source, "mailbox", &mut faults)
        .into_iter()
        .filter_map(|section| MailboxSection::read(section, environment.as_ref(), &mut taken, &mut faults))
        .collect();
    let mut taken = Vec::new();
    let mut adapters = Vec::new();
    for section in several(&source, "adapter", &mut faults) {
        if let Some(section) = AdapterSection::read_common(section, &mut taken, &mut faults) {
            adapters.extend(read(&section, &mut faults));
        }
    }
    let routes: Vec<_> = several(&source, "route", &mut faults)
        .into_iter()
        .filter_map(|section| RouteSection::read(section, &mut faults))
        .collect();
    let tests: Vec<_> = several(&source, "test", &mut faults)
        .into_iter()
        .filter_map(|section| TestSection::read(section, &mut faults))
        .collect();
    faults.sort();
    match (mesh, journal, send, log, stop, reload, alerts) {
        (Some(mesh), Some(journal), Some(send), Some(log), Some(stop), Some(reload), Some(alerts))
            if faults.is_empty() =>
        {
            let (console, telemetry) = (console.flatten(), telemetry.flatten());
            let once = imprints(&source);
            Ok(Loaded {
                mesh,
                journal,
                send,
                console,
                log,
                telemetry,
                stop,
                reload,
                alerts,
                once,
                mailboxes,
                adapters,
                routes,
                tests,
                secrets,
            })
        }
        _ => Err(faults),
    }
}

/// The sections that stand once, as they are written.
fn imprints(source: &Source) -> BTreeMap<String, Imprint> {
    let tables = source.tables();
    let section = |(key, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
        Some((key.get_ref().to_string(), Imprint::of(value.get_ref().as_table()?, None)))
    };
    tables.iter().filter_map(section).collect()
}

/// Finds sections that nobody knows.
fn check_names(source: &Source, faults: &mut Faults) {
    let known: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
    for (key, value) in &source.tables() {
        let name: &str = key.get_ref();
        if known.contains(&name) {
            continue;
        }
        let (kind, hide) = match value.get_ref() {
            DeValue::Table(_) => ("section", None),
            DeValue::Array(items) if items.iter().all(|item| item.get_ref().is_table()) => ("section", None),
            _ => ("key", Some(value.span())),
        };
        let message = format!("unknown {kind} `{name}`");
        faults.push(source.fault(key.span(), hide, message, did_you_mean(name, &known)));
    }
}

/// A fault if a section does not stand in the file at all.
fn require(source: &Source, name: &str, title: &str, faults: &mut Faults) {
    let missing = match source.tables().get(name).map(|value| value.get_ref()) {
        None => true,
        Some(DeValue::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    if missing {
        let hint = format!("add {title}");
        faults.push(source.fault_of_file(format!("missing section {title}"), hint));
    }
}

/// A section that stands once, if it is there.
fn once(source: &Arc<Source>, name: &'static str, faults: &mut Faults) -> Option<Section> {
    let tables = source.tables();
    let (key, value) = tables.get_key_value(name)?;
    if value.get_ref().is_table() {
        return Some(Section::new(source, name, None, value.span()));
    }
    let hint = format!("write [{name}], once");
    let message = format!("`{name}` is not one section");
    faults.push(source.fault(key.span(), Some(value.span()), message, hint));
    None
}

/// All sections of a name that may stand several times.
fn several(source: &Arc<Source>, name: &'static str, faults: &mut Faults) -> Vec<Section> {
    let tables = source.tables();
    let Some((key, value)) = tables.get_key_value(name) else {
        return Vec::new();
    };
    match value.get_ref() {
        DeValue::Array(items) if items.iter().all(|item| item.get_ref().is_table()) => items
            .iter()
            .enumerate()
            .map(|(index, item)| Section::new(source, name, Some(index), item.span()))
            .collect(),
        other => {
            let hide = (!other.is_table()).then(|| value.span());
            let hint = format!("write [[{name}]], in double brackets, for each");
            faults.push(source.fault(key.span(), hide, format!("`{name}` is not a list of sections"), hint));
            Vec::new()
        }
    }
}
