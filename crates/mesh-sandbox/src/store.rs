//! Messages and where they are. Knows no HTTP and no clock (`mesh-api.md` 5.2, 7.1).
//!
//! [`state`] holds them in memory, `folder` also on disk when there is one. What a call changes is written first and
//! shown second, so a full disk changes nothing.

mod canned;
mod folder;
mod message;
mod record;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use mesh_api::{MailboxId, MessageId};
use thiserror::Error;

use crate::bodies::{Bodies, Ended, Intake, Payload};
use crate::directory::{Directory, Party};
use crate::filter::WorkflowFilter;
use crate::text::Text;
pub use folder::FolderError;
pub use message::StoredMessage;
pub(crate) use message::{Event, Kind, Message, Sent, Status};
use record::after;
use state::State;

/// How long a message may wait in an inbox (`mesh-api.md` 7.2).
pub const INBOX_EXPIRY: SignedDuration = SignedDuration::from_hours(5 * 24);
/// How long a message is kept after it was delivered (`mesh-api.md` 7.2).
pub const RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Where a server keeps its messages.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreKind {
    /// In memory, large bodies in scratch files. Gone when the server ends.
    Memory,
    /// In this folder, laid out as the official emulator's file store, which can read it (`mesh-api.md` 11.2). It
    /// is made when it is not there, read at start, and belongs to one running server at a time.
    Folder(PathBuf),
    /// Three messages that are always there, and nothing else: what is sent or acknowledged is answered as usual
    /// and changes nothing (`mesh-api.md` 11.1).
    Canned,
}

impl fmt::Debug for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "Memory",
            Self::Folder(_) => "Folder",
            Self::Canned => "Canned",
        })
    }
}

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
    #[error("the chunk is not the next one, or announces another total")]
    OutOfOrder,
    #[error("the last chunk is there and another is missing")]
    Gap,
}

/// Why a message is not acknowledged (`mesh-api.md` 4.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum AcknowledgeError {
    #[error("the message is unknown")]
    Unknown,
    #[error("the caller is not the recipient")]
    NotRecipient,
}

/// A change that was refused, or that could not be written.
#[derive(Debug, Error)]
pub(crate) enum ChangeError<E> {
    #[error(transparent)]
    Refused(E),
    #[error("the store cannot be written: {0}")]
    Unwritten(#[from] io::Error),
}

/// A later chunk's announcement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkNotice<'a> {
    /// The message, in upper case.
    pub(crate) message: &'a str,
    pub(crate) sender: &'a MailboxId,
    pub(crate) index: u32,
    pub(crate) of: u32,
    pub(crate) gzip: bool,
    /// Whether it must follow the chunks before it.
    pub(crate) in_order: bool,
}

/// A report that is to stand in an inbox.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) recipient: Arc<Party>,
    pub(crate) workflow: Text,
    pub(crate) local_id: Text,
    pub(crate) subject: Text,
    pub(crate) file_name: Text,
    /// What it reports; its status is [`Status::Error`].
    pub(crate) event: Event,
}

impl Report {
    fn message(self, id: MessageId, now: Timestamp) -> Message {
        let sent = Sent {
            local_id: self.local_id,
            subject: self.subject,
            file_name: self.file_name,
            chunks: 0,
            ..Sent::new(Kind::Report, Arc::new(Party::central()), self.recipient, self.workflow)
        };
        let events = vec![self.event, Event::plain(Status::Accepted, now)];
        Message { events, ..new_message(id, sent, now) }
    }
}

/// A page of an inbox.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) ids: Vec<MessageId>,
    /// Where the next page begins, if more follow.
    pub(crate) next: Option<u64>,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum After {
    /// After a message, in upper case. One that is not listed here starts from the beginning, as in the official
    /// emulator (`mesh-api.md` 4.2).
    Message(String),
    /// After a place in the inbox, whether its message still waits or not.
    Place(u64),
}

/// Whose messages a view shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    /// Everything that came to be in the mailbox's inbox.
    Inbox,
    /// Everything that the mailbox sent.
    Outbox,
}

/// The canned store cannot be emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the canned store is read-only")]
pub(crate) struct ReadOnly;

/// All messages of a server. Every call is one short hold of a lock; with a folder, a small file is written inside.
pub(crate) struct Store {
    state: Mutex<State>,
    bodies: Bodies,
    folder: Option<PathBuf>,
    canned: bool,
}

