//! The journal from the command line: which messages, what happened to one, with whom, and whether the record is sound.
//! Reads the journal's file beside a running relay, or without one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use relay_config::{Faults, Interval};
use relay_core::{
    Direction, HistoryEntry, JournalError, MailboxId, MessageQuery, MessageSummary, Partner, Records,
};
use relay_journal::OpenError;
use serde_json::{Value, json};
use thiserror::Error;

use crate::cli::{EXIT_FAILED, EXIT_GONE, EXIT_OK, EXIT_USAGE};
use crate::hand::show::{facts, plain, table};
use crate::journal::{self, JournalOpenError};
use crate::{settings, system};

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
    /// Who was sent to and received from, how many, and what is not collected
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
    /// Only in this state, such as accepted, parked, in_doubt, undelivered
    #[arg(long)]
    state: Option<String>,
    /// Only those first seen so long ago or later, such as 2h or 7d
    #[arg(long, value_name = "DURATION")]
    since: Option<Interval>,
    /// How many at most
    #[arg(long, default_value_t = LISTED)]
    limit: u32,
    #[command(flatten)]
    journal: JournalArgs,
}

/// What `show` takes.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The relay's or MESH's id of the message, or a word that only it has
    id: String,
    #[command(flatten)]
    journal: JournalArgs,
}

/// What `report partners` takes.
#[derive(Debug, Args)]
pub struct PartnersArgs {
    /// How far to look back
    #[arg(long, value_name = "DURATION", default_value = PARTNERS_SINCE)]
    since: Interval,
    #[command(flatten)]
    journal: JournalArgs,
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
}

impl AskError {
    fn code(&self) -> u8 {
        match self {
            Self::Configuration(_) => EXIT_USAGE,
            Self::NoSuch(_) => EXIT_GONE,
            _ => EXIT_FAILED,
        }
    }
}

impl Command {
    fn journal(&self) -> &JournalArgs {
        match self {
            Self::Messages(args) => &args.journal,
            Self::Show(args) => &args.journal,
            Self::Report(ReportCommand::Partners(args)) => &args.journal,
            Self::Audit(AuditCommand::Verify(args) | AuditCommand::SetAside(args)) => args,
        }
    }

