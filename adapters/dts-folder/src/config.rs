//! What an `[[adapter]]` of kind `dts-folder` may say.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use relay_core::MailboxId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose habits the control files follow (`dts-file-interface.md` 1, 3.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The Java MESH client's.
    #[default]
    Mesh,
    /// The DTS client's: elements in IN stand in the order of its era.
    Dts,
}

/// Which reports come to IN besides those of failures (`dts-file-interface.md` 4.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Reports {
    /// One when a pair is picked up, before anything is sent. The Java client's `CollectReport`.
    pub collect: bool,
    /// One when MESH has accepted a pair. The Java client's `TransferReport`.
    pub transfer: bool,
    /// One now and then while a pair has to wait. The Java client's `DelayReport`.
    pub delay: bool,
    /// One for each look at the inbox. The Java client's `PollReport`.
    pub poll: bool,
}

/// How MESH's own reports, such as that nobody collected a message, are written to IN. Public material does not show
/// what the Java client wrote (`dts-file-interface.md` 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ServerReports {
    /// From the recipient of the message to the mailbox that sent it; otherwise as the message itself went.
    pub swap: bool,
    /// `DTSId` is the report's own id, and `PartnerId` the message's; otherwise `DTSId` is the message's.
    pub own_id: bool,
}

impl Default for ServerReports {
    fn default() -> Self {
        Self { swap: true, own_id: true }
    }
}

/// How long pairs stay in SENT and FAILED. Absent: for ever, as with the clients before (check 4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Keep {
    /// In SENT.
    #[schemars(with = "Option<String>")]
    pub sent: Option<SignedDuration>,
    /// In FAILED.
    #[schemars(with = "Option<String>")]
    pub failed: Option<SignedDuration>,
}

/// Shortest time for which pairs stay: those who watch the folders must have seen them, and a file server's clock may be off
/// by as much as MESH allows ours to be.
const KEEP_MIN: SignedDuration = SignedDuration::from_hours(3);

/// One mailbox's folders.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Config {
    /// The mailbox that sends what is in OUT and whose messages come to IN.
    #[schemars(with = "String")]
    pub mailbox: MailboxId,
    /// The folder that holds IN, OUT, SENT, FAILED and TEMP; missing ones are made. A relative path starts at
    /// the configuration file's folder.
    pub root: PathBuf,
    /// A pair is taken when both files have been quiet this long. The Java client's `ProcessingDelay`.
    #[serde(default = "grace_default")]
    #[schemars(with = "String", extend("default" = "2s"))]
    pub grace: SignedDuration,
    /// Pause between two looks at OUT beside file-system events, which do not come from network shares.
    #[serde(default = "scan_default")]
    #[schemars(with = "String", extend("default" = "5s"))]
    pub scan: SignedDuration,
    /// Whose habits the control files follow.
    #[serde(default)]
    pub profile: Profile,
    /// Whether accepted pairs go to SENT; otherwise they are removed. The Java client's `SaveSent`.
    #[serde(default = "save_sent_default")]
    pub save_sent: bool,
    /// Which reports come to IN.
    #[serde(default)]
    pub reports: Reports,
    /// How MESH's own reports are written.
    #[serde(default)]
    pub server_reports: ServerReports,
    /// Whether status codes that are not two digits are written as two digits, for readers that take no others
    /// (check 31).
    #[serde(default)]
    pub two_digit_codes: bool,
    /// Whether pairs go one after the other, oldest first; one that has to wait holds up those behind it.
    #[serde(default)]
    pub in_order: bool,
    /// Whether the group of a folder may write and delete what the relay puts there (check 43). Of no effect on Windows,
    /// where files inherit their folder's permissions.
    #[serde(default)]
    pub group_writable: bool,
    /// How long pairs stay in SENT and FAILED.
    #[serde(default)]
    pub keep: Keep,
}

fn save_sent_default() -> bool {
    true
}

/// Quiet time unless configured otherwise (`dts-file-interface.md` 2.4).
fn grace_default() -> SignedDuration {
    SignedDuration::from_secs(2)
}

fn scan_default() -> SignedDuration {
    SignedDuration::from_secs(5)
}

impl Config {
    /// As if nothing but mailbox and root were configured.
    pub fn new(mailbox: MailboxId, root: impl Into<PathBuf>) -> Self {
        Self {
            mailbox,
            root: root.into(),
            grace: grace_default(),
            scan: scan_default(),
            profile: Profile::default(),
            save_sent: save_sent_default(),
            reports: Reports::default(),
            server_reports: ServerReports::default(),
            two_digit_codes: false,
            in_order: false,
            group_writable: false,
            keep: Keep::default(),
        }
    }

    /// What is wrong with the values: the key it concerns, what is wrong, and what to do.
    pub fn faults(&self) -> Vec<(&'static str, String, String)> {
        let times = [("grace", self.grace, 0), ("scan", self.scan, 1)];
        let times = times
            .into_iter()
            .filter(|(_, value, least)| *value < SignedDuration::from_millis(*least))
            .map(|(key, ..)| {
                let what = format!("{key} must be a positive time");
                (key, what, "write a number with a unit, such as \"2s\", or leave it out".to_owned())
            });
        let kept = [("keep.sent", self.keep.sent), ("keep.failed", self.keep.failed)];
        let kept =
            kept.into_iter().filter(|(_, keep)| keep.is_some_and(|keep| keep < KEEP_MIN)).map(|(key, _)| {
                let what = format!("{key} must be three hours at least");
                (
                    key,
                    what,
                    "such as \"2160h\", which is 90 days; leave it out to keep them for ever".to_owned(),
                )
            });
        times.chain(kept).collect()
    }

    /// Quiet time.
    pub fn grace(&self) -> Duration {
        self.grace.unsigned_abs()
    }

    /// Pause between scans.
    pub fn scan(&self) -> Duration {
        self.scan.unsigned_abs()
    }
}