impl Store {
    /// Opens it. Messages older than [`RETENTION`] are left where they are and not read.
    pub(crate) fn open(kind: &StoreKind, now: Timestamp) -> Result<Self, FolderError> {
        let store = Self {
            state: Mutex::default(),
            bodies: match kind {
                StoreKind::Folder(root) => Bodies::Folder(root.clone()),
                StoreKind::Memory | StoreKind::Canned => Bodies::Memory(Arc::default()),
            },
            folder: match kind {
                StoreKind::Folder(root) => Some(root.clone()),
                StoreKind::Memory | StoreKind::Canned => None,
            },
            canned: *kind == StoreKind::Canned,
        };
        *store.lock() = store.fresh(now)?;
        Ok(store)
    }

    /// What the store holds before anybody called.
    fn fresh(&self, now: Timestamp) -> Result<State, FolderError> {
        if self.canned {
            return Ok(State::of(Vec::new(), canned::messages()));
        }
        match &self.folder {
            None => Ok(State::default()),
            Some(root) => {
                let mut found = folder::load(root)?;
                found.messages.retain(|message| state::deletion(message) > now);
                Ok(State::of(found.mailboxes, found.messages))
            }
        }
    }

    pub(crate) fn kind(&self) -> StoreKind {
        match &self.folder {
            _ if self.canned => StoreKind::Canned,
            Some(root) => StoreKind::Folder(root.clone()),
            None => StoreKind::Memory,
        }
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.canned
    }

    /// Whether every mailbox can be kept here.
    pub(crate) fn check_mailboxes(&self, directory: &Directory) -> Result<(), FolderError> {
        let mailboxes = directory.mailboxes();
        let hidden = mailboxes.into_iter().find(|mailbox| mailbox.id.as_str().starts_with('.'));
        match hidden.filter(|_| self.folder.is_some()) {
            Some(mailbox) => Err(FolderError::Hidden { mailbox: mailbox.id.clone() }),
            None => Ok(()),
        }
    }

    /// Mailboxes that have a folder.
    pub(crate) fn mailboxes(&self) -> Vec<MailboxId> {
        self.lock().mailboxes.clone()
    }

    /// Starts anew from what is on disk, or from nothing (`mesh-api.md` 11.3).
    pub(crate) fn reset(&self, now: Timestamp) -> Result<Result<(), ReadOnly>, FolderError> {
        if self.canned {
            return Ok(Err(ReadOnly));
        }
        // Held while the folder is read, so that nothing is taken in meanwhile and then forgotten.
        let mut state = self.lock();
        let fresh = self.fresh(now)?;
        state.start_anew(fresh);
        Ok(Ok(()))
    }

    /// Empties a mailbox's inbox and outbox; files on disk stay (`mesh-api.md` 11.3).
    pub(crate) fn reset_mailbox(&self, mailbox: &MailboxId) -> Result<(), ReadOnly> {
        if self.canned {
            return Err(ReadOnly);
        }
        self.lock().forget_mailbox(mailbox);
        Ok(())
    }

    /// An id for a message that is about to be sent.
    pub(crate) fn new_id(&self, now: Timestamp) -> MessageId {
        self.lock().next_id(now)
    }

    /// The way in for a chunk's body.
    pub(crate) fn intake(&self, recipient: Option<&MailboxId>, id: &str, index: u32) -> Intake {
        match recipient {
            Some(recipient) if !self.canned => {
                self.bodies.intake(|root| folder::chunk_path(root, recipient, id, index))
            }
            _ => Bodies::count_only(),
        }
    }

    /// Takes a new message with its only or first chunk. With one chunk it is in the inbox at once.
    pub(crate) fn send(
        &self,
        id: MessageId,
        sent: Sent,
        chunk: Ended,
        now: Timestamp,
    ) -> io::Result<Arc<Message>> {
        self.add(new_message(id, sent, now), chunk, State::add)
    }

    /// Takes a new message of one chunk and puts it before all that wait in its inbox.
    pub(crate) fn push_in(
        &self,
        id: MessageId,
        sent: Sent,
        chunk: Ended,
        now: Timestamp,
    ) -> io::Result<Arc<Message>> {
        self.add(new_message(id, sent, now), chunk, State::add_in_front)
    }