    /// Whether the answer is asked for as JSON.
    pub fn json(&self) -> bool {
        self.journal().json
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
    let loaded = relay_config::load(&command.journal().config).map_err(AskError::Configuration)?;
    let mut faults = Faults::new();
    let journal = settings::journal(&loaded.journal, &loaded.secrets, &mut faults);
    let Some(journal) = journal else { return Err(AskError::Configuration(faults)) };
    if let Command::Audit(AuditCommand::SetAside(args)) = command {
        return set_aside(journal::file(&journal).ok_or(AskError::NoFile)?, args);
    }
    let records = &*journal::records(&journal).await?;
    match command {
        Command::Messages(args) => messages(records, args).await,
        Command::Show(args) => show(records, args).await,
        Command::Report(ReportCommand::Partners(args)) => partners(records, args).await,
        Command::Audit(AuditCommand::Verify(args) | AuditCommand::SetAside(args)) => {
            verify(records, args).await
        }
    }
}

fn set_aside(path: &Path, args: &JournalArgs) -> Result<(), AskError> {
    let aside = relay_journal::set_aside(path, system::now())?;
    match (aside, args.json) {
        (aside, true) => println!("{}", json!({ "set_aside": aside })),
        (None, false) => println!("{} is sound; nothing was done", path.display()),
        (Some(aside), false) => println!(
            "moved to {}\nThe next start makes an empty journal, which knows nothing of what was sent: a pair that is \
             still in OUT would be sent again. Look through OUT first; `mesh-relay track --local-id` says whether MESH \
             has a message already.",
            aside.display()
        ),
    }
    Ok(())
}

fn ago(interval: Interval) -> Timestamp {
    let past = SignedDuration::try_from(Duration::from(interval)).unwrap_or(SignedDuration::MAX);
    system::now().checked_sub(past).unwrap_or(Timestamp::MIN)
}

async fn messages(records: &dyn Records, args: &MessagesArgs) -> Result<(), AskError> {
    let query = MessageQuery {
        direction: args.direction.map(|way| match way {
            Way::Outbound => Direction::Outbound,
            Way::Inbound => Direction::Inbound,
        }),
        mailbox: args.mailbox.clone(),
        partner: args.partner.clone(),
        workflow: args.workflow.clone(),
        state: args.state.clone(),
        from: args.since.map(ago),
        words: args.words.clone(),
        limit: args.limit,
        ..MessageQuery::default()
    };
    let found = records.search(&query).await?;
    if args.journal.json {
        println!("{}", json!({ "messages": found.iter().map(as_json).collect::<Vec<_>>() }));
    } else if found.is_empty() {
        eprintln!("no such messages");
    } else {
        let heads = ["SEEN", "DIRECTION", "STATE", "MAILBOX", "PARTNER", "WORKFLOW", "RELAY ID"];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        rows.extend(found.iter().map(row));
        println!("{}", table(&rows));
    }
    Ok(())
}

fn row(message: &MessageSummary) -> Vec<String> {
    let text = |value: &Option<String>| value.as_deref().map_or_else(|| "-".to_owned(), plain);
    vec![
        time(message.received_at),
        message.direction.as_str().to_owned(),
        message.state.clone(),
        message.mailbox.to_string(),
        text(&message.partner),
        text(&message.workflow),
        message.relay_id.to_string(),
    ]
}

/// To the second: what people compare with their clocks.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

async fn show(records: &dyn Records, args: &ShowArgs) -> Result<(), AskError> {
    let query = MessageQuery { words: vec![args.id.clone()], limit: 2, ..MessageQuery::default() };
    let found = records.search(&query).await?;
    let message = match &found[..] {
        [] => return Err(AskError::NoSuch(args.id.clone())),
        [one] => one,
        _ => return Err(AskError::Several(args.id.clone())),
    };
    let history = records.history(message.relay_id).await?;
    if args.journal.json {
        let entries: Vec<Value> = history.iter().map(entry_json).collect();
        println!("{}", json!({ "message": as_json(message), "history": entries }));
        return Ok(());
    }
    let (relay_id, mailbox) = (message.relay_id.to_string(), message.mailbox.to_string());
    let message_id = message.message_id.as_ref().map(ToString::to_string).unwrap_or_default();
    let length = message.length.map(|length| format!("{length} bytes")).unwrap_or_default();
    let settled = message.settled_at.map(time).unwrap_or_default();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let lines = facts(&[
        ("relay id", &relay_id),
        ("MESH id", &message_id),
        ("direction", message.direction.as_str()),
        ("state", &message.state),
        ("mailbox", &mailbox),
        ("partner", &text(&message.partner)),
        ("workflow", &text(&message.workflow)),
        ("local id", &text(&message.local_id)),
        ("file name", &text(&message.file_name)),
        ("length", &length),
        ("adapter", &text(&message.adapter)),
        ("settled", &settled),
    ]);
    println!("{lines}\n");
    let steps: Vec<Vec<String>> = history
        .iter()
        .map(|entry| {
            vec![time(entry.at), entry.state.clone(), plain(entry.note.as_deref().unwrap_or_default())]
        })
        .collect();
    println!("{}", table(&steps));
    Ok(())
}

async fn partners(records: &dyn Records, args: &PartnersArgs) -> Result<(), AskError> {
    let partners = records.partners(ago(args.since)).await?;
    if args.journal.json {
        println!("{}", json!({ "partners": partners.iter().map(partner_json).collect::<Vec<_>>() }));
        return Ok(());
    }
    let heads = [
        "DIRECTION",
        "MAILBOX",
        "PARTNER",
        "WORKFLOW",
        "MESSAGES",
        "NOT COLLECTED",
        "SINCE",
        "FAILED",
        "LAST",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(partners.iter().map(|partner| {
        vec![
            partner.direction.as_str().to_owned(),
            partner.mailbox.to_string(),
            plain(&partner.partner),
            plain(&partner.workflow),
            partner.messages.to_string(),
            partner.uncollected.to_string(),
            partner.uncollected_since.map_or_else(|| "-".to_owned(), time),
            partner.failed.to_string(),
            time(partner.last),
        ]
    }));
    println!("{}", table(&rows));
    Ok(())
}

async fn verify(records: &dyn Records, args: &JournalArgs) -> Result<(), AskError> {
    let report = records.verify().await?;
    let hex = |head: &[u8]| head.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    if args.json {
        let chains: Vec<Value> = report
            .chains
            .iter()
            .map(|chain| {
                json!({
                    "chain": chain.chain, "links": chain.links, "last": chain.last, "head": hex(&chain.head),
                    "fault": chain.fault,
                })
            })
            .collect();
        println!("{}", json!({ "sound": report.is_sound(), "chains": chains, "faults": report.faults }));
    } else {
        for chain in &report.chains {
            println!("chain {}: {} links, the last is number {}", chain.chain, chain.links, chain.last);
            println!("head {}", hex(&chain.head));
            if let Some(fault) = &chain.fault {
                println!("fault: {fault}");
            }
        }
        for fault in &report.faults {
            println!("fault: {fault}");
        }
    }
    if report.is_sound() { Ok(()) } else { Err(AskError::Unsound) }
}

fn as_json(message: &MessageSummary) -> Value {
    json!({
        "direction": message.direction.as_str(),
        "relay_id": message.relay_id.to_string(),
        "message_id": message.message_id,
        "mailbox": message.mailbox.as_str(),
        "partner": message.partner,
        "workflow": message.workflow,
        "local_id": message.local_id,
        "file_name": message.file_name,
        "length": message.length,
        "adapter": message.adapter,
        "state": message.state,
        "received_at": message.received_at,
        "updated_at": message.updated_at,
        "settled_at": message.settled_at,
    })
}

fn entry_json(entry: &HistoryEntry) -> Value {
    // What is stored as JSON is shown as JSON.
    let evidence = serde_json::from_str(&entry.evidence).unwrap_or(Value::Null);
    json!({
        "sequence": entry.sequence, "at": entry.at, "state": entry.state, "evidence": evidence, "note": entry.note,
    })
}

fn partner_json(partner: &Partner) -> Value {
    json!({
        "direction": partner.direction.as_str(),
        "mailbox": partner.mailbox.as_str(),
        "partner": partner.partner,
        "workflow": partner.workflow,
        "messages": partner.messages,
        "uncollected": partner.uncollected,
        "uncollected_since": partner.uncollected_since,
        "failed": partner.failed,
        "last": partner.last,
    })
}
