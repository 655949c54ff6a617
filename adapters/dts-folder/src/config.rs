//! What an `[[adapter]]` of kind `dts-folder` may say.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use relay_core::MailboxId;
use serde::Deserialize;

/// One mailbox's folders.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// The mailbox that sends what is in OUT and whose messages come to IN.
    pub mailbox: MailboxId,
    /// The folder that holds IN, OUT, SENT, FAILED and TEMP; missing ones are made. A relative path starts at
    /// the configuration file's folder.
    pub root: PathBuf,
    /// A pair is taken when both files have been quiet this long. The Java client's `ProcessingDelay`.
    #[serde(default = "grace_default")]
    pub grace: SignedDuration,
    /// Pause between two looks at OUT beside file-system events, which do not come from network shares.
    #[serde(default = "scan_default")]
    pub scan: SignedDuration,
}

/// Quiet time unless configured otherwise (`dts-file-interface.md` 2.4).
fn grace_default() -> SignedDuration {
    SignedDuration::from_secs(2)
}

fn scan_default() -> SignedDuration {
    SignedDuration::from_secs(5)
}

impl Config {
    /// What is wrong with the values, with the key it concerns.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let times = [("grace", self.grace, 0), ("scan", self.scan, 1)];
        times
            .into_iter()
            .filter(|(_, value, least)| *value < SignedDuration::from_millis(*least))
            .map(|(key, ..)| (key, format!("{key} must be a positive time, such as \"2s\"")))
            .collect()
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
