//! MESH by hand: one message sent, looked for, fetched or acknowledged from the command line, without a journal.
//!
//! | subject | where |
//! |---|---|
//! | which mailbox, where, with which secrets | `connect` |
//! | `send` | `send`, with the bytes from `source` |
//! | `get`, `ack` | `receive`, with files put down by `place` |
//! | `inbox`, `track`, `lookup` | `ask` |
//! | how a command fails | `failure` |
//! | how an answer is shown | `show`, `progress` |

mod ask;
mod connect;
mod failure;
mod place;
mod progress;
mod receive;
mod send;
pub(crate) mod show;
mod source;

use std::process::ExitCode;

use clap::Subcommand;

use self::failure::{End, Failure};
use crate::cli::EXIT_OK;
use crate::stop;

/// Shown under the help of each command.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  wrong command line or configuration; nothing was begun
  3  unknown whether it took effect
  4  refused for good
  5  MESH refuses the credentials, or one side the other's certificate
  6  no such message, or no longer available";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send a file and print the message id
    #[command(
        after_help = EXIT_CODES,
        override_usage = "mesh-relay send [OPTIONS] --workflow <WORKFLOW> <TO> <FILE|->\n       \
                          mesh-relay send [OPTIONS] --workflow <WORKFLOW> --nhs-number <NUMBER> --born <DATE> \
                          --surname <NAME> <FILE|->"
    )]
    Send(Box<send::SendArgs>),
    /// List the inbox: ids, one a line, oldest first
    #[command(after_help = EXIT_CODES)]
    Inbox(ask::InboxArgs),
    /// Download a message, or all of them
    #[command(after_help = EXIT_CODES)]
    Get(receive::GetArgs),
    /// Acknowledge messages: MESH forgets them
    #[command(after_help = EXIT_CODES)]
    Ack(receive::AckArgs),
    /// Ask where a sent message is
    #[command(after_help = EXIT_CODES)]
    Track(ask::TrackArgs),
    /// Ask which mailboxes receive a workflow
    #[command(
        after_help = EXIT_CODES,
        override_usage = "mesh-relay lookup [OPTIONS] <ODS> <WORKFLOW>\n       \
                          mesh-relay lookup [OPTIONS] --workflow <WORKFLOW>"
    )]
    Lookup(ask::LookupArgs),
}

impl Command {
    /// Whether the answer is asked for as JSON.
    pub fn json(&self) -> bool {
        match self {
            Self::Send(args) => args.connect.json,
            Self::Inbox(args) => args.connect.json,
            Self::Get(args) => args.connect.json,
            Self::Ack(args) => args.connect.json,
            Self::Track(args) => args.connect.json,
            Self::Lookup(args) => args.connect.json,
        }
    }
}

/// Runs a command and says how it ended.
pub async fn run(command: Command) -> ExitCode {
    let json = command.json();
    let outcome = match command {
        // Stopping it leaves a doubt, which it has to tell itself.
        Command::Send(args) => send::run(&args).await,
        Command::Inbox(args) => or_stopped(ask::inbox(&args)).await,
        Command::Get(args) => or_stopped(receive::get(&args)).await,
        Command::Ack(args) => or_stopped(receive::ack(&args)).await,
        Command::Track(args) => or_stopped(ask::track(&args)).await,
        Command::Lookup(args) => or_stopped(ask::lookup(&args)).await,
    };
    match outcome {
        Ok(()) => ExitCode::from(EXIT_OK),
        Err(failure) => {
            failure.tell(json);
            ExitCode::from(failure.end().code())
        }
    }
}

/// Ends a command when the process is told to stop, so that a file that is not whole yet is removed.
async fn or_stopped(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::select! {
        outcome = work => outcome,
        heard = stop::asked() => Err(stopped(heard)),
    }
}

fn stopped(heard: std::io::Result<()>) -> Failure {
    match heard {
        Ok(()) => Failure::new(End::Failed, "stopped before it was done; run it again"),
        Err(error) => Failure::new(End::Failed, format!("signals cannot be heard: {error}")),
    }
}
