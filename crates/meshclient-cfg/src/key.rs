//! The keys by the names that the reference gives (`dts-file-interface.md` 6.1). Files may write them in any case.

/// Address of the service.
pub const PRIMARY_URL: &str = "PrimaryURL";
/// Folder of `mesh.log`.
pub const LOG_PATH: &str = "LogPath";
/// The Java keystore.
pub const KEY_STORE_PATH: &str = "KeyStorePath";
/// What opens it.
pub const KEY_STORE_PASSWORD: &str = "KeyStorePassword";
/// Folder of lock and work files.
pub const WORK_PATH: &str = "WorkPath";
/// Folder of `proxy.ini`.
pub const PROXY_PATH: &str = "ProxyPath";
/// Folder of the stop signal.
pub const SIGNAL_PATH: &str = "SignalPath";
/// Minutes between two polls.
pub const POLL_PERIOD: &str = "PollPeriod";
/// Tries of one call.
pub const SERVER_RETRY: &str = "ServerRetry";
/// Messages of one poll.
pub const MAX_MESSAGES: &str = "MaxMessages";
/// Connections at a time.
pub const MAX_CONNECTIONS: &str = "MaxConnections";
/// Whether new versions are fetched.
pub const AUTO_UPGRADE: &str = "AutoUpgrade";
/// MESH's shared key.
pub const AUTHENTICATION_KEY: &str = "AuthenticationKey";
/// Seconds that a file must have been quiet.
pub const PROCESSING_DELAY: &str = "ProcessingDelay";
/// The block of one mailbox.
pub const CLIENT: &str = "Client";

/// The mailbox.
pub const CLIENT_IDENTITY: &str = "ClientIdentity";
/// Its password.
pub const CLIENT_AUTHENTICATION: &str = "ClientAuthentication";
/// What kind of mailbox it is.
pub const MAILBOX_TYPE: &str = "MailboxType";
/// Its folders.
pub const INTERFACE_ROOT: &str = "InterfaceRoot";
/// Detail of logging.
pub const CLIENT_LOG_LEVEL: &str = "ClientLogLevel";
/// Report when a pair is picked up.
pub const COLLECT_REPORT: &str = "CollectReport";
/// Report when an upload failed and will be tried again.
pub const DELAY_REPORT: &str = "DelayReport";
/// Report when an upload was accepted.
pub const TRANSFER_REPORT: &str = "TransferReport";
/// Report when a poll is done.
pub const POLL_REPORT: &str = "PollReport";
/// Whether sent pairs are kept.
pub const SAVE_SENT: &str = "SaveSent";

/// The keys of the root, without the block.
pub(crate) const OF_ROOT: [&str; 14] = [
    PRIMARY_URL,
    LOG_PATH,
    KEY_STORE_PATH,
    KEY_STORE_PASSWORD,
    WORK_PATH,
    PROXY_PATH,
    SIGNAL_PATH,
    POLL_PERIOD,
    SERVER_RETRY,
    MAX_MESSAGES,
    MAX_CONNECTIONS,
    AUTO_UPGRADE,
    AUTHENTICATION_KEY,
    PROCESSING_DELAY,
];

/// The keys of a block.
pub(crate) const OF_CLIENT: [&str; 10] = [
    CLIENT_IDENTITY,
    CLIENT_AUTHENTICATION,
    MAILBOX_TYPE,
    INTERFACE_ROOT,
    CLIENT_LOG_LEVEL,
    COLLECT_REPORT,
    DELAY_REPORT,
    TRANSFER_REPORT,
    POLL_REPORT,
    SAVE_SENT,
];

/// The key of that name among `known`, whatever the case.
pub(crate) fn find(known: &[&'static str], name: &str) -> Option<&'static str> {
    known.iter().copied().find(|key| key.eq_ignore_ascii_case(name))
}
