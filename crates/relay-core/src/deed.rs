//! What people did and looked at: recorded before it is done, so that nothing is done without a record of who did it.

use jiff::Timestamp;
use mesh_api::{MailboxId, MessageId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::audit::LinkHash;
use crate::clock::RelayId;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeedKind {
    /// A message was parked.
    Park,
    /// A message was cancelled.
    Cancel,
    /// A doubt was settled: MESH has the message.
    Arrived,
    /// A doubt was settled: the message did not arrive, and is sent again.
    SendAgain,
    /// What was sent before was offered once more, as another message.
    Resend,
    /// A parked message from MESH is to be delivered once more.
    DeliverAgain,
    /// A mailbox or an adapter was paused.
    Pause,
    /// A mailbox or an adapter goes on.
    Resume,
    /// An inbox was listed by hand.
    ListInbox,
    /// Subject and other metadata of a message at MESH were looked at.
    LookInto,
    /// A message's payload was fetched from MESH by hand.
    Fetch,
    /// A message at MESH was acknowledged by hand.
    Acknowledge,
    /// A message was handed in by hand.
    Submit,
    /// What was recorded before was not done after all.
    NotDone,
    /// Somebody signed in.
    SignIn,
    /// A sign-in was refused.
    SignInRefused,
}

impl DeedKind {
    /// The kind's name, as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Park => "park",
            Self::Cancel => "cancel",
            Self::Arrived => "arrived",
            Self::SendAgain => "send-again",
            Self::Resend => "resend",
            Self::DeliverAgain => "deliver-again",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::ListInbox => "list-inbox",
            Self::LookInto => "look-into",
            Self::Fetch => "fetch",
            Self::Acknowledge => "acknowledge",
            Self::Submit => "submit",
            Self::NotDone => "not-done",
            Self::SignIn => "sign-in",
            Self::SignInRefused => "sign-in-refused",
        }
    }
}

/// A deed to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeed {
    /// When.
    pub at: Timestamp,
    /// Who, by the name under which they signed in.
    pub who: String,
    /// What.
    pub kind: DeedKind,
    /// About which message, where it is about one that the journal knows.
    pub relay_id: Option<RelayId>,
    /// About which mailbox.
    pub mailbox: Option<MailboxId>,
    /// About which message at MESH.
    pub message_id: Option<MessageId>,
    /// Why, or about what else, in words. Holds no subject and no payload.
    pub note: Option<String>,
}

/// A recorded deed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// The chain that it stands in: the instance that recorded it.
    pub chain: String,
    /// Place in that chain, from 1, without gaps.
    pub number: u64,
    /// What was done.
    pub deed: NewDeed,
}

impl NewDeed {
    /// The hash of the deed as link `number` behind `before`: as [`Link::hash`](crate::audit::Link::hash), so that no deed
    /// can be changed, removed or moved without being noticed.
    pub fn hash(&self, number: u64, before: &LinkHash) -> LinkHash {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        // What is absent and what is empty are two things.
        fn either(part: &mut impl FnMut(&[u8]), value: Option<&[u8]>) {
            part(&[u8::from(value.is_some())]);
            part(value.unwrap_or_default());
        }
        part(before);
        part(&number.to_be_bytes());
        part(&self.at.as_microsecond().to_be_bytes());
        part(self.who.as_bytes());
        part(self.kind.as_str().as_bytes());
        either(&mut part, self.relay_id.as_ref().map(|id| &id.0.as_bytes()[..]));
        either(&mut part, self.mailbox.as_ref().map(|id| id.as_str().as_bytes()));
        either(&mut part, self.message_id.as_ref().map(|id| id.as_str().as_bytes()));
        either(&mut part, self.note.as_ref().map(|note| note.as_bytes()));
        hash.finalize().into()
    }
}

/// Which deeds.
#[derive(Debug, Clone, Default)]
pub struct DeedQuery {
    /// Only about this message.
    pub relay_id: Option<RelayId>,
    /// Only those before this place: where the page before ended.
    pub before: Option<DeedPlace>,
    /// How many at most; more than [`SEARCH_LIMIT_MAX`](crate::search::SEARCH_LIMIT_MAX) counts as that.
    pub limit: u32,
}

/// A place in the order of deeds: newest first, then by chain and number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeedPlace {
    /// When the deed there was done.
    pub at: Timestamp,
    /// Its chain.
    pub chain: String,
    /// Its number.
    pub number: u64,
}
