//! `mesh-relay shadow`: beside the old client, what the relay would have written and where that differs. Files are only
//! read; no journal and no connection is opened. What is printed names files, because that is what was asked for, and no
//! value that may be private.

mod follow;
mod show;
mod summary;

use std::collections::{HashMap, HashSet};
use std::io::{self, BufWriter, Stdout, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use dts_folder::Config;
use dts_folder::shadow::{Judged, ListError, Place, Places, Shadow, Verdict};
use mesh_api::MailboxId;
use relay_config::Faults;
use thiserror::Error;

use crate::adapters::AdapterConfig;
use crate::cli::{EXIT_FAILED, EXIT_OK, EXIT_USAGE, RunArgs};
use crate::hand::show::plain;
use crate::java_client::StandIn;
use crate::{settings, system};
use summary::Summary;

/// What whoever uses it must know.
pub const HELP: &str = "\
Reads the control files in SENT, IN and FAILED of each mailbox's root, or copies of these folders, and compares each with the \
one that the relay would have written for the same message with the same id and time. Nothing is written and nothing is sent, \
so the old client goes on beside it. Differences in values are what an application can see that reads elements by name; \
everything else is layout.\n\n\
With --json there is a line for each file and one for the summary. Of a file: type \"file\", mailbox, folder, file, kind (data, \
report or null), event, status and code of a report; verdict: same, layout, value, refused, not_written, untold, \
not_derivable, unreadable, unopened, unfinished; differs: whether an application can see it; values: a list of element, how, \
theirs, ours (texts of elements that are never private, lengths of others); layout; notes; reason in words. Of the \
summary: type \"summary\", the counts, rows by folder and kind, and kinds of differences with their examples.\n\n\
Exit code 0: no difference in values; 1: differences; 2: wrong command line or configuration, or nothing to read.";

/// Files that are named for each kind of difference unless asked for more.
const EXAMPLES: usize = 3;
/// Most that can be asked for.
const EXAMPLES_MAX: i64 = 1000;

/// What the command takes.
#[derive(Debug, Args)]
pub struct ShadowArgs {
    #[command(flatten)]
    which: RunArgs,
    /// A copy of SENT, in place of the folders under the mailbox's root
    #[arg(long, value_name = "DIR")]
    sent: Option<PathBuf>,
    /// A copy of IN
    #[arg(long = "in", value_name = "DIR")]
    inbox: Option<PathBuf>,
    /// A copy of FAILED
    #[arg(long, value_name = "DIR")]
    failed: Option<PathBuf>,
    /// Only this mailbox; whose the copies are, when there are several
    #[arg(long, value_name = "ID")]
    mailbox: Option<MailboxId>,
    /// Go on with new files until stopped, then sum up
    #[arg(long)]
    follow: bool,
    /// Print one JSON document a line: one for each file, then the summary
    #[arg(long)]
    json: bool,
    /// Files that are named for each kind of difference
    #[arg(long, value_name = "N", default_value_t = EXAMPLES as i64, value_parser = clap::value_parser!(i64).range(0..=EXAMPLES_MAX))]
    examples: i64,
}

/// Why nothing can be compared, or not to the end.
#[derive(Debug, Error)]
enum ShadowError {
    #[error("{0}")]
    Configuration(Faults),
    #[error("mailbox {0} has no DTS folder in this configuration")]
    NoMailbox(MailboxId),
    #[error("there is no DTS folder in this configuration")]
    NoAdapter,
    #[error("there are several mailboxes; say whose the copies are with --mailbox")]
    WhoseCopies,
    #[error(
        "{path}: there is no SENT, IN or FAILED; correct `root`, or name copies with --sent, --in, --failed"
    )]
    NoFolders { path: String },
    #[error(
        "folder {path} cannot be listed: {source}; correct `root`, or give this account the right to read it"
    )]
    Root { path: String, source: io::Error },
    #[error(transparent)]
    List(#[from] ListError),
    #[error("stdout cannot be written: {0}")]
    Stdout(io::Error),
    #[error("signals cannot be heard: {0}")]
    Signals(io::Error),
    #[error("the work broke off")]
    BrokeOff,
}

impl ShadowError {
    fn code(&self) -> u8 {
        match self {
            Self::Stdout(_) | Self::Signals(_) | Self::BrokeOff => EXIT_FAILED,
            _ => EXIT_USAGE,
        }
    }
}

/// Runs the command and says how it ended.
pub async fn run(args: ShadowArgs) -> ExitCode {
    match compare(args).await {
        Ok(true) => ExitCode::from(EXIT_FAILED),
        Ok(false) => ExitCode::from(EXIT_OK),
        Err(error) => {
            match &error {
                // They begin with a word of their own.
                ShadowError::Configuration(faults) => eprintln!("{faults}"),
                error => eprintln!("error: {error}"),
            }
            ExitCode::from(error.code())
        }
    }
}

