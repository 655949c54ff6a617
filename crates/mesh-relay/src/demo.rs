//! `mesh-relay demo`: a real pair from one mailbox's OUT to another's IN, and a reply back, over an embedded
//! sandbox. The command plays the two old systems: it writes and reads files and knows nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use mesh_api::{IdError, MailboxId, SharedKey};
use mesh_client::{BreakerConfig, Client, ClientConfig, ClientConfigError, Timeouts, TlsConfig};
use mesh_sandbox::{Sandbox, SandboxConfig, SandboxError};
use relay_config::{Imprint, ReloadSection};
use relay_core::{ReceivePolicy, Router, SendPolicy};
use secrecy::SecretString;
use thiserror::Error;
use tokio::time::{Instant, timeout};

use crate::adapters::AdapterConfig;
use crate::alerts::AlertSettings;
use crate::console::ConsoleSettings;
use crate::journal::JournalSettings;
use crate::relay::{Relay, RelayError, StartError};
use crate::settings::{AdapterSettings, Fixed, MailboxSettings, Settings, application};
use crate::telemetry::Reporting;
use crate::{stop, system};

/// Stock mailboxes of the sandbox, and the password of each (`mesh-api.md` 11.2).
const LABORATORY: &str = "X26ABC1";
const SURGERY: &str = "X26ABC2";
const PASSWORD: &str = "password";
const SHARED_KEY: &str = "TestKey";

/// Longest wait for a file that should come.
const ARRIVAL_MAX: Duration = Duration::from_secs(30);
/// Pause between two looks into a folder, as an old system does it.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The extensions of the file interface.
const CONTROL: &str = "ctl";
const DATA: &str = "dat";

/// What the command takes.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Stay up afterwards, for trying things by hand, until interrupted
    #[arg(long)]
    keep: bool,
}

