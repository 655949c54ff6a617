//! The command line.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use keystore::Severity;
use relay_config::{Fault, Faults};
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use crate::java_client::{self, StandIn};
use crate::relay::Relay;
use crate::sandbox::SandboxArgs;
use crate::settings::Settings;
use crate::stop_file::StopFile;
use crate::{demo, doctor, hand, identity, init, lint, records, sandbox, shadow, stop};

/// Everything went as asked.
pub const EXIT_OK: u8 = 0;
/// It could not be done, or ended with an error; of `lint`, a control file has one; of `shadow`, there are differences.
pub const EXIT_FAILED: u8 = 1;
/// The command line or the configuration is wrong, and nothing was begun; of `lint`, a file cannot be opened.
pub const EXIT_USAGE: u8 = 2;
/// By hand: MESH may have done what was asked, and no answer tells.
pub const EXIT_UNKNOWN: u8 = 3;
/// By hand: refused for good; the same again fails the same way.
pub const EXIT_REFUSED: u8 = 4;
/// By hand: MESH refuses the credentials, or one side the other's certificate.
pub const EXIT_CREDENTIALS: u8 = 5;
/// By hand: there is no such message, or it can no longer be had.
pub const EXIT_GONE: u8 = 6;

/// Names the variable that sets how much is logged, in the usual filter syntax.
const LOG_VARIABLE: &str = "MESH_RELAY_LOG";

/// What whoever starts it must know.
const RUN_HELP: &str = "\
With --meshclient-cfg the relay stands in for the Java MESH client: same mailboxes, same keystore, same folders. The file \
mexclient.sig in SignalPath stops it once it holds 1; one from before the start is removed. The journal is \
mesh-relay/journal.db in WorkPath. Keys that are not used are named once at the start; `mesh-relay import` shows what each \
key became.\n\n\
It ends with 0 after a stop signal, 1 when it broke, and 2 when command line or configuration are wrong. It never asks to be \
upgraded: to the old client's start script 2 meant that, so take the part that replaces meshClient.jar and starts again out \
of a script that is kept.";

/// Carries messages between an organisation's systems and NHS MESH, and always knows where each one is.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong command line or configuration.\n\
                  Of lint: 0 no errors, 1 errors, 2 a file that cannot be opened.\n\
                  Of shadow: 0 no difference in values, 1 differences, 2 nothing could be compared.\n\
                  Of send, inbox, get, ack, track and lookup also: 3 unknown whether it took effect, 4 refused for \
                  good, 5 credentials or certificate, 6 no such message or no longer available.\n\
                  MESH_RELAY_LOG sets how much is logged, for instance MESH_RELAY_LOG=debug."
)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Carry a real pair between two mailboxes of an embedded sandbox, and a reply back
    Demo(demo::DemoArgs),
    /// Run the relay
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Print the configuration that an old client's becomes; its secrets go into files
    Import(java_client::ImportArgs),
    /// Check a configuration: every fault with file, line, column and a hint
    Check(CheckArgs),
    /// Ask a few questions and write a working configuration
    #[command(after_help = init::HELP)]
    Init(Box<init::InitArgs>),
    /// Look at everything that a configuration leads to, and name what is at fault; changes nothing
    #[command(after_help = doctor::HELP)]
    Doctor(doctor::DoctorArgs),
    /// Say what is wrong with control files, and where, before they are put in OUT
    Lint(lint::LintArgs),
    /// Compare what an old client writes with what the relay would write; sends nothing and only reads
    #[command(after_help = shadow::HELP)]
    Shadow(shadow::ShadowArgs),
    /// Run the MESH server alone, for tests and rehearsals
    Sandbox(Box<SandboxArgs>),
    /// The journal
    #[command(flatten)]
    Records(Box<records::Command>),
    /// MESH by hand
    #[command(flatten)]
    Hand(Box<hand::Command>),
}

/// Which configuration a relay runs on.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct RunArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// In place of the Java MESH client: that client's own configuration, and nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) meshclient_cfg: Option<PathBuf>,
}

/// Which configuration.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// What `check` takes.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print faults, warnings and hints as one JSON array
    #[arg(long)]
    json: bool,
}

/// Libraries that log what they carry: lapin whole messages that come back, at `warn`, and every frame at `trace`
/// (`queue-bridging.md` 2.7, 3), `object_store` names of objects. What they have to say comes to us as errors, which are
/// told without that.
const SILENT: [&str; 3] = ["lapin=off", "amq_protocol=off", "object_store=off"];