/// Compares and says whether there are differences.
async fn compare(args: ShadowArgs) -> Result<bool, ShadowError> {
    let follow = args.follow;
    let view = blocking(move || {
        let mut view = View::open(&args)?;
        view.look(follow)?;
        Ok(view)
    })
    .await?;
    let view = if follow { follow::follow(view).await? } else { view };
    blocking(move || {
        let mut view = view;
        view.sum_up()?;
        Ok(view.summary.differs())
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ShadowError> + Send + 'static,
) -> Result<T, ShadowError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ShadowError::BrokeOff)?
}

/// All that is looked at, and what was seen.
struct View {
    shadows: Vec<Shadow>,
    summary: Summary,
    out: BufWriter<Stdout>,
    json: bool,
    /// Whether each difference is told at once.
    at_once: bool,
    /// What the first look told, where more looks follow: names by mailbox and folder.
    told: HashMap<(usize, Place), HashSet<String>>,
}

impl View {
    fn open(args: &ShadowArgs) -> Result<Self, ShadowError> {
        let configs = configs(args)?;
        let copies =
            Places { sent: args.sent.clone(), inbox: args.inbox.clone(), failed: args.failed.clone() };
        let has_copies = copies != Places::default();
        if has_copies && configs.len() > 1 {
            return Err(ShadowError::WhoseCopies);
        }
        let mut shadows = Vec::new();
        for config in configs {
            let places = if has_copies { copies.clone() } else { under_root(&config)? };
            shadows.push(Shadow::new(config, places)?);
        }
        let examples = usize::try_from(args.examples).unwrap_or(EXAMPLES);
        Ok(Self {
            shadows,
            summary: Summary::new(examples),
            out: BufWriter::new(io::stdout()),
            json: args.json,
            at_once: args.follow,
            told: HashMap::new(),
        })
    }

    /// Judges everything that is there. Where more looks `follow`, what is just being written is left to them.
    fn look(&mut self, follow: bool) -> Result<(), ShadowError> {
        for index in 0..self.shadows.len() {
            for place in Place::ALL {
                for name in self.shadows[index].names(place)? {
                    let Some(judged) = self.shadows[index].judge(place, &name, system::now()) else {
                        continue;
                    };
                    if follow && matches!(judged.verdict, Verdict::Unfinished) {
                        continue;
                    }
                    self.tell(index, place, &name, &judged)?;
                    if follow {
                        self.told.entry((index, place)).or_default().insert(name);
                    }
                }
            }
        }
        self.out.flush().map_err(ShadowError::Stdout)
    }

    /// Takes a file into the summary, and prints it if that is asked for.
    fn tell(&mut self, index: usize, place: Place, name: &str, judged: &Judged) -> Result<(), ShadowError> {
        let mailbox = self.shadows[index].config().mailbox.as_str();
        self.summary.add(mailbox, place, name, judged);
        let line = if self.json {
            show::document(mailbox, place, name, judged).to_string()
        } else if self.at_once && judged.differs() {
            show::line(mailbox, place, name, judged)
        } else {
            return Ok(());
        };
        writeln!(self.out, "{line}").map_err(ShadowError::Stdout)
    }

    fn sum_up(&mut self) -> Result<(), ShadowError> {
        let text = if self.json {
            self.summary.document().to_string()
        } else {
            let folders: Vec<_> = self.shadows.iter().map(show::looked_at).collect();
            format!("{}\n\n{}", folders.join("\n"), self.summary.text())
        };
        writeln!(self.out, "{text}").and_then(|()| self.out.flush()).map_err(ShadowError::Stdout)
    }
}

/// The DTS folders that are asked for.
fn configs(args: &ShadowArgs) -> Result<Vec<Config>, ShadowError> {
    let adapters = adapters(&args.which).map_err(ShadowError::Configuration)?;
    let folders = adapters.iter().filter_map(|(_, adapter)| adapter.dts_folder().cloned());
    let is_asked = |config: &Config| args.mailbox.as_ref().is_none_or(|mailbox| *mailbox == config.mailbox);
    let configs: Vec<_> = folders.filter(is_asked).collect();
    match (configs.is_empty(), &args.mailbox) {
        (false, _) => Ok(configs),
        (true, Some(mailbox)) => Err(ShadowError::NoMailbox(mailbox.clone())),
        (true, None) => Err(ShadowError::NoAdapter),
    }
}

fn adapters(which: &RunArgs) -> Result<Vec<(String, AdapterConfig)>, Faults> {
    match (&which.meshclient_cfg, &which.config) {
        (Some(path), _) => StandIn::read(path)?.adapters(),
        (None, Some(path)) => settings::adapters(path),
        // The command line asks for one of them.
        (None, None) => Err(Faults::new()),
    }
}

fn under_root(config: &Config) -> Result<Places, ShadowError> {
    let path = || plain(&config.root.display().to_string());
    let places = Places::under(&config.root).map_err(|source| ShadowError::Root { path: path(), source })?;
    if places == Places::default() {
        return Err(ShadowError::NoFolders { path: path() });
    }
    Ok(places)
}
