//! The file as data.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;

use crate::note::Note;
use crate::read_error::Position;

/// Where the values of one block stand, by key.
pub type Places = BTreeMap<&'static str, Position>;

/// Whose configuration it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// The Java MESH client's.
    #[default]
    Mesh,
    /// A DTS client's, of which nothing public says what stands in it.
    Dts,
}

/// A client's configuration (`dts-file-interface.md` 6.1). Paths are as they stand in the file; those of Windows are not
/// turned. What is `None` is not in the file, or is not of the form that the key has.
#[derive(Debug, Default)]
pub struct MeshClientCfg {
    /// Whose it is.
    pub kind: Kind,
    /// `PrimaryURL`: address of the service. Never `None` in a MESH client's file.
    pub primary_url: Option<String>,
    /// `LogPath`: folder of `mesh.log`.
    pub log_path: Option<PathBuf>,
    /// `KeyStorePath`: the Java keystore.
    pub key_store_path: Option<PathBuf>,
    /// `KeyStorePassword`: what opens it.
    pub key_store_password: Option<SecretString>,
    /// `WorkPath`: folder of lock and work files.
    pub work_path: Option<PathBuf>,
    /// `ProxyPath`: folder of `proxy.ini`, whose presence turns the proxy on.
    pub proxy_path: Option<PathBuf>,
    /// `SignalPath`: folder of the stop signal `mexclient.sig`.
    pub signal_path: Option<PathBuf>,
    /// `PollPeriod`: minutes between two polls, at least 1.
    pub poll_period: Option<u32>,
    /// `ServerRetry`: tries of one call, at least 1.
    pub server_retry: Option<u32>,
    /// `MaxMessages`: messages of one poll, at least 1.
    pub max_messages: Option<u32>,
    /// `MaxConnections`: connections at a time, at least 1.
    pub max_connections: Option<u32>,
    /// `AutoUpgrade`: whether new versions are fetched.
    pub auto_upgrade: Option<bool>,
    /// `AuthenticationKey`: MESH's shared key. Clients before 6.3 had none in their file.
    pub authentication_key: Option<SecretString>,
    /// `ProcessingDelay`: seconds that a file in OUT must have been quiet.
    pub processing_delay: Option<u32>,
    /// Each `Client`, in the order of the file; at least one.
    pub clients: Vec<Client>,
    /// What is odd, in the order of the file.
    pub notes: Vec<Note>,
    /// Where the values of the root stand.
    pub places: Places,
}

/// A block `Client`: one mailbox.
#[derive(Debug)]
pub struct Client {
    /// `ClientIdentity`: the mailbox, as it is spelt.
    pub identity: String,
    /// `ClientAuthentication`: its password.
    pub authentication: SecretString,
    /// `MailboxType`: absent in older files.
    pub mailbox_type: Option<String>,
    /// `InterfaceRoot`: the folder that holds IN, OUT, SENT, FAILED and TEMP.
    pub interface_root: PathBuf,
    /// `ClientLogLevel`: detail of logging.
    pub log_level: Option<String>,
    /// `CollectReport`: report when a pair is picked up. N when absent.
    pub collect_report: bool,
    /// `DelayReport`: report when an upload failed and will be tried again. N when absent.
    pub delay_report: bool,
    /// `TransferReport`: report when an upload was accepted. N when absent.
    pub transfer_report: bool,
    /// `PollReport`: report when a poll is done. N when absent.
    pub poll_report: bool,
    /// `SaveSent`: whether sent pairs are kept. Y when absent.
    pub save_sent: bool,
    /// Where the block begins.
    pub at: Position,
    /// Where its values stand.
    pub places: Places,
}

impl MeshClientCfg {
    /// Where the value of a [`key`](crate::key) of the root stands.
    pub fn place(&self, key: &str) -> Option<Position> {
        self.places.get(key).copied()
    }
}

impl Client {
    /// Where the value of a [`key`](crate::key) of the block stands.
    pub fn place(&self, key: &str) -> Option<Position> {
        self.places.get(key).copied()
    }
}
