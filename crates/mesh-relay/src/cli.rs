//! The command line.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use keystore::Severity;
use relay_config::{Fault, Faults};
use relay_core::{Shutdown, metric};
use tokio::runtime::Runtime;

use crate::java_client;
use crate::relay::{Relay, Stopped};
use crate::reload::{Cause, Configuration, Follow};
use crate::sandbox::SandboxArgs;
use crate::settings::Settings;
use crate::stop::Signals;
use crate::stop_file::StopFile;
use crate::telemetry::{self, Telemetry};
use crate::{
    broken, demo, doctor, explain, hand, harden, health, identity, init, lint, manual, records, sandbox,
    schema, shadow,
};

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
/// Of `run`: stopped, but not everything ended in time; the next start takes up what is left.
pub const EXIT_BROKEN_OFF: u8 = 7;
/// Of `run`: a second signal ended the stop at once; the next start takes up what is left.
pub const EXIT_AT_ONCE: u8 = 8;

/// How long threads may take that wait for what does not answer, a share or a broker, once all else has ended.
const THREADS_WITHIN: Duration = Duration::from_secs(1);

/// What whoever starts it must know.
const RUN_HELP: &str = "\
With --meshclient-cfg the relay stands in for the Java MESH client: same mailboxes, same keystore, same folders. The file \
mexclient.sig in SignalPath stops it once it holds 1; one from before the start is removed. The journal is \
mesh-relay/journal.db in WorkPath. Keys that are not used are named once at the start; `mesh-relay import` shows what each \
key became.\n\n\
A signal to stop (SIGTERM, SIGINT) lets messages under way end, for as long as `drain` in [stop] says; a second one ends it at \
once. A hang-up signal (SIGHUP) has it read its configuration again.\n\n\
It ends with 0 after a stop signal, 7 when not everything ended in time, 8 after a second signal, 1 when it broke, and 2 when command \
line or configuration are wrong. It never asks to be \
upgraded: to the old client's start script 2 meant that, so take the part that replaces meshClient.jar and starts again out \
of a script that is kept.";

/// Carries messages between an organisation's systems and NHS MESH, and always knows where each one is.
#[derive(Debug, Parser)]
#[command(
    version = manual::RELEASE,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong command line or configuration.\n\
                  Of lint: 0 no errors, 1 errors, 2 a file that cannot be opened.\n\
                  Of explain: 0 each message has a way, 1 one has none.\n\
                  Of shadow: 0 no difference in values, 1 differences, 2 nothing could be compared.\n\
                  Of send, inbox, get, ack, track and lookup also: 3 unknown whether it took effect, 4 refused for \
                  good, 5 credentials or certificate, 6 no such message or no longer available.\n\
                  Of run also: 7 stopped, but not everything ended in time, 8 ended at once by a second signal.\n\
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
    /// Say which adapter, mailbox and route a message would take, and why; needs no secret and no network
    Explain(explain::ExplainArgs),
    /// Print the JSON schema of the configuration, or its reference page
    Schema(schema::SchemaArgs),
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
    /// Ask a relay that runs here, or a sandbox, whether it is well; for containers, which have no shell to ask with
    #[command(after_help = health::HELP)]
    Health(health::HealthArgs),
    /// Print what a shell completes these commands and their options by
    Completions(manual::CompletionsArgs),
    /// Write the manual pages to a folder
    #[command(hide = true)]
    Manual(manual::ManualArgs),
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

/// Runs a command and says how it ended.
pub fn run(cli: Cli) -> ExitCode {
    let usual = match &cli.command {
        Command::Demo(_)
        | Command::Explain(_)
        | Command::Lint(_)
        | Command::Schema(_)
        | Command::Shadow(_)
        | Command::Health(_) => "warn",
        // There stderr holds nothing but the error, as one JSON document.
        // It shows what it finds itself.
        Command::Doctor(_) | Command::Init(_) => "off",
        Command::Hand(command) if command.json() => "off",
        Command::Records(command) if command.json() => "off",
        Command::Hand(_) | Command::Records(_) => "warn",
        _ => "info",
    };
    // A relay's configuration says how it logs.
    if !matches!(cli.command, Command::Run(_)) {
        telemetry::for_people(usual);
    }
    broken::tell_without_words();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("the runtime cannot start: {error}")),
    };
    let code = match cli.command {
        Command::Demo(args) => done(runtime.block_on(demo::run(args))),
        Command::Run(args) => runtime.block_on(relay(&args)),
        Command::Import(args) => java_client::import(&args),
        Command::Check(args) => check(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Init(args) => init::run(*args),
        Command::Doctor(args) => runtime.block_on(doctor::run(args)),
        Command::Lint(args) => lint::run(&args),
        Command::Shadow(args) => runtime.block_on(shadow::run(args)),
        Command::Sandbox(args) => done(runtime.block_on(sandbox::run(*args))),
        Command::Health(args) => runtime.block_on(health::run(args)),
        Command::Completions(args) => manual::completions(&args),
        Command::Manual(args) => manual::manual(&args),
        Command::Records(command) => runtime.block_on(records::run(*command)),
        Command::Hand(command) => runtime.block_on(hand::run(*command)),
    };
    // What hangs in the system would keep the process for ever otherwise.
    runtime.shutdown_timeout(THREADS_WITHIN);
    code
}

/// Whether whoever reads the errors sees colours, and wants to.
pub(crate) fn stderr_colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
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

