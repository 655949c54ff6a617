//! `mesh-relay sandbox`: the MESH server alone.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use mesh_api::SharedKey;
use mesh_sandbox::{
    ClientCertificates, Clock, Directory, DirectoryError, FaultScript, FaultScriptError, Rule, Rules,
    Sandbox, SandboxConfig, SandboxError, StoreKind, Tls, UnknownRule,
};
use thiserror::Error;

use crate::{stop, system};

/// What the command takes.
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Where to listen; plain HTTP on loopback only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8700")]
    pub listen: SocketAddr,
    /// Serve TLS with a certificate made at start
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    pub tls: bool,
    /// Write the root certificate made at start to this file, for clients to trust
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub tls_root_out: Option<PathBuf>,
    /// Serve TLS with this certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Require client certificates signed by these authorities (PEM)
    #[arg(long, value_name = "FILE")]
    pub client_ca: Option<PathBuf>,
    /// Ask for a client certificate, and let callers without one in
    #[arg(long, requires = "client_ca")]
    pub client_cert_optional: bool,
    /// Where messages are kept: `memory`, `canned` (three that are always there), or a folder that survives
    /// restarts
    #[arg(long, value_name = "memory|canned|DIR", default_value = "memory")]
    pub store: Store,
    /// The key that all mailboxes share
    #[arg(long, value_name = "KEY", default_value = "TestKey")]
    pub shared_key: String,
    /// Mailboxes, one JSON object a line as the official emulator has them, in place of the stock ones
    #[arg(long, value_name = "FILE")]
    pub mailboxes: Option<PathBuf>,
    /// Workflows, in the same way
    #[arg(long, value_name = "FILE", requires = "mailboxes")]
    pub workflows: Option<PathBuf>,
    /// Patients for routing addresses, one JSON object a line, in place of the stock ones
    #[arg(long, value_name = "FILE")]
    pub patients: Option<PathBuf>,
    /// Whose behaviour to show
    #[arg(long, value_enum, default_value_t = Profile::Official)]
    pub profile: Profile,
    /// Switch one of live's rules, such as `token-replay=off`; may stand several times
    #[arg(long = "rule", value_name = "NAME=on|off")]
    pub rules: Vec<Switch>,
    /// What goes wrong on purpose: a script in TOML
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// How callers are authorised
    #[arg(long, value_enum, default_value_t = Auth::Full)]
    pub auth: Auth,
}

/// Where messages are kept.
#[derive(Debug, Clone)]
pub struct Store(StoreKind);

impl FromStr for Store {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(match text {
            "memory" => StoreKind::Memory,
            "canned" => StoreKind::Canned,
            folder => StoreKind::Folder(PathBuf::from(folder)),
        }))
    }
}

/// One rule, on or off.
#[derive(Debug, Clone)]
pub struct Switch {
    rule: Rule,
    on: bool,
}

/// Why a switch of a rule cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SwitchError {
    /// There is no `=on` or `=off`.
    #[error("write a rule's name and `=on` or `=off`, such as `token-replay=off`")]
    Form,
    /// No rule has this name.
    #[error(transparent)]
    Unknown(#[from] UnknownRule),
}

impl FromStr for Switch {
    type Err = SwitchError;

    fn from_str(text: &str) -> Result<Self, SwitchError> {
        let (name, state) = text.split_once('=').ok_or(SwitchError::Form)?;
        let on = match state {
            "on" => true,
            "off" => false,
            _ => return Err(SwitchError::Form),
        };
        Ok(Self { rule: name.parse()?, on })
    }
}

/// Whose behaviour the sandbox shows.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Profile {
    /// As the official emulator answers
    Official,
    /// With the rules of live MESH that the official emulator lets slip
    Strict,
}

/// How callers are authorised.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Auth {
    /// The token is checked against password and shared key
    Full,
    /// The nonce VALID is let in
    Canned,
    /// Everybody is let in
    None,
}

/// Why the sandbox does not run.
#[derive(Debug, Error)]
pub enum SandboxCommandError {
    /// A file given on the command line cannot be read.
    #[error("{option} {path}: {source}; name a file that can be read", path = path.display())]
    File {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The root certificate cannot be written.
    #[error("--tls-root-out {path}: {source}", path = path.display())]
    RootOut {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A client certificate is asked for without TLS.
    #[error("--client-ca needs TLS; add --tls, or --tls-cert and --tls-key")]
    ClientCaWithoutTls,
    /// The fault script is wrong.
    #[error("--faults {path}: {source}", path = path.display())]
    Faults {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: FaultScriptError,
    },
    /// A mailbox, workflow or patient file is wrong.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// It does not start.
    #[error(transparent)]
    Start(#[from] SandboxError),
    /// Signals cannot be heard.
    #[error("signals cannot be heard: {0}")]
    Signals(io::Error),
}

/// Serves until the process is told to stop.
///
/// # Errors
/// What keeps it from serving.
pub async fn run(args: SandboxArgs) -> Result<(), SandboxCommandError> {
    let client = args.client_ca.as_ref().map(|path| read("--client-ca", path)).transpose()?;
    let client =
        client.map(|authorities| ClientCertificates { authorities, required: !args.client_cert_optional });
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => {
            Tls::Given { certificate: read("--tls-cert", certificate)?, key: read("--tls-key", key)?, client }
        }
        _ if args.tls => Tls::SelfMade { client },
        _ if client.is_some() => return Err(SandboxCommandError::ClientCaWithoutTls),
        _ => Tls::Plain,
    };
    let mut directory = match &args.mailboxes {
        Some(mailboxes) => {
            let workflows = args.workflows.as_ref().map(|path| read("--workflows", path)).transpose()?;
            Directory::from_jsonl(&read("--mailboxes", mailboxes)?, workflows.as_deref())?
        }
        None => Directory::stock(),
    };
    if let Some(patients) = &args.patients {
        directory = directory.with_patients(&read("--patients", patients)?)?;
    }
    let faults = match &args.faults {
        Some(path) => FaultScript::from_toml(&read("--faults", path)?)
            .map_err(|source| SandboxCommandError::Faults { path: path.clone(), source })?,
        None => FaultScript::default(),
    };
    let rules = match args.profile {
        Profile::Official => Rules::official(),
        Profile::Strict => Rules::strict(),
    };
    for switch in &args.rules {
        rules.switch(switch.rule, switch.on);
    }
    let config = SandboxConfig {
        listen: args.listen,
        shared_key: SharedKey::new(args.shared_key),
        auth: match args.auth {
            Auth::Full => mesh_sandbox::Auth::Full,
            Auth::Canned => mesh_sandbox::Auth::Canned,
            Auth::None => mesh_sandbox::Auth::None,
        },
        directory,
        store: args.store.0,
        rules,
        faults,
        tls,
        clock: Clock::new(system::now),
    };
    let sandbox = Sandbox::start(config).await?;
    if let (Some(path), Some(root)) = (args.tls_root_out, sandbox.root_certificate()) {
        #[expect(
            clippy::disallowed_methods,
            reason = "a certificate made at start is worth nothing after a crash"
        )]
        fs::write(&path, root).map_err(|source| SandboxCommandError::RootOut { path, source })?;
    }
    println!("MESH sandbox at {} (health: {}/health)", sandbox.base_url(), sandbox.base_url());
    stop::asked().await.map_err(SandboxCommandError::Signals)?;
    sandbox.shutdown().await;
    Ok(())
}

fn read(option: &'static str, path: &PathBuf) -> Result<String, SandboxCommandError> {
    fs::read_to_string(path).map_err(|source| SandboxCommandError::File {
        option,
        path: path.clone(),
        source,
    })
}
