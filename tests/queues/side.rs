//! What a broker does for a run.

use mesh_sandbox::{Sandbox, StoredMessage};

use super::account::Account;
use super::load::Message;
use super::tables::Tables;
use crate::process::{BOB, Site};

/// The organisation's side: what the relay takes messages for MESH from, and where it puts those from MESH and events.
///
/// Each message that was put in has a name, by which the journal knows it as well; one that reaches MESH has it as its
/// local id.
pub trait Side {
    /// Whether what came out stays there to be read again. Otherwise it is taken away, after each kill.
    const KEEPS: bool;

    /// The relay's place.
    fn site(&self) -> &Site;

    fn sandbox(&self) -> &Sandbox;

    /// Puts a message in, for good, and gives its name.
    async fn put(&self, message: &Message) -> String;

    /// The name of a message, by its key in the journal.
    fn known_by(&self, key: &str) -> String;

    /// Brings an account up to what has come out by now.
    async fn take(&self, account: &mut Account);

    /// How much of what was put in the broker would give to a relay that started now.
    async fn left(&self) -> usize;

    /// Whether a message from MESH may come out more than once, if the repetition says that it is one.
    fn may_repeat(&self) -> bool {
        true
    }

    /// What does not hold of what must with this broker alone.
    fn own_faults(&self, _account: &Account) -> Vec<String> {
        Vec::new()
    }

    /// More to be said of a run, behind its figures.
    fn remark(&self, _account: &Account) -> String {
        String::new()
    }

    fn tables(&self) -> rusqlite::Result<Tables> {
        Tables::read(&self.site().path("journal.db"), |key| self.known_by(key))
    }

    /// What MESH has for Bob, taken or not.
    fn at_mesh(&self) -> Vec<StoredMessage> {
        self.sandbox().messages(&BOB.parse().expect("a mailbox"))
    }

    /// Whether nothing is left to do, of so many messages that were put in.
    async fn is_done(&self, sent: usize) -> bool {
        self.left().await == 0
            && self.tables().is_ok_and(|tables| {
                tables.is_done()
                    && tables.outbound.len() == sent
                    && tables.inbound.len() == self.at_mesh().len()
            })
    }
}
