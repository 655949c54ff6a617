//! Which mailbox of which MESH, and with which secrets: from the relay's own configuration, or from flags and the
//! environment. Secrets never stand on the command line, where every user of the machine could read them.

use std::path::{Path, PathBuf};

use clap::Args;
use keystore::{IdentityFiles, Passphrase, read_authorities};
use mesh_api::chunk::CHUNK_BYTES_DEFAULT;
use mesh_api::{MailboxId, SharedKey};
use mesh_client::{
    BreakerConfig, Client, ClientConfig, Mailbox, Proxy, RootCertificate, Timeouts, TlsConfig,
};
use relay_config::{Faults, SecretError, SecretRef, Secrets};
use secrecy::SecretString;

use super::failure::Failure;
use crate::adapters::SECRET;
use crate::identity::{IdentityError, IdentityWatch, Whose};
use crate::settings::{application, reach};
use crate::system;

/// Where `mesh-relay sandbox` listens unless told otherwise.
const SANDBOX_URL: &str = "http://127.0.0.1:8700";
/// The secrets of the sandbox's stock mailboxes (`mesh-api.md` 11.2). Used with plain http, which the client takes
/// for this machine only: nobody else is ever offered them.
const SANDBOX_PASSWORD: &str = "password";
const SANDBOX_SHARED_KEY: &str = "TestKey";
/// Names the variables that hold the secrets.
const PASSWORD_VARIABLE: &str = "MESH_MAILBOX_PASSWORD";
const SHARED_KEY_VARIABLE: &str = "MESH_SHARED_KEY";
const KEY_PASSWORD_VARIABLE: &str = "MESH_KEY_PASSWORD";

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(super) struct ConnectArgs {
    /// Connect as this configuration of the relay does
    #[arg(long, value_name = "FILE", conflicts_with_all = ["url", "password_file", "shared_key_file", "roots", "cert", "key", "keystore", "key_password_file", "proxy"])]
    config: Option<PathBuf>,
    /// Your mailbox; with --config, one of its mailboxes, by default the only one
    #[arg(long, value_name = "ID")]
    mailbox: Option<MailboxId>,
    /// Address of the MESH environment
    #[arg(long, value_name = "URL", default_value = SANDBOX_URL)]
    url: String,
    /// File with the mailbox's password, in place of the variable MESH_MAILBOX_PASSWORD [sandbox: its own]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// File with the environment's shared key, in place of the variable MESH_SHARED_KEY [sandbox: its own]
    #[arg(long, value_name = "FILE")]
    shared_key_file: Option<PathBuf>,
    /// Certificates to trust (PEM); needed with https
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// Your client certificate, then its issuers (PEM)
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Private key of the client certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Your client certificate with its key, in place of --cert and --key (PKCS#12 or JKS)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cert", "key"])]
    keystore: Option<PathBuf>,
    /// File with the password of keystore or key, in place of the variable MESH_KEY_PASSWORD
    #[arg(long, value_name = "FILE")]
    key_password_file: Option<PathBuf>,
    /// HTTP proxy to go through; one that asks for a login needs --config
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Answer with one JSON document; an error is one on stderr
    #[arg(long)]
    pub(super) json: bool,
}

/// A mailbox to call, and how large its chunks are unless the command line says otherwise.
pub(super) struct Connection {
    /// The mailbox.
    pub(super) mailbox: Mailbox,
    /// Size of a chunk in bytes.
    pub(super) chunk_bytes: u64,
}

impl ConnectArgs {
    /// Puts together what the calls need. Makes none.
    pub(super) fn open(&self) -> Result<Connection, Failure> {
        match &self.config {
            Some(path) => self.configured(path),
            None => self.given(),
        }
    }

    fn configured(&self, path: &Path) -> Result<Connection, Failure> {
        let refused = |faults: &Faults| Failure::usage(format!("the configuration is wrong\n{faults}"));
        let loaded = relay_config::load(path).map_err(|faults| refused(&faults))?;
        let known = || {
            let ids: Vec<&str> = loaded.mailboxes.iter().map(|mailbox| mailbox.id.as_str()).collect();
            ids.join(", ")
        };
        let chosen = match (&self.mailbox, loaded.mailboxes.as_slice()) {
            (None, [only]) => only,
            (None, _) => {
                return Err(Failure::usage(format!(
                    "{} has several mailboxes; choose one with --mailbox: {}",
                    path.display(),
                    known()
                )));
            }
            (Some(id), all) => all.iter().find(|mailbox| mailbox.id == *id).ok_or_else(|| {
                Failure::usage(format!("{} has no mailbox {id}; it has {}", path.display(), known()))
            })?,
        };
        let mut faults = Faults::new();
        let password = match chosen.password.resolve(&loaded.secrets) {
            Ok(password) => Some(password),
            Err(error) => {
                faults.push(chosen.section.fault_of(Some("password"), &error, SECRET));
                None
            }
        };
        let reach = reach(&loaded.mesh, &loaded.secrets, &mut faults);
        match (reach, password) {
            (Some(reach), Some(password)) if faults.is_empty() => Ok(Connection {
                mailbox: reach.client.mailbox(chosen.id.clone(), password),
                chunk_bytes: loaded.mesh.chunk_bytes,
            }),
            _ => Err(refused(&faults)),
        }
    }

    fn given(&self) -> Result<Connection, Failure> {
        let Some(id) = &self.mailbox else {
            return Err(Failure::usage("no mailbox is named; name yours with --mailbox, or give --config"));
        };
        let plain = self.url.trim().to_ascii_lowercase().starts_with("http://");
        let usual = |secret| plain.then_some(secret);
        let password = secret(
            self.password_file.as_deref(),
            PASSWORD_VARIABLE,
            usual(SANDBOX_PASSWORD),
            "--password-file",
        )?;
        let shared_key = secret(
            self.shared_key_file.as_deref(),
            SHARED_KEY_VARIABLE,
            usual(SANDBOX_SHARED_KEY),
            "--shared-key-file",
        )?;
        let client = Client::new(ClientConfig {
            base_url: self.url.clone(),
            shared_key: SharedKey::new(shared_key),
            tls: self.tls()?,
            proxy: self.proxy.clone().map(|url| Proxy { url, login: None }),
            timeouts: Timeouts::default(),
            breaker: BreakerConfig::default(),
            expanded_bytes_max: mesh_client::EXPANDED_BYTES_MAX,
            application: application(),
            now: system::now,
        })
        .map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Connection { mailbox: client.mailbox(id.clone(), password), chunk_bytes: CHUNK_BYTES_DEFAULT })
    }

    /// Whom to trust and who we are, from the flags.
    fn tls(&self) -> Result<TlsConfig, Failure> {
        let roots = self.roots.as_deref().map(authorities).transpose()?.unwrap_or_default();
        let place = self.keystore.as_ref().or(self.cert.as_ref());
        let Some(place) = place else { return Ok(TlsConfig { roots, identity: None }) };
        let passphrase = match &self.key_password_file {
            Some(path) => Passphrase::File(path.clone()),
            None if std::env::var_os(KEY_PASSWORD_VARIABLE).is_some() => {
                Passphrase::Environment(KEY_PASSWORD_VARIABLE.to_owned())
            }
            None => Passphrase::None,
        };
        let files = IdentityFiles { key: self.key.clone(), passphrase, ..IdentityFiles::at(place) };
        let given = !matches!(files.passphrase, Passphrase::None);
        let (watch, _) = IdentityWatch::start(files, Whose::Mesh(roots.clone()), system::now()).map_err(|error| {
            let failure = Failure::usage(error.to_string());
            match error {
                IdentityError::Load(_) if !given => failure.next(format!(
                    "If it needs a password, give --key-password-file or the variable {KEY_PASSWORD_VARIABLE}."
                )),
                _ => failure,
            }
        })?;
        Ok(TlsConfig { roots, identity: Some(watch.shown()) })
    }
}

/// A secret from its file, else from its variable, else the usual one where there is one.
fn secret(
    file: Option<&Path>,
    variable: &str,
    usual: Option<&str>,
    option: &str,
) -> Result<SecretString, Failure> {
    let reference = match file {
        Some(path) => SecretRef::File(path.to_owned()),
        None => SecretRef::Env(variable.to_owned()),
    };
    match (reference.resolve(&Secrets::in_files("")), usual) {
        (Err(SecretError::EnvMissing { .. }), Some(usual)) => Ok(SecretString::from(usual)),
        (Err(error @ SecretError::EnvMissing { .. }), None) => {
            Err(Failure::usage(format!("{error}, or give {option}")))
        }
        (resolved, _) => resolved.map_err(|error| Failure::usage(error.to_string())),
    }
}

fn authorities(path: &Path) -> Result<Vec<RootCertificate>, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("--roots {}: {error}; name a PEM file that you may read", path.display()))
    };
    let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
    read_authorities(&bytes, None).map_err(|error| failed(&error))
}
