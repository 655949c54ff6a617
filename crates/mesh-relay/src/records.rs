//! The record from the command line: which messages, what happened to one, with whom, whether it is sound, and what a person
//! decides about some. Asks a running relay's API, or reads the journal itself, beside a running relay or without one.
//!
//! | subject | where |
//! |---|---|
//! | the running relay's API | `api` |
//! | one of the two, as commands ask it | `source` |
//! | resend, park, cancel | `act` |
//! | tables | `show` |
//! | the audit chain | `audit` |

mod act;
pub(crate) mod api;
mod audit;
mod show;
mod source;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use relay_config::{Faults, Interval};
use relay_console::view::MessageView;
use relay_core::{JournalError, MailboxId, OperatorError};
use relay_journal::OpenError;
use serde_json::json;
use thiserror::Error;

use self::api::ApiError;
use self::source::Source;
use crate::cli::{EXIT_FAILED, EXIT_GONE, EXIT_OK, EXIT_USAGE};
use crate::journal::JournalOpenError;

/// Messages that are listed unless asked for more.
const LISTED: u32 = 50;
/// How far back the partners are looked at.
const PARTNERS_SINCE: &str = "30d";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List messages, newest first; words are ids, file names, mailboxes, workflows or their beginnings
    Messages(MessagesArgs),
    /// Show what happened to a message
    Show(ShowArgs),
    /// Send messages once more from what SENT or FAILED keeps, or have parked ones from MESH delivered once more
    Resend(ActArgs),
    /// Leave messages to a person: nothing of them is tried any more
    Park(ParkArgs),
    /// Do not send messages; only while MESH cannot have them
    Cancel(ActArgs),
    /// Reports on the traffic
    #[command(subcommand)]
    Report(ReportCommand),
    /// The record of everything that happened
    #[command(subcommand)]
    Audit(AuditCommand),
}

/// The reports.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Who was sent to and received from, how many, how soon they collect, and what is not collected
    Partners(PartnersArgs),
}

/// What can be done with the audit chain.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that no record was changed, removed or moved; exit code 1 if one was
    Verify(JournalArgs),
    /// Move a damaged journal out of the way, so that the relay can start with an empty one
    SetAside(JournalArgs),
}

/// Which journal, and how it is shown.
#[derive(Debug, Args)]
pub struct JournalArgs {
    /// The relay's configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Whom to ask, and how it is shown.
#[derive(Debug, Args)]
pub struct AskArgs {
    /// The relay's configuration file: its journal is read, and its console is asked to act if the relay runs
    #[arg(long, value_name = "FILE", required_unless_present = "relay", conflicts_with = "relay")]
    config: Option<PathBuf>,
    /// The console of a running relay, such as <https://relay.example.nhs.uk:8710>
    #[arg(long, value_name = "URL")]
    relay: Option<String>,
    /// A file with the token to show to it
    #[arg(long, value_name = "FILE", requires = "relay")]
    token: Option<PathBuf>,
    /// Whose certificates to trust there (PEM)
    #[arg(long, value_name = "FILE", requires = "relay")]
    roots: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What `messages` takes.
#[derive(Debug, Args)]
pub struct MessagesArgs {
    /// Words that all stand in the message's record
    words: Vec<String>,
    /// Only this way
    #[arg(long, value_enum)]
    direction: Option<Way>,
    /// Only of this mailbox of yours
    #[arg(long, value_name = "ID")]
    mailbox: Option<MailboxId>,
    /// Only to or from this mailbox
    #[arg(long, value_name = "ID")]
    partner: Option<String>,
    /// Only of this workflow
    #[arg(long, value_name = "ID")]
    workflow: Option<String>,
    /// Only in this state, such as accepted, parked, `in_doubt`, undelivered
    #[arg(long)]
    state: Option<String>,
    /// Only those first seen so long ago or later, such as 2h or 7d
    #[arg(long, value_name = "DURATION")]
    since: Option<Interval>,
    /// How many at most
    #[arg(long, default_value_t = LISTED)]
    limit: u32,
    #[command(flatten)]
    ask: AskArgs,
}

/// What `show` takes.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The relay's or MESH's id of the message, or a word that only it has
    id: String,
    #[command(flatten)]
    ask: AskArgs,
}

/// What `resend` and `cancel` take.
#[derive(Debug, Args)]
pub struct ActArgs {
    /// Messages: the relay's or MESH's id of each, or a word that only it has
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Do not ask back
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    ask: AskArgs,
}

/// What `park` takes.
#[derive(Debug, Args)]
pub struct ParkArgs {
    /// Why; kept with the record. No names or numbers of patients
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    act: ActArgs,
}

/// What `report partners` takes.
#[derive(Debug, Args)]
pub struct PartnersArgs {
    /// How far to look back
    #[arg(long, value_name = "DURATION", default_value = PARTNERS_SINCE)]
    since: Interval,
    #[command(flatten)]
    ask: AskArgs,
}

/// A direction as it is typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Way {
    /// To MESH
    Outbound,
    /// From MESH
    Inbound,
}

