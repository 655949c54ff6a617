//! Messages and where they are, in memory. Knows no HTTP and no clock (`mesh-api.md` 5.2, 7.1).

mod message;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use mesh_api::{MailboxId, MessageId};
use thiserror::Error;

use crate::filter::WorkflowFilter;
pub use message::StoredMessage;
pub(crate) use message::{Message, Sent, Status};

/// Why a later chunk is not taken, in the order of the checks (`mesh-api.md` 4.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum ChunkError {
    #[error("the message is unknown")]
    Unknown,
    #[error("the caller did not send the message")]
    NotSender,
    #[error("the message is complete")]
    Complete,
    #[error("the chunk's number is above the total")]
    AboveTotal,
    #[error("the content encoding is not that of the first chunk")]
    EncodingChanged,
}

/// Why a message is not acknowledged (`mesh-api.md` 4.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum AcknowledgeError {
    #[error("the message is unknown")]
    Unknown,
    #[error("the caller is not the recipient")]
    NotRecipient,
}

/// A later chunk's announcement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkNotice<'a> {
    /// The message, in upper case.
    pub(crate) message: &'a str,
    pub(crate) sender: &'a MailboxId,
    pub(crate) index: u32,
    pub(crate) gzip: bool,
}

/// A page of an inbox.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) ids: Vec<MessageId>,
    /// Whether more follow.
    pub(crate) more: bool,
}

/// All messages of a server. Every call is one short hold of a lock.
#[derive(Default)]
pub(crate) struct Store {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    messages: HashMap<String, Arc<Message>>,
    /// Everything sent to a mailbox, in order of sending.
    sent_to: HashMap<MailboxId, Vec<String>>,
    /// What waits in a mailbox, by place.
    inboxes: HashMap<MailboxId, BTreeMap<u64, String>>,
    by_local_id: HashMap<MailboxId, HashMap<String, Vec<String>>>,
    /// Messages made and messages accepted so far; each number is given once.
    made: u64,
    accepted: u64,
}

impl Store {
    /// Takes a new message with its only or first chunk. With one chunk it is in the inbox at once.
    pub(crate) fn send(&self, sent: Sent, chunk: Bytes, now: Timestamp) -> MessageId {
        let mut state = self.lock();
        let id = state.next_id(now);
        let key = id.as_str().to_owned();
        let recipient = sent.recipient.clone();
        if !sent.local_id.is_empty() {
            let local_ids = state.by_local_id.entry(sent.sender.clone()).or_default();
            local_ids.entry(sent.local_id.owned()).or_default().push(key.clone());
        }
        let mut message = Message {
            id: id.clone(),
            created: now,
            size: 0,
            events: Vec::new(),
            chunks: BTreeMap::from([(1, chunk)]),
            place: 0,
            sent: Arc::new(sent),
        };
        if message.sent.chunks > 1 {
            message.enter(Status::Uploading, now);
        } else {
            state.accept(&mut message, now);
        }
        state.messages.insert(key.clone(), Arc::new(message));
        state.sent_to.entry(recipient).or_default().push(key);
        id
    }

    /// Whether a later chunk would be taken: asked before its body is read.
    pub(crate) fn check_chunk(&self, notice: &ChunkNotice<'_>) -> Result<(), ChunkError> {
        self.lock().check_chunk(notice).map(|_| ())
    }

    /// Takes a later chunk, or the first one again. The last-numbered chunk completes the message, gaps or not
    /// (`mesh-api.md` 5.2).
    pub(crate) fn put_chunk(
        &self,
        notice: &ChunkNotice<'_>,
        chunk: Bytes,
        now: Timestamp,
    ) -> Result<(), ChunkError> {
        let mut state = self.lock();
        let mut message = Message::clone(state.check_chunk(notice)?);
        message.chunks.insert(notice.index, chunk);
        if notice.index == message.sent.chunks {
            state.accept(&mut message, now);
        }
        state.messages.insert(notice.message.to_owned(), Arc::new(message));
        Ok(())
    }