/// Why the demonstration did not come to its end.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The scratch folder does not do.
    #[error("scratch folder: {0}")]
    Scratch(#[from] io::Error),
    /// The sandbox does not start.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The client cannot be made from our own settings.
    #[error(transparent)]
    Client(#[from] ClientConfigError),
    /// The relay does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The relay ended with an error.
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// A mailbox id of our own is wrong.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A file did not come.
    #[error("no control file came to {folder} within {ARRIVAL_MAX:?}; run again with MESH_RELAY_LOG=debug", folder = folder.display())]
    Missing {
        /// Where it was expected.
        folder: PathBuf,
    },
    /// What came is not what was sent.
    #[error("the data that came to {file} is not what was sent", file = file.display())]
    Different {
        /// The file.
        file: PathBuf,
    },
}

/// Runs the demonstration.
///
/// # Errors
/// What kept a pair from arriving.
pub async fn run(args: DemoArgs) -> Result<(), DemoError> {
    let scratch = tempfile::Builder::new().prefix("mesh-relay-demo-").tempdir()?;
    let root = scratch.path();
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await?;
    println!("MESH      an embedded sandbox answers at {}", sandbox.base_url());
    println!("Folders   {} (laboratory), {} (surgery), both under {}", LABORATORY, SURGERY, root.display());
    let token = uuid::Uuid::new_v4().to_string();
    let relay = Relay::start(settings(&sandbox, root, &token)?).await?;
    println!("Relay     runs with one DTS folder adapter for each mailbox");
    if let Some(address) = relay.console() {
        println!("Console   http://{address}/\n");
    }

    let (laboratory, surgery) = (root.join(LABORATORY), root.join(SURGERY));
    // Larger than one chunk, so that splitting, compressing and joining are seen to work.
    let result: Vec<u8> = (0..4_000)
        .flat_map(|line: u32| {
            format!("OBX|{line}|NM|DEMO^Invented value||{}|mmol/L\r\n", line % 97).into_bytes()
        })
        .collect();
    carry("result", (LABORATORY, &laboratory), (SURGERY, &surgery), &result).await?;
    println!();
    carry("reply", (SURGERY, &surgery), (LABORATORY, &laboratory), b"MSA|AA|Invented reply\r\n").await?;

    if args.keep {
        println!("\nStays up until interrupted. Put pairs in {}", laboratory.join("OUT").display());
        println!("To act in the console, sign in with the token {token}");
        stop::asked().await?;
    }
    relay.stop().await?;
    sandbox.shutdown().await;
    println!("\nBoth arrived byte for byte.");
    Ok(())
}

fn settings(sandbox: &Sandbox, root: &Path, token: &str) -> Result<Settings, DemoError> {
    let mut mailboxes = Vec::new();
    let (mut adapters, mut receivers) = (Vec::new(), Vec::new());
    for (name, mailbox) in [("laboratory", LABORATORY), ("surgery", SURGERY)] {
        let id: MailboxId = mailbox.parse()?;
        mailboxes.push(MailboxSettings {
            id: id.clone(),
            password: SecretString::from(PASSWORD),
            receive: ReceivePolicy { poll_every: Duration::from_millis(200), ..ReceivePolicy::default() },
            imprint: Imprint::default(),
        });
        let config = dts_folder::Config {
            grace: SignedDuration::from_millis(300),
            scan: SignedDuration::from_secs(1),
            ..dts_folder::Config::new(id.clone(), root.join(mailbox))
        };
        receivers.push((id, name.to_owned()));
        let (name, config) = (name.to_owned(), AdapterConfig::DtsFolder(config));
        adapters.push(AdapterSettings { name, config, imprint: Imprint::default() });
    }
    let client = Client::new(ClientConfig {
        base_url: sandbox.base_url(),
        shared_key: SharedKey::new(SHARED_KEY),
        tls: TlsConfig::default(),
        proxy: None,
        timeouts: Timeouts::default(),
        breaker: BreakerConfig::default(),
        expanded_bytes_max: mesh_client::EXPANDED_BYTES_MAX,
        application: application(),
        now: system::now,
    })?;
    Ok(Settings {
        reporting: Reporting::default(),
        mesh_url: sandbox.base_url(),
        client,
        identity: None,
        notes: Vec::new(),
        mailboxes,
        journal: JournalSettings::File(root.join("journal.db")),
        keep: relay_config::KEEP,
        transfer_log: None,
        transfer_names: dts_folder::Names::default(),
        stop_signal: None,
        send: SendPolicy { chunk_bytes: 50_000, ..SendPolicy::default() },
        adapters,
        router: Arc::new(Router::new(Vec::new(), receivers)),
        console: Some(ConsoleSettings::on_loopback("demo", SecretString::from(token))),
        identity_look: relay_config::IDENTITY_LOOK,
        mesh_imprint: Imprint::default(),
        fixed: Fixed::default(),
        reload: ReloadSection::default(),
        files: BTreeSet::new(),
        drain: relay_config::DRAIN,
        alerts: AlertSettings::default(),
    })
}

/// Plays both old systems for one message, and tells the way it took.
async fn carry(
    what: &str,
    (sender, from): (&str, &Path),
    (recipient, to): (&str, &Path),
    data: &[u8],
) -> Result<(), DemoError> {
    let started = Instant::now();
    let step = |text: String| println!("{:>7.0} ms  {text}", started.elapsed().as_secs_f64() * 1000.0);
    let out = from.join("OUT");
    let control = format!(
        "<DTSControl>\n<Version>1.0</Version>\n<AddressType>DTS</AddressType>\n<MessageType>Data</MessageType>\n\
         <WorkflowId>TEST_WORKFLOW</WorkflowId>\n<To_DTS>{recipient}</To_DTS>\n<From_DTS>{sender}</From_DTS>\n\
         <LocalId>demo-{what}</LocalId>\n<Compress>Y</Compress>\n<AllowChunking>Y</AllowChunking>\n</DTSControl>\n"
    );
    #[expect(clippy::disallowed_methods, reason = "an old system writes its files like this")]
    {
        fs::write(out.join(format!("{what}.{DATA}")), data)?;
        fs::write(out.join(format!("{what}.{CONTROL}")), control)?;
    }
    step(format!("{what}.dat ({} bytes) and {what}.ctl written to {sender}/OUT", data.len()));
    let sent = arrival(&from.join("SENT")).await?;
    step(format!("MESH accepted it as {}; the pair is in {sender}/SENT", element(&sent, "DTSId")?));
    let received = arrival(&to.join("IN")).await?;
    let file = received.with_extension(DATA);
    if fs::read(&file)? != data {
        return Err(DemoError::Different { file });
    }
    let name = received.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    step(format!("{name}.dat and .ctl arrived in {recipient}/IN, byte for byte"));
    Ok(())
}

/// Waits for the first control file in a folder.
async fn arrival(folder: &Path) -> Result<PathBuf, DemoError> {
    let look = async {
        loop {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == CONTROL) {
                    return io::Result::Ok(path);
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    match timeout(ARRIVAL_MAX, look).await {
        Ok(found) => Ok(found?),
        Err(_) => Err(DemoError::Missing { folder: folder.to_owned() }),
    }
}

/// The text of an element, found as a simple reader finds it.
fn element(control: &Path, name: &str) -> Result<String, DemoError> {
    let text = fs::read_to_string(control)?;
    let value = text.split(&format!("<{name}>")).nth(1).and_then(|rest| rest.split("</").next());
    Ok(value.unwrap_or_default().to_owned())
}