/// Runs a command and says how it ended.
pub fn run(cli: Cli) -> ExitCode {
    let usual = match &cli.command {
        Command::Demo(_) | Command::Lint(_) | Command::Shadow(_) => "warn",
        // There stderr holds nothing but the error, as one JSON document.
        // It shows what it finds itself.
        Command::Doctor(_) | Command::Init(_) => "off",
        Command::Hand(command) if command.json() => "off",
        Command::Records(command) if command.json() => "off",
        Command::Hand(_) | Command::Records(_) => "warn",
        _ => "info",
    };
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new(usual));
    let filter =
        SILENT.iter().filter_map(|silent| silent.parse().ok()).fold(filter, EnvFilter::add_directive);
    let stderr_colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(stderr_colours)
        .with_target(false)
        .init();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("the runtime cannot start: {error}")),
    };
    match cli.command {
        Command::Demo(args) => done(runtime.block_on(demo::run(args))),
        Command::Run(args) => runtime.block_on(relay(&args)),
        Command::Import(args) => java_client::import(&args),
        Command::Check(args) => check(&args),
        Command::Init(args) => init::run(*args),
        Command::Doctor(args) => runtime.block_on(doctor::run(args)),
        Command::Lint(args) => lint::run(&args),
        Command::Shadow(args) => runtime.block_on(shadow::run(args)),
        Command::Sandbox(args) => done(runtime.block_on(sandbox::run(*args))),
        Command::Records(command) => runtime.block_on(records::run(*command)),
        Command::Hand(command) => runtime.block_on(hand::run(*command)),
    }
}

fn failed(what: &str) -> ExitCode {
    eprintln!("error: {what}");
    ExitCode::from(EXIT_FAILED)
}

fn done<E: std::fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::from(EXIT_OK),
        Err(error) => failed(&error.to_string()),
    }
}

fn refused(faults: &Faults) -> ExitCode {
    eprintln!("{faults}\n\n{} fault(s); nothing was started", faults.len());
    ExitCode::from(EXIT_USAGE)
}

fn check(args: &CheckArgs) -> ExitCode {
    match (Settings::load(&args.config.config), args.json) {
        (Ok(settings), false) => {
            println!("{}: {settings}", args.config.config.display());
            for note in &settings.notes {
                println!("{}: {note}", identity::word(note.severity));
            }
            ExitCode::from(EXIT_OK)
        }
        (Ok(settings), true) => {
            let list = settings.notes.iter().map(|note| as_json(note.severity, &note.fault));
            println!("{}", list.collect::<serde_json::Value>());
            ExitCode::from(EXIT_OK)
        }
        (Err(faults), false) => refused(&faults),
        (Err(faults), true) => {
            let list = faults.iter().map(|fault| as_json(Severity::Error, fault));
            println!("{}", list.collect::<serde_json::Value>());
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn as_json(severity: Severity, fault: &Fault) -> serde_json::Value {
    serde_json::json!({
        "severity": identity::word(severity), "file": fault.file, "line": fault.line,
        "column": fault.column, "message": fault.message, "hint": fault.hint,
    })
}

/// What a relay is to be started with.
fn settings(args: &RunArgs) -> Result<Settings, Faults> {
    if let Some(path) = &args.meshclient_cfg {
        let stand_in = StandIn::read(path)?;
        for told in &stand_in.told {
            identity::log(told.severity, &told.text);
        }
        return stand_in.settings();
    }
    // The command line asks for one of them.
    Settings::load(args.config.as_deref().unwrap_or(Path::new("")))
}

async fn relay(args: &RunArgs) -> ExitCode {
    let settings = match settings(args) {
        Ok(settings) => settings,
        Err(faults) => return refused(&faults),
    };
    tracing::info!("{settings}");
    for note in &settings.notes {
        identity::log(note.severity, &note.to_string());
    }
    let mut stop_file = settings.stop_signal.clone().map(StopFile::note);
    let mut relay = match Relay::start(settings).await {
        Ok(relay) => relay,
        Err(error) => return failed(&error.to_string()),
    };
    // Only now: a relay that cannot start must not take away what was to stop another one.
    if let Some(file) = &mut stop_file {
        file.begin();
    }
    let signalled = async {
        match &stop_file {
            Some(file) => file.asked().await,
            None => std::future::pending().await,
        }
    };
    tracing::info!("the relay is running");
    let broken = tokio::select! {
        heard = stop::asked() => heard.err().map(|error| format!("signals cannot be heard: {error}")),
        () = signalled => None,
        error = relay.failed() => Some(error.to_string()),
    };
    tracing::info!("the relay is stopping");
    let stopped = relay.stop().await;
    match (broken, stopped) {
        (Some(what), _) => failed(&what),
        (None, Err(error)) => failed(&error.to_string()),
        (None, Ok(())) => {
            tracing::info!("the relay has stopped");
            ExitCode::from(EXIT_OK)
        }
    }
}
