//! `mesh-relay sandbox`: the MESH server alone.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mesh_api::SharedKey;
use mesh_sandbox::{Directory, DirectoryError, Sandbox, SandboxConfig, SandboxError, Tls};
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
    /// Where messages are kept
    #[arg(long, value_enum, default_value_t = Store::Memory)]
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
    /// Whose behaviour to show
    #[arg(long, value_enum, default_value_t = Profile::Official)]
    pub profile: Profile,
}

/// Where messages are kept.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Store {
    /// In memory; gone when the sandbox stops
    Memory,
}

/// Whose behaviour the sandbox shows.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Profile {
    /// As the official emulator answers
    Official,
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
    /// A mailbox or workflow file is wrong.
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
    let (Store::Memory, Profile::Official) = (args.store, args.profile);
    let client_ca = args.client_ca.as_ref().map(|path| read("--client-ca", path)).transpose()?;
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Tls::Given {
            certificate: read("--tls-cert", certificate)?,
            key: read("--tls-key", key)?,
            client_ca,
        },
        _ if args.tls => Tls::SelfMade { client_ca },
        _ if client_ca.is_some() => return Err(SandboxCommandError::ClientCaWithoutTls),
        _ => Tls::Plain,
    };
    let directory = match &args.mailboxes {
        Some(mailboxes) => {
            let workflows = args.workflows.as_ref().map(|path| read("--workflows", path)).transpose()?;
            Directory::from_jsonl(&read("--mailboxes", mailboxes)?, workflows.as_deref())?
        }
        None => Directory::stock(),
    };
    let config = SandboxConfig {
        listen: args.listen,
        shared_key: SharedKey::new(args.shared_key),
        directory,
        tls,
        now: system::now,
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