    /// Adds a new message, unless the store is canned. What cannot be written leaves nothing behind.
    fn add(
        &self,
        mut message: Message,
        chunk: Ended,
        place: fn(&mut State, Message) -> Arc<Message>,
    ) -> io::Result<Arc<Message>> {
        let mut state = self.lock();
        let written = chunk.settle().and_then(|chunk| {
            let at = message.created;
            message.chunks.insert(1, chunk);
            match message.sent.chunks > 1 {
                true => message.events.push(Event::plain(Status::Uploading, at)),
                false => deliver(&mut message, at),
            }
            if self.canned { Ok(()) } else { self.write(&message) }
        });
        if let Err(error) = written {
            self.undo(&message);
            return Err(error);
        }
        Ok(if self.canned { Arc::new(message) } else { place(&mut state, message) })
    }

    /// Takes what was written of a message off the disk again. A failure here is not the one to tell.
    fn undo(&self, message: &Message) {
        if let Some(root) = &self.folder
            && let Err(error) = folder::delete(root, message)
        {
            tracing::debug!(%error, "what was written of a refused message could not be removed");
        }
    }

    /// Puts a report into an inbox and gives its id.
    pub(crate) fn report(&self, report: Report, now: Timestamp) -> io::Result<MessageId> {
        let mut state = self.lock();
        let message = report.message(state.next_id(now), now);
        let id = message.id.clone();
        if !self.canned {
            self.write(&message)?;
            state.add(message);
        }
        Ok(id)
    }

    /// Ends a message's time in its inbox, if that is over and the message still waits, and puts the report of it
    /// into its own inbox: both or neither. Gives whether it did.
    pub(crate) fn expire(
        &self,
        id: &str,
        events: Vec<Event>,
        report: Option<Report>,
        now: Timestamp,
    ) -> io::Result<bool> {
        let mut state = self.lock();
        let waits = |message: &&Arc<Message>| *message.status() == Status::Accepted && message.expires <= now;
        let Some(found) = state.find(id).filter(waits) else {
            return Ok(false);
        };
        let mut message = Message::clone(found);
        message.events.extend(events);
        let report = report.map(|report| report.message(state.next_id(now), now));
        if let Some(report) = &report {
            self.write(report)?;
        }
        if let Err(error) = self.write(&message) {
            report.iter().for_each(|report| self.undo(report));
            return Err(error);
        }
        state.replace(message);
        if let Some(report) = report {
            state.add(report);
        }
        Ok(true)
    }

    /// Whether a later chunk would be taken: asked before its body is read. Gives the recipient, for whom it is kept.
    pub(crate) fn check_chunk(&self, notice: &ChunkNotice<'_>) -> Result<Option<MailboxId>, ChunkError> {
        self.lock().check_chunk(notice).map(|message| message.recipient().cloned())
    }

    /// Takes a later chunk, or the first one again. The last-numbered chunk completes the message. Gaps are the
    /// sender's affair in memory; a folder keeps the last chunk and leaves the message unfinished, as the official
    /// emulator's two stores do (`mesh-api.md` 5.2). Gives the message when it is complete.
    pub(crate) fn put_chunk(
        &self,
        notice: &ChunkNotice<'_>,
        chunk: Ended,
        now: Timestamp,
    ) -> Result<Option<Arc<Message>>, ChangeError<ChunkError>> {
        let mut state = self.lock();
        state.check_chunk(notice).map_err(ChangeError::Refused)?;
        if self.canned {
            return Ok(None);
        }
        let Some(message) = state.add_chunk(notice.message, notice.index, chunk.settle()?) else {
            return Err(ChangeError::Refused(ChunkError::Unknown));
        };
        if notice.index < message.sent.chunks {
            return Ok(None);
        }
        if self.folder.is_some() && message.recipient().is_some() && message.has_gaps() {
            return Err(ChangeError::Refused(ChunkError::Gap));
        }
        let mut message = Message::clone(message);
        deliver(&mut message, now);
        // Unwritten, the message stays as it was, with its last chunk, which may come again.
        self.write(&message)?;
        Ok(Some(state.replace(message)))
    }

    /// Takes a message out of its recipient's inbox for good. A message that is not there is left as it is.
    pub(crate) fn acknowledge(
        &self,
        id: &str,
        recipient: &MailboxId,
        now: Timestamp,
    ) -> Result<(), ChangeError<AcknowledgeError>> {
        let mut state = self.lock();
        let message = state.find(id).ok_or(ChangeError::Refused(AcknowledgeError::Unknown))?;
        if message.recipient() != Some(recipient) {
            return Err(ChangeError::Refused(AcknowledgeError::NotRecipient));
        }
        if *message.status() == Status::Accepted && !self.canned {
            let mut message = Message::clone(message);
            message.events.push(Event::plain(Status::Acknowledged, now));
            self.write(&message)?;
            state.replace(message);
        }
        Ok(())
    }

