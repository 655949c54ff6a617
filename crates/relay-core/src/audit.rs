//! The audit chain: every change of every message is a link that holds the hash of the link before, so that none can be
//! changed, removed or moved without being noticed. Each instance that writes has a chain of its own.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::clock::RelayId;
use crate::search::Direction;

/// A link's hash.
pub type LinkHash = [u8; 32];

/// What stands before the first link of a chain.
pub const ORIGIN: LinkHash = [0; 32];

/// What a link vouches for.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// Place in the chain, from 1.
    pub number: u64,
    /// Which message.
    pub relay_id: RelayId,
    /// Which way it goes.
    pub direction: Direction,
    /// Which of its changes, from 1.
    pub sequence: u64,
    /// When, to the microsecond.
    pub at: Timestamp,
    /// The state, as JSON.
    pub state: &'a str,
    /// In words.
    pub note: Option<&'a str>,
}

impl Link<'_> {
    /// The link's hash behind `before`: SHA-256 over `before` and every part, each with its length before it, so that
    /// no two different links look alike.
    pub fn hash(&self, before: &LinkHash) -> LinkHash {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(before);
        part(&self.number.to_be_bytes());
        part(self.relay_id.0.as_bytes());
        part(self.direction.as_str().as_bytes());
        part(&self.sequence.to_be_bytes());
        part(&self.at.as_microsecond().to_be_bytes());
        part(self.state.as_bytes());
        // No note and an empty one are two things.
        part(&[u8::from(self.note.is_some())]);
        part(self.note.unwrap_or_default().as_bytes());
        hash.finalize().into()
    }
}

/// What a look at a whole chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// Which chain: the instance that wrote it.
    pub chain: String,
    /// How many links are kept.
    pub links: u64,
    /// Number of the last link; what is before the first kept one was pruned.
    pub last: u64,
    /// Hash of the last link. Kept elsewhere, it shows later that the chain still holds all that it held.
    pub head: LinkHash,
    /// The first thing that is wrong, in words.
    pub fault: Option<String>,
}

/// What a look at all chains found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditReport {
    /// Each chain.
    pub chains: Vec<ChainReport>,
    /// What is wrong between chains and messages, in words: a message whose state is not its last link's.
    pub faults: Vec<String>,
}

impl AuditReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty() && self.chains.iter().all(|chain| chain.fault.is_none())
    }
}

/// What a pruning removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Messages.
    pub messages: u64,
    /// Links of the messages' chains.
    pub links: u64,
    /// Deeds of people.
    pub deeds: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn link() -> Link<'static> {
        Link {
            number: 1,
            relay_id: RelayId(Uuid::from_u128(7)),
            direction: Direction::Outbound,
            sequence: 1,
            at: Timestamp::UNIX_EPOCH,
            state: "{}",
            note: None,
        }
    }

    #[test]
    fn every_part_of_a_link_counts() {
        let first = link().hash(&ORIGIN);
        let others = [
            Link { number: 2, ..link() },
            Link { relay_id: RelayId(Uuid::from_u128(8)), ..link() },
            Link { direction: Direction::Inbound, ..link() },
            Link { sequence: 2, ..link() },
            Link { at: Timestamp::from_microsecond(1).expect("a time"), ..link() },
            Link { state: "{ }", ..link() },
            Link { note: Some(""), ..link() },
            Link { state: "{", note: Some("}"), ..link() },
        ];
        for (index, other) in others.iter().enumerate() {
            assert_ne!(other.hash(&ORIGIN), first, "{index}");
        }
        assert_ne!(link().hash(&first), first, "and so does what stands before");
        assert_eq!(link().hash(&ORIGIN), first);
    }
}