/// Why a question has no answer.
#[derive(Debug, Error)]
enum AskError {
    #[error("{0}")]
    Configuration(Faults),
    #[error("a journal on PostgreSQL is no file that could be set aside; restore the database from a copy")]
    NoFile,
    #[error(transparent)]
    Open(#[from] JournalOpenError),
    #[error(transparent)]
    File(#[from] OpenError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("no message with {0:?} is recorded; it may be older than the journal keeps")]
    NoSuch(String),
    #[error("several messages have {0:?}; list them with `mesh-relay messages` and name one by its id")]
    Several(String),
    #[error("the audit chain is not sound")]
    Unsound,
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Operator(#[from] OperatorError),
    #[error("{0}")]
    Usage(String),
    #[error("nothing was done")]
    Declined,
    #[error("{failed} of {all} could not be done")]
    Undone { failed: usize, all: usize },
}

impl AskError {
    fn code(&self) -> u8 {
        match self {
            Self::Configuration(_) | Self::Usage(_) => EXIT_USAGE,
            Self::NoSuch(_) => EXIT_GONE,
            _ => EXIT_FAILED,
        }
    }
}

impl Command {
    /// Whether the answer is asked for as JSON.
    pub fn json(&self) -> bool {
        match self {
            Self::Messages(args) => args.ask.json,
            Self::Show(args) => args.ask.json,
            Self::Resend(args) | Self::Cancel(args) => args.ask.json,
            Self::Park(args) => args.act.ask.json,
            Self::Report(ReportCommand::Partners(args)) => args.ask.json,
            Self::Audit(AuditCommand::Verify(args) | AuditCommand::SetAside(args)) => args.json,
        }
    }
}

/// Runs a command and says how it ended.
pub async fn run(command: Command) -> ExitCode {
    match answer(&command).await {
        Ok(()) => ExitCode::from(EXIT_OK),
        Err(error) => {
            if command.json() {
                eprintln!("{}", json!({ "error": error.to_string() }));
            } else {
                match error {
                    // Each fault says by itself that it is one.
                    AskError::Configuration(ref faults) => eprintln!("{faults}"),
                    ref error => eprintln!("error: {error}"),
                }
            }
            ExitCode::from(error.code())
        }
    }
}

async fn answer(command: &Command) -> Result<(), AskError> {
    match command {
        Command::Messages(args) => messages(args).await,
        Command::Show(args) => show(args).await,
        Command::Resend(args) => act::run(act::Act::Resend, args, "").await,
        Command::Park(args) => act::run(act::Act::Park, &args.act, &args.reason).await,
        Command::Cancel(args) => act::run(act::Act::Cancel, args, "").await,
        Command::Report(ReportCommand::Partners(args)) => partners(args).await,
        Command::Audit(AuditCommand::Verify(args)) => audit::verify(args).await,
        Command::Audit(AuditCommand::SetAside(args)) => audit::set_aside(args),
    }
}

async fn messages(args: &MessagesArgs) -> Result<(), AskError> {
    let query = source::Question {
        words: args.words.clone(),
        direction: args.direction.map(|way| match way {
            Way::Outbound => relay_core::Direction::Outbound,
            Way::Inbound => relay_core::Direction::Inbound,
        }),
        mailbox: args.mailbox.clone(),
        partner: args.partner.clone(),
        workflow: args.workflow.clone(),
        state: args.state.clone(),
        since: args.since.map(Duration::from),
        limit: args.limit,
    };
    let found = Source::open(&args.ask).await?.messages(&query).await?;
    if args.ask.json {
        println!("{}", json!({ "messages": found }));
    } else if found.is_empty() {
        eprintln!("no such messages");
    } else {
        println!("{}", show::messages(&found));
    }
    Ok(())
}

async fn show(args: &ShowArgs) -> Result<(), AskError> {
    let source = Source::open(&args.ask).await?;
    let message = one(&source, &args.id).await?;
    let (history, deeds) = source.history(&message).await?;
    if args.ask.json {
        println!("{}", json!({ "message": message, "history": history, "deeds": deeds }));
    } else {
        println!("{}", show::message(&message, &history, &deeds));
    }
    Ok(())
}

/// The one message that has this word.
async fn one(source: &Source, word: &str) -> Result<MessageView, AskError> {
    let query = source::Question { words: vec![word.to_owned()], limit: 2, ..source::Question::default() };
    let mut found = source.messages(&query).await?;
    match (found.pop(), found.pop()) {
        (None, _) => Err(AskError::NoSuch(word.to_owned())),
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(AskError::Several(word.to_owned())),
    }
}

async fn partners(args: &PartnersArgs) -> Result<(), AskError> {
    let partners = Source::open(&args.ask).await?.partners(Duration::from(args.since)).await?;
    if args.ask.json {
        println!("{}", json!({ "partners": partners }));
    } else {
        println!("{}", show::partners(&partners));
    }
    Ok(())
}