/// What is wrong with a configuration, and the code for it.
pub(crate) fn refused(faults: &Faults) -> ExitCode {
    let shown = if stderr_colours() { faults.on_terminal() } else { format!("{faults}\n") };
    eprintln!("{shown}\n{} fault(s); nothing was started", faults.len());
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

/// Where the configuration is.
fn configuration(args: &RunArgs) -> Configuration {
    match &args.meshclient_cfg {
        Some(path) => Configuration::JavaClient(path.clone()),
        // The command line asks for one of them.
        None => Configuration::Own(args.config.clone().unwrap_or_default()),
    }
}

async fn relay(args: &RunArgs) -> ExitCode {
    // Before the first secret is read.
    let closed = harden::close();
    let configuration = configuration(args);
    let (settings, told) = configuration.load();
    let started = match &settings {
        Ok(settings) => {
            let volume = settings.journal.folder().map(Path::to_owned);
            Telemetry::start(&settings.reporting, settings.console.is_some(), volume).map(Some)
        }
        Err(_) => {
            telemetry::for_people("info");
            Ok(None)
        }
    };
    if let Err(error) = closed {
        tracing::warn!("{error}");
    }
    for (severity, text) in &told {
        identity::log(*severity, text);
    }
    let (mut settings, telemetry) = match (settings, started) {
        (Err(faults), _) => return refused(&faults),
        (_, Err(error)) => return failed(&error.to_string()),
        (Ok(settings), Ok(telemetry)) => (settings, telemetry),
    };
    if let (Some(console), Some(telemetry)) = (&mut settings.console, &telemetry) {
        console.exposition = telemetry.exposition();
    }
    let ended = carry(configuration, settings).await;
    if let Some(telemetry) = telemetry {
        telemetry.stop().await;
    }
    ended
}

/// Runs a relay until it is to stop, or breaks.
async fn carry(configuration: Configuration, settings: Settings) -> ExitCode {
    tracing::info!("{settings}");
    for note in &settings.notes {
        identity::log(note.severity, &note.to_string());
    }
    // Before anything is started: a signal that nobody hears ends the process.
    let follow = Follow::new(configuration, &settings);
    let mut follow = match follow {
        Ok(follow) => follow,
        Err(error) => return failed(&format!("signals cannot be heard: {error}")),
    };
    let mut stop_file = settings.stop_signal.clone().map(StopFile::note);
    let mut relay = match Relay::start(settings).await {
        Ok(relay) => relay,
        Err(error) => return failed(&error.to_string()),
    };
    // Only now: a relay that cannot start must not take away what was to stop another one.
    if let Some(file) = &mut stop_file {
        file.begin();
    }
    let mut signals = match Signals::hear() {
        Ok(signals) => signals,
        Err(error) => return failed(&format!("signals cannot be heard: {error}")),
    };
    let (trigger, mut stop) = Shutdown::channel();
    let hearing = async {
        let signalled = async {
            match &stop_file {
                Some(file) => file.asked().await,
                None => std::future::pending().await,
            }
        };
        let heard = tokio::select! {
            heard = signals.asked() => heard,
            () = signalled => Ok(()),
        };
        trigger.request();
        heard.err().map(|error| format!("signals cannot be heard: {error}"))
    };
    tracing::info!("the relay is running");
    let running = async {
        loop {
            tokio::select! {
                () = stop.requested() => return None,
                error = relay.failed() => return Some(error.to_string()),
                cause = follow.asked() => {
                    relay.service().reloading();
                    reload(&mut relay, &mut follow, cause, &stop).await;
                    relay.service().ready();
                }
            }
        }
    };
    // Hearing ends first, unless the relay broke.
    let broken = {
        let (mut hearing, mut running) = (pin!(hearing), pin!(running));
        tokio::select! {
            biased;
            broken = &mut running => broken,
            deaf = &mut hearing => match deaf {
                Some(deaf) => Some(deaf),
                // A reload may be under way, which ends at once.
                None => running.await,
            },
        }
    };
    tracing::info!("the relay is stopping");
    let stopped = tokio::select! {
        stopped = relay.stop() => stopped,
        Ok(()) = signals.asked() => {
            tracing::warn!("a second signal: the relay ends at once; the next start takes up what is left");
            return ExitCode::from(EXIT_AT_ONCE);
        }
    };
    match (broken, stopped) {
        (Some(what), _) => failed(&what),
        (None, Err(error)) => failed(&error.to_string()),
        (None, Ok(Stopped::Whole)) => {
            tracing::info!("the relay has stopped");
            ExitCode::from(EXIT_OK)
        }
        (None, Ok(Stopped::BrokenOff)) => {
            tracing::warn!("the relay has stopped, and some of it was broken off");
            ExitCode::from(EXIT_BROKEN_OFF)
        }
    }
}

/// Goes on with what the configuration says now, or as before.
async fn reload(relay: &mut Relay, follow: &mut Follow, cause: Cause, stop: &Shutdown) {
    let why = match cause {
        Cause::Told => "as it was told to",
        Cause::Changed => "since a file of it changed",
    };
    tracing::info!("the configuration is read again, {why}");
    let (loaded, told) = follow.load().await;
    for (severity, text) in &told {
        identity::log(*severity, text);
    }
    let settings = match loaded {
        Ok(settings) => settings,
        Err(faults) => {
            metric::CONFIG_RELOADS.count(["refused".into()]);
            let number = faults.len();
            tracing::error!(
                faults = number,
                "the configuration is not taken; the relay goes on as before\n{faults}"
            );
            return;
        }
    };
    for note in &settings.notes {
        identity::log(note.severity, &note.to_string());
    }
    match relay.reload(settings, stop).await {
        Ok(changes) => {
            metric::CONFIG_RELOADS.count(["taken".into()]);
            tracing::info!("the configuration is taken: {changes}");
        }
        Err(error) => {
            metric::CONFIG_RELOADS.count(["refused".into()]);
            tracing::error!("the configuration is not taken: {error}");
        }
    }
}
