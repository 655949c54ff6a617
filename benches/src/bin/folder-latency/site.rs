//! A relay with two mailboxes, and what an application does there.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use mesh_relay_benches::load::{ALICE, BOB, MESSAGE_BYTES, PASSWORD, SHARED_KEY};
use mesh_relay_benches::now;
use mesh_relay_benches::servers::{self, Server};
use tokio::process::Child;

use crate::eyes::Eyes;

/// Quiet time of a pair; the relay's default.
pub(crate) const GRACE: Duration = Duration::from_secs(2);
/// Pause between two looks at an inbox; the relay's default at a server on the same machine.
pub(crate) const POLL: Duration = Duration::from_secs(1);

/// The relay and its folders. Ends when dropped.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    relay: Child,
    /// SENT of the mailbox that sends.
    pub(crate) sent: Eyes,
    /// IN of the one that receives.
    pub(crate) inbox: Eyes,
}

impl Site {
    /// Starts a relay at a server and waits until it runs.
    pub(crate) async fn start(server: &Server) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut text = format!(
            "[mesh]\nenvironment = {{ url = \"{}\" }}\nshared_key = {{ file = \"key\" }}\n[journal]\npath = \"journal.db\"\n",
            server.url()
        );
        for mailbox in [ALICE, BOB] {
            text += &format!(
                "[[mailbox]]\nid = \"{mailbox}\"\npassword = {{ file = \"pass\" }}\npoll = \"{}s\"\n[[adapter]]\n\
                 name = \"{mailbox}\"\nkind = \"dts-folder\"\nmailbox = \"{mailbox}\"\nroot = \"{mailbox}\"\ngrace = \"{}s\"\n",
                POLL.as_secs(),
                GRACE.as_secs()
            );
            for name in ["IN", "OUT", "SENT"] {
                fs::create_dir_all(folder.path().join(mailbox).join(name)).expect("a folder");
            }
        }
        for (name, content) in [("relay.toml", &*text), ("key", SHARED_KEY), ("pass", PASSWORD)] {
            write(folder.path().join(name), content);
        }
        let relay = servers::relay(&folder.path().join("relay.toml")).await;
        let eyes = |mailbox: &str, name: &str| Eyes::on(&folder.path().join(mailbox).join(name));
        Self { relay, sent: eyes(ALICE, "SENT"), inbox: eyes(BOB, "IN"), folder }
    }

    /// Drops a pair, as most applications do, and says when the relay may take it.
    pub(crate) fn drop_pair(&self, number: usize) -> Timestamp {
        let out = self.folder.path().join(ALICE).join("OUT");
        write(out.join(format!("P{number}.dat")), [b'm'; MESSAGE_BYTES]);
        let control = format!(
            "<DTSControl><Version>1.0</Version><AddressType>DTS</AddressType><MessageType>Data</MessageType>\
             <From_DTS>{ALICE}</From_DTS><To_DTS>{BOB}</To_DTS><LocalId>P{number}</LocalId>\
             <WorkflowId>TEST_WORKFLOW</WorkflowId></DTSControl>"
        );
        write(out.join(format!("P{number}.ctl")), control);
        now() + GRACE
    }

    /// Whether so many pairs are in SENT and in the other IN.
    pub(crate) fn has_shown(&self, count: usize) -> bool {
        self.sent.count() >= count && self.inbox.count() >= count
    }

    /// MESH's id of a pair, as SENT says.
    pub(crate) fn message_id(&self, number: usize) -> String {
        let path = self.folder.path().join(ALICE).join("SENT").join(format!("P{number}.ctl"));
        let text = fs::read_to_string(path).expect("a control file in SENT");
        let (_, rest) = text.split_once("<DTSId>").expect("an id");
        rest.split('<').next().unwrap_or_default().to_owned()
    }

    /// Ends the relay and waits until it is gone.
    pub(crate) async fn stop(mut self) {
        self.relay.kill().await.expect("the relay ended");
    }
}

#[expect(clippy::disallowed_methods, reason = "an application writes its files like this")]
fn write(path: PathBuf, content: impl AsRef<[u8]>) {
    fs::write(path, content).expect("a file written");
}
