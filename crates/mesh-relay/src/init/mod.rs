//! `mesh-relay init`: a few questions, and a configuration that works.
//!
//! Every question has an option of the same meaning, so that it runs unattended as well. An answer is read by the type that the
//! configuration has for it, and the whole is loaded as `check` loads it before anything is written.
//!
//! | subject | where |
//! |---|---|
//! | what is asked, in which order | `answers` |
//! | asking, or collecting what was not said | `ask` |
//! | the answers as the text of a configuration | `text` |
//! | files: the configuration, secrets, folders | `place` |

mod answers;
mod ask;
mod place;
mod text;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use mesh_api::MailboxId;
use relay_config::Environment;
use thiserror::Error;

use crate::cli::{EXIT_FAILED, EXIT_OK, EXIT_USAGE};

use answers::{Answers, Proxy, Webhook};
use ask::{AskError, Asker};
use place::PlaceError;

/// What whoever reads the help must know.
pub const HELP: &str = "\
Three shapes: dts-shim, folders with control files in place of the DTS or Java MESH client; queue-bridge, queues of RabbitMQ or \
topics of Kafka; sidecar, HTTP beside an integration engine, which hands messages in and gets others by a webhook.\n\n\
What no option says is asked, secrets without being shown. With --yes, or without a terminal, nothing is asked: what has a \
usual answer gets that, and the options that are missing are listed. Secrets that are typed or made go into files beside the \
configuration, for their owner alone; a --…-file stays where it is. Nothing is overwritten without --force. From a \
meshclient.cfg, `mesh-relay import` makes a configuration.\n\n\
Exit codes: 0 written, 1 not written, 2 answers are missing or cannot be.";

/// The old client's configuration, which `import` reads.
const MESHCLIENT_CFG: &str = "meshclient.cfg";

/// What the configuration is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// Folders with control files, in place of the DTS or Java MESH client
    DtsShim,
    /// Queues of RabbitMQ, or topics of Kafka
    QueueBridge,
    /// HTTP beside an integration engine
    Sidecar,
}

/// Which broker a bridge leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BrokerKind {
    /// RabbitMQ
    Amqp,
    /// Apache Kafka
    Kafka,
}