    /// Pushes an event onto a message, and puts it into its inbox or takes it out accordingly. Gives whether there
    /// is such a message.
    pub(crate) fn push_event(&self, id: &str, event: Event) -> io::Result<bool> {
        let mut state = self.lock();
        let Some(found) = state.find(id) else {
            return Ok(false);
        };
        let mut message = Message::clone(found);
        if event.status == Status::Accepted {
            message.expires = after(event.at, INBOX_EXPIRY);
        }
        message.events.push(event);
        self.write(&message)?;
        state.replace(message);
        Ok(true)
    }

    /// Messages whose time in the inbox is over, oldest first, at most so many.
    pub(crate) fn expired(&self, now: Timestamp, limit: usize) -> Vec<Arc<Message>> {
        self.lock().expired(now, limit)
    }

    /// Deletes one message that was delivered longer than [`RETENTION`] ago. Gives whether there was one.
    pub(crate) fn delete_one(&self, now: Timestamp) -> io::Result<bool> {
        let mut state = self.lock();
        let Some(message) = state.oldest_before(now) else {
            return Ok(false);
        };
        if let Some(root) = &self.folder {
            folder::delete(root, &message)?;
        }
        state.delete(&message);
        Ok(true)
    }

    /// The message of this id, which is in upper case.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Message>> {
        self.lock().find(id).cloned()
    }

    /// The message of this id, if this mailbox sent it and its outbox was not emptied since.
    pub(crate) fn find_sent(&self, sender: &MailboxId, id: &str) -> Option<Arc<Message>> {
        self.lock().find_sent(sender, id).cloned()
    }

    /// What a sender sent under a local id.
    pub(crate) fn find_by_local_id(&self, sender: &MailboxId, local_id: &str) -> Vec<Arc<Message>> {
        self.lock().find_by_local_id(sender, local_id)
    }

    /// How many messages wait.
    pub(crate) fn count(&self, mailbox: &MailboxId) -> usize {
        self.lock().count(mailbox)
    }

    /// Up to `limit` waiting messages, oldest accepted first, after the mark.
    pub(crate) fn page(
        &self,
        mailbox: &MailboxId,
        filter: &WorkflowFilter,
        after: Option<&After>,
        limit: usize,
    ) -> Page {
        self.lock().page(mailbox, filter, after, limit)
    }

    /// Up to `limit` messages of a mailbox in any state, newest first, made after `since` and standing after the
    /// one named; and whether more follow.
    pub(crate) fn view(
        &self,
        mailbox: &MailboxId,
        side: Side,
        since: Timestamp,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<Arc<Message>>, bool) {
        self.lock().view(mailbox, side, since, after, limit)
    }

    /// Everything ever sent to a mailbox, in order of sending.
    pub(crate) fn sent_to(&self, mailbox: &MailboxId) -> Vec<StoredMessage> {
        self.lock().sent_to(mailbox).map(|message| StoredMessage::of(message)).collect()
    }

    /// The newest messages of all mailboxes, or those that one mailbox sent or is to get; newest first.
    pub(crate) fn newest(&self, mailbox: Option<&MailboxId>, limit: usize) -> Vec<Arc<Message>> {
        self.lock().newest(mailbox, limit)
    }

    /// Writes a message to the folder. One without a recipient has no place there and lives in memory alone.
    fn write(&self, message: &Message) -> io::Result<()> {
        match &self.folder {
            Some(root) if message.recipient().is_some() => folder::save(root, message),
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No call leaves the state half changed, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_message(id: MessageId, sent: Sent, now: Timestamp) -> Message {
    Message {
        id,
        sent: Arc::new(sent),
        created: now,
        expires: after(now, INBOX_EXPIRY),
        size: 0,
        events: Vec::new(),
        chunks: BTreeMap::new(),
        place: 0,
    }
}

/// A complete message enters its recipient's inbox.
fn deliver(message: &mut Message, now: Timestamp) {
    message.events.push(Event::plain(Status::Accepted, now));
    message.size = message.chunks.values().map(Payload::bytes).sum();
    message.expires = after(now, INBOX_EXPIRY);
}