    /// Takes a message out of its recipient's inbox for good. A message that is not there is left as it is.
    pub(crate) fn acknowledge(
        &self,
        id: &str,
        recipient: &MailboxId,
        now: Timestamp,
    ) -> Result<(), AcknowledgeError> {
        let mut state = self.lock();
        let message = state.messages.get_mut(id).ok_or(AcknowledgeError::Unknown)?;
        if message.sent.recipient != *recipient {
            return Err(AcknowledgeError::NotRecipient);
        }
        if message.status() == Status::Accepted {
            let place = message.place;
            Arc::make_mut(message).enter(Status::Acknowledged, now);
            if let Some(inbox) = state.inboxes.get_mut(recipient) {
                inbox.remove(&place);
            }
        }
        Ok(())
    }

    /// The message of this id, which is in upper case.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Message>> {
        self.lock().messages.get(id).cloned()
    }

    /// What a sender sent under a local id.
    pub(crate) fn find_by_local_id(&self, sender: &MailboxId, local_id: &str) -> Vec<Arc<Message>> {
        let state = self.lock();
        let ids = state.by_local_id.get(sender).and_then(|ids| ids.get(local_id));
        ids.into_iter().flatten().filter_map(|id| state.messages.get(id).cloned()).collect()
    }

    /// How many messages wait.
    pub(crate) fn count(&self, mailbox: &MailboxId) -> usize {
        self.lock().inboxes.get(mailbox).map_or(0, BTreeMap::len)
    }

    /// Up to `limit` waiting messages, oldest accepted first, after the one named. A name that does not wait here
    /// starts from the beginning, as in the official emulator (`mesh-api.md` 4.2).
    pub(crate) fn page(
        &self,
        mailbox: &MailboxId,
        filter: &WorkflowFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Page {
        let state = self.lock();
        let Some(inbox) = state.inboxes.get(mailbox) else {
            return Page { ids: Vec::new(), more: false };
        };
        let start = after
            .and_then(|id| state.messages.get(id))
            .filter(|message| inbox.get(&message.place).is_some_and(|id| id == message.id.as_str()))
            .map_or(Bound::Unbounded, |message| Bound::Excluded(message.place));
        let mut kept = inbox
            .range((start, Bound::Unbounded))
            .filter_map(|(_, id)| state.messages.get(id))
            .filter(|message| filter.keeps(&message.sent.workflow.read()))
            .map(|message| message.id.clone());
        let ids: Vec<MessageId> = kept.by_ref().take(limit).collect();
        Page { ids, more: kept.next().is_some() }
    }

    /// Everything ever sent to a mailbox, in order of sending.
    pub(crate) fn sent_to(&self, mailbox: &MailboxId) -> Vec<StoredMessage> {
        let state = self.lock();
        let ids = state.sent_to.get(mailbox);
        let messages = ids.into_iter().flatten().filter_map(|id| state.messages.get(id));
        messages.map(|message| StoredMessage::of(message)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No call leaves the state half changed, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A new id in the live shape (`mesh-api.md` 3.3). The tail counts, so ids differ within one microsecond and
    /// under a clock that stands still.
    #[expect(clippy::expect_used, reason = "digits, an underscore and hex digits are always a message id")]
    fn next_id(&mut self, now: Timestamp) -> MessageId {
        const TAILS: u64 = 1 << 24;
        let stamp = now.strftime("%Y%m%d%H%M%S%6f").to_string();
        loop {
            self.made += 1;
            let id = format!("{stamp}_{:06X}", self.made % TAILS);
            if !self.messages.contains_key(&id) {
                return id.parse().expect("digits, underscore and hex digits");
            }
        }
    }

    fn accept(&mut self, message: &mut Message, now: Timestamp) {
        self.accepted += 1;
        message.enter(Status::Accepted, now);
        message.size = message.chunks.values().map(|chunk| chunk.len() as u64).sum();
        message.place = self.accepted;
        let inbox = self.inboxes.entry(message.sent.recipient.clone()).or_default();
        inbox.insert(message.place, message.id.as_str().to_owned());
    }

    fn check_chunk(&self, notice: &ChunkNotice<'_>) -> Result<&Arc<Message>, ChunkError> {
        let message = self.messages.get(notice.message).ok_or(ChunkError::Unknown)?;
        if message.sent.sender != *notice.sender {
            return Err(ChunkError::NotSender);
        }
        if message.status() != Status::Uploading {
            return Err(ChunkError::Complete);
        }
        if notice.index > message.sent.chunks {
            return Err(ChunkError::AboveTotal);
        }
        if message.sent.gzip != notice.gzip {
            return Err(ChunkError::EncodingChanged);
        }
        Ok(message)
    }
}
