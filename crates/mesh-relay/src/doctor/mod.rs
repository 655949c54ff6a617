//! `mesh-relay doctor`: looks at everything that a configuration leads to, and names what is at fault.
//!
//! It sends no message and takes none, changes nothing that lasts, and may run beside a relay at work. Parts that depend on each
//! other are looked at one after the other, and the rest side by side; each has a bound on its time, and one that hangs holds up
//! nobody else. `docs/doctor.md` lists every check.
//!
//! | subject | where |
//! |---|---|
//! | what is shown, and the exit code | `report` |
//! | bounds, and work that may hang | `bounded` |
//! | MESH: name, way, TLS, certificates, clock, mailboxes | `mesh`, `credentials`, `certificate` |
//! | a connection, step by step | `line` |
//! | secrets and key files | `secrets` |
//! | the journal | `journal` |
//! | adapters, and webhooks among them | `adapters`, `webhook` |
//! | the console's port | `console` |
//! | volumes: room, kind | `volume` |
//! | the machine | `machine` |

mod adapters;
mod bounded;
mod certificate;
mod console;
mod credentials;
mod journal;
mod line;
mod machine;
mod mesh;
mod report;
mod secrets;
mod volume;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use relay_config::{AdapterSection, Faults, Loaded};
use relay_core::diagnosis::Finding;

use crate::adapters::AdapterConfig;
use crate::cli::ConfigArgs;
use crate::settings;

pub(crate) use bounded::aside;
pub(crate) use webhook::{Hook, look as look_at_webhook};

use bounded::Bench;
use report::Report;

/// What whoever reads the help must know.
pub const HELP: &str = "\
It looks at what the configuration leads to: files and secrets, MESH (name, connection, proxy, TLS, certificates, clock, each \
mailbox), the journal, folders, brokers, webhooks, the console's port, and this machine. Each check says ok, warning, fault, or \
not checked and why; docs/doctor.md lists them all. No message is sent or taken, and nothing is changed; it may run beside a \
relay at work. Run it as the account that the relay runs as: rights are tried, not guessed.\n\n\
Exit codes: 0 no fault (there may be warnings), 1 a fault, 2 the configuration cannot be read.";

/// Bounds on the time of each part. Their own parts have shorter ones, and say more.
const SECRETS_WITHIN: Duration = Duration::from_secs(10);
const MESH_WITHIN: Duration = Duration::from_secs(90);
const JOURNAL_WITHIN: Duration = Duration::from_secs(40);
const ADAPTER_WITHIN: Duration = Duration::from_secs(90);
const CONSOLE_WITHIN: Duration = Duration::from_secs(10);
const VOLUME_WITHIN: Duration = Duration::from_secs(10);
const MACHINE_WITHIN: Duration = Duration::from_secs(10);

/// The configuration itself.
const CONFIGURATION: &str = "configuration";

/// What the command takes.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the checks as one JSON document
    #[arg(long)]
    json: bool,
}

/// A configuration that was read, and nothing of what it refers to.
type Read = Loaded<(AdapterSection, AdapterConfig)>;

/// Looks at everything and says what was found.
pub async fn run(args: DoctorArgs) -> ExitCode {
    let path = args.config.config;
    let report = match settings::read(&path) {
        Ok(loaded) => {
            let shown = path.clone();
            Report::of(path, look(loaded, shown).await)
        }
        Err(faults) => Report::unreadable(path, unreadable(&faults)),
    };
    report.print(args.json)
}

fn unreadable(faults: &Faults) -> Vec<Finding> {
    let finding = |fault: &relay_config::Fault| {
        let place = match fault.line {
            0 => fault.file.display().to_string(),
            line => format!("{}:{line}:{}", fault.file.display(), fault.column),
        };
        let advice = fault.hint.clone();
        Finding::fault(CONFIGURATION, place, fault.message.clone(), advice)
    };
    faults.iter().map(finding).collect()
}

/// The findings of a part that could not be resolved.
fn faults_of(check: &'static str, owner: &str, faults: &Faults) -> Vec<Finding> {
    let finding = |fault: &relay_config::Fault| {
        let item = format!("{owner} ({}:{})", fault.file.display(), fault.line);
        let (found, advice) = (fault.message.clone(), fault.hint.clone());
        Finding::fault(check, item, found, advice)
    };
    faults.iter().map(finding).collect()
}

async fn look(loaded: Read, path: PathBuf) -> Vec<Finding> {
    let read = format!(
        "{} mailbox(es), {} adapter(s), MESH at {}",
        loaded.mailboxes.len(),
        loaded.adapters.len(),
        loaded.mesh.environment.base_url()
    );
    let mut findings = vec![Finding::sound(CONFIGURATION, path.display().to_string(), read)];
    let mut bench = Bench::new();
    let known = secrets::Known::of(&loaded);
    bench.put(secrets::CHECK, "the files with secrets", SECRETS_WITHIN, known.look());
    let places = volume::Places::of(&loaded);
    let mesh = mesh::Mesh::of(&loaded);
    bench.put(mesh::ANSWER, "MESH", MESH_WITHIN, mesh.look());
    let (section, secrets) = (loaded.journal.clone(), loaded.secrets.clone());
    bench.put(journal::SETTINGS, "the journal", JOURNAL_WITHIN, journal::look(section, secrets));
    for (section, config) in loaded.adapters {
        let item = format!("adapter {}", section.name);
        let looking = adapters::look(section, config, loaded.secrets.clone());
        bench.put(adapters::SETTINGS, item, ADAPTER_WITHIN, looking);
    }
    if let Some(section) = loaded.console {
        let looking = console::look(section, loaded.secrets.clone());
        bench.put(console::PORT, "the console", CONSOLE_WITHIN, looking);
    }
    bench.put(volume::SPACE, "the volumes", VOLUME_WITHIN, places.look());
    bench.put(machine::ACCOUNT, "this machine", MACHINE_WITHIN, machine::look());
    findings.extend(bench.findings().await);
    console::make_peace(&mut findings);
    findings
}