/// What the command takes: the answers, each by an option.
#[derive(Debug, Default, Args)]
pub struct InitArgs {
    /// What the configuration is for
    #[arg(long, value_enum)]
    shape: Option<Shape>,
    /// The configuration file to write
    #[arg(long, value_name = "FILE", default_value = "mesh-relay.toml")]
    config: PathBuf,
    /// Ask nothing, and take the usual answer where there is one
    #[arg(long)]
    yes: bool,
    /// Replace a configuration and secrets that are there
    #[arg(long)]
    force: bool,
    /// sandbox, integration, live, or the address of a MESH server
    #[arg(long, value_name = "NAME|URL", value_parser = answers::environment)]
    environment: Option<Environment>,
    /// The mailbox
    #[arg(long, value_name = "ID")]
    mailbox: Option<MailboxId>,
    /// A file with the mailbox's password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// A file with the shared key of the environment
    #[arg(long, value_name = "FILE")]
    shared_key_file: Option<PathBuf>,
    /// The certificates to trust at MESH (PEM)
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// The client certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with = "keystore")]
    cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Certificate and key in one store (Java keystore or PKCS#12)
    #[arg(long, value_name = "FILE")]
    keystore: Option<PathBuf>,
    /// A file with what opens the keystore
    #[arg(long, value_name = "FILE", requires = "keystore")]
    keystore_password_file: Option<PathBuf>,
    /// The HTTP proxy on the way to MESH, as http://host:port
    #[arg(long, value_name = "URL")]
    proxy: Option<Proxy>,
    /// The journal's file
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// dts-shim: the folder that holds IN, OUT, SENT, FAILED and TEMP
    #[arg(long, value_name = "FOLDER")]
    root: Option<PathBuf>,
    /// dts-shim: make these folders
    #[arg(long)]
    make_folders: bool,
    /// queue-bridge: which broker
    #[arg(long, value_enum)]
    broker: Option<BrokerKind>,
    /// queue-bridge to RabbitMQ: a file with its URL, amqps://user:password@host:5671/vhost
    #[arg(long, value_name = "FILE")]
    broker_url_file: Option<PathBuf>,
    /// queue-bridge to Kafka: its brokers, host:port, separated by commas
    #[arg(long, value_name = "HOSTS")]
    brokers: Option<String>,
    /// queue-bridge: the certificates to trust at the broker; for RabbitMQ needed with amqps, for Kafka it means TLS
    #[arg(long, value_name = "FILE")]
    broker_roots: Option<PathBuf>,
    /// queue-bridge to Kafka: the user (SCRAM-SHA-512)
    #[arg(long, value_name = "USER", requires = "broker_password_file")]
    broker_user: Option<String>,
    /// queue-bridge to Kafka: a file with the user's password
    #[arg(long, value_name = "FILE", requires = "broker_user")]
    broker_password_file: Option<PathBuf>,
    /// queue-bridge: the queue or topic with messages for MESH
    #[arg(long, value_name = "NAME")]
    outbound: Option<String>,
    /// queue-bridge: the exchange (with a queue of its name) or topic for messages from MESH
    #[arg(long, value_name = "NAME")]
    inbound: Option<String>,
    /// queue-bridge: the exchange or topic for messages that can never be sent
    #[arg(long, value_name = "NAME")]
    parked: Option<String>,
    /// queue-bridge: have the relay make queues, exchanges and topics that are missing
    #[arg(long)]
    declare: bool,
    /// sidecar: where messages from MESH are posted
    #[arg(long, value_name = "URL")]
    webhook: Option<Webhook>,
    /// sidecar: the certificates to trust at a webhook that is https
    #[arg(long, value_name = "FILE")]
    webhook_roots: Option<PathBuf>,
    /// sidecar: where the relay listens
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<std::net::SocketAddr>,
}

/// Why nothing was written.
#[derive(Debug, Error)]
enum InitError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Place(#[from] PlaceError),
}

/// Asks, and writes.
pub fn run(args: InitArgs) -> ExitCode {
    match init(args) {
        Ok(()) => ExitCode::from(EXIT_OK),
        Err(error) => {
            eprintln!("error: {error}");
            let is_answer = matches!(
                error,
                InitError::Ask(AskError::Missing { .. } | AskError::Unfit { .. })
                    | InitError::Place(PlaceError::Faults(_))
            );
            ExitCode::from(if is_answer { EXIT_USAGE } else { EXIT_FAILED })
        }
    }
}

fn init(args: InitArgs) -> Result<(), InitError> {
    let config = args.config.clone();
    let (make_folders, force) = (args.make_folders, args.force);
    // Before anything is asked.
    place::refuse_to_overwrite(&config, force)?;
    for old in old_clients(&config) {
        let old = old.display();
        eprintln!(
            "{old} is there: `mesh-relay import --meshclient-cfg {old}` makes a configuration of all that it says"
        );
    }
    let is_attended = !args.yes && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let mut asker = Asker::new(is_attended);
    let mut answers = Answers::ask(args, &mut asker)?;
    let folders = answers.folders(&config);
    let make_folders = make_folders || (!folders.is_empty() && asker.agree("Make the folders now?")?);
    let text = text::of(&answers);
    let written = place::write(&config, text, std::mem::take(&mut answers.secrets), force)?;
    if make_folders {
        place::make_folders(&folders)?;
    }
    let shown = config.display();
    println!("wrote {shown}");
    for path in written {
        println!("wrote {} (a secret, for its owner alone)", path.display());
    }
    println!("\nnext:\n  mesh-relay doctor --config {shown}\n  mesh-relay run --config {shown}");
    Ok(())
}

/// Configurations of the Java client where this one is to stand, or here.
fn old_clients(config: &Path) -> Vec<PathBuf> {
    let beside = config.with_file_name(MESHCLIENT_CFG);
    let here = PathBuf::from(MESHCLIENT_CFG);
    let mut found: Vec<PathBuf> = [beside, here].into_iter().filter(|path| path.is_file()).collect();
    found.dedup();
    found
}
