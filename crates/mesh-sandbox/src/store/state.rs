//! What a store holds in memory, and the lists that lead to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;
use mesh_api::{MailboxId, MessageId};

use super::record::after;
use super::{After, ChunkError, ChunkNotice, Message, Page, RETENTION, Side, Status};
use crate::bodies::Payload;
use crate::filter::WorkflowFilter;

/// Place of the first message in an inbox. There is room before it for messages that push in.
const FIRST_PLACE: u64 = 1 << 40;

/// Messages, found by id, by mailbox, by local id and by what is due.
pub(super) struct State {
    pub(super) mailboxes: Vec<MailboxId>,
    messages: HashMap<String, Entry>,
    /// In order of sending.
    sent_to: HashMap<MailboxId, BTreeMap<u64, String>>,
    sent_by: HashMap<MailboxId, BTreeMap<u64, String>>,
    /// What waits in a mailbox, by place.
    inboxes: HashMap<MailboxId, BTreeMap<u64, String>>,
    by_local_id: HashMap<MailboxId, HashMap<String, Vec<String>>>,
    /// What waits in any inbox, by the end of its wait.
    expiries: BTreeSet<(Timestamp, String)>,
    deletions: BTreeSet<(Timestamp, String)>,
    /// Ids given and messages added so far; each number is given once.
    made: u64,
    added: u64,
    /// The next places in inboxes, behind and before all others.
    back: u64,
    front: u64,
}

struct Entry {
    message: Arc<Message>,
    number: u64,
    /// A reset takes a message out of one party's box; it lives as long as it stands in the other's.
    of_recipient: bool,
    of_sender: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            mailboxes: Vec::new(),
            messages: HashMap::new(),
            sent_to: HashMap::new(),
            sent_by: HashMap::new(),
            inboxes: HashMap::new(),
            by_local_id: HashMap::new(),
            expiries: BTreeSet::new(),
            deletions: BTreeSet::new(),
            made: 0,
            added: 0,
            back: FIRST_PLACE,
            front: FIRST_PLACE - 1,
        }
    }
}

/// When a message is to be deleted.
pub(super) fn deletion(message: &Message) -> Timestamp {
    let accepted = message.events.iter().find(|event| event.status == Status::Accepted);
    after(accepted.map_or(message.created, |event| event.at), RETENTION)
}

impl State {
    /// What a folder or a program brought, put in order of sending, as the official emulator does.
    pub(super) fn of(mailboxes: Vec<MailboxId>, mut messages: Vec<Message>) -> Self {
        messages.sort_by_cached_key(|message| (message.created, message.id.as_str().to_owned()));
        let mut state = Self { mailboxes, ..Self::default() };
        for mut message in messages {
            // Also one that is still uploading: the views show it from now on, listings when it is complete.
            message.place = state.next_place();
            state.insert(message);
        }
        state
    }

    /// A new id in the live shape (`mesh-api.md` 3.3). The tail counts, so ids differ within one microsecond and
    /// under a clock that stands still.
    #[expect(clippy::expect_used, reason = "digits, an underscore and hex digits are always a message id")]
    pub(super) fn next_id(&mut self, now: Timestamp) -> MessageId {
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

    /// A new message, behind all others of its inbox if it is complete.
    pub(super) fn add(&mut self, mut message: Message) -> Arc<Message> {
        if *message.status() != Status::Uploading {
            message.place = self.next_place();
        }
        self.insert(message)
    }

    /// A new, complete message before all others of its inbox.
    pub(super) fn add_in_front(&mut self, mut message: Message) -> Arc<Message> {
        message.place = self.front;
        self.front -= 1;
        self.insert(message)
    }

    /// Everything is forgotten for what is fresh; ids go on where they were, so that none is given twice.
    pub(super) fn start_anew(&mut self, fresh: Self) {
        let made = self.made;
        *self = fresh;
        self.made = made;
    }

    fn next_place(&mut self) -> u64 {
        self.back += 1;
        self.back - 1
    }

    fn insert(&mut self, message: Message) -> Arc<Message> {
        let key = message.id.as_str().to_owned();
        self.added += 1;
        let number = self.added;
        if let Some(recipient) = message.recipient() {
            self.sent_to.entry(recipient.clone()).or_default().insert(number, key.clone());
        }
        if let Some(sender) = message.sender() {
            self.sent_by.entry(sender.clone()).or_default().insert(number, key.clone());
            if !message.sent.local_id.is_empty() {
                let local_ids = self.by_local_id.entry(sender.clone()).or_default();
                local_ids.entry(message.sent.local_id.owned()).or_default().push(key.clone());
            }
        }
        self.deletions.insert((deletion(&message), key.clone()));
        self.wait(&message);
        let (of_recipient, of_sender) = (message.recipient().is_some(), message.sender().is_some());
        let message = Arc::new(message);
        let entry = Entry { number, of_recipient, of_sender, message: Arc::clone(&message) };
        self.messages.insert(key, entry);
        message
    }

    /// One more chunk of a message that is uploading, or one again.
    pub(super) fn add_chunk(&mut self, id: &str, index: u32, chunk: Payload) -> Option<&Arc<Message>> {
        let entry = self.messages.get_mut(id)?;
        // Copied only while somebody reads the message: else every chunk would cost as much as all before it.
        Arc::make_mut(&mut entry.message).chunks.insert(index, chunk);
        Some(&entry.message)
    }

    /// The changed form of a message that is here. A message that has become complete takes its place now.
    pub(super) fn replace(&mut self, mut message: Message) -> Arc<Message> {
        let key = message.id.as_str().to_owned();
        if let Some(entry) = self.messages.get(&key) {
            let before = Arc::clone(&entry.message);
            let was_uploading = *before.status() == Status::Uploading;
            // An admin call may declare an unfinished message accepted; it has no size, no place, and is not listed.
            if was_uploading && *message.status() != Status::Uploading && message.size > 0 {
                message.place = self.next_place();
            }
            self.leave(&before);
            self.deletions.remove(&(deletion(&before), key.clone()));
        }
        self.deletions.insert((deletion(&message), key.clone()));
        let message = Arc::new(message);
        if let Some(entry) = self.messages.get_mut(&key) {
            entry.message = Arc::clone(&message);
            if entry.of_recipient {
                self.wait(&message);
            }
        }
        message
    }

    /// Lists a message in its inbox if it is one that waits there.
    fn wait(&mut self, message: &Message) {
        let Some(recipient) = message.recipient() else { return };
        if *message.status() == Status::Accepted && message.place != 0 {
            let key = message.id.as_str().to_owned();
            self.inboxes.entry(recipient.clone()).or_default().insert(message.place, key.clone());
            self.expiries.insert((message.expires, key));
        }
    }

    fn leave(&mut self, message: &Message) {
        self.expiries.remove(&(message.expires, message.id.as_str().to_owned()));
        if let Some(inbox) = message.recipient().and_then(|recipient| self.inboxes.get_mut(recipient)) {
            inbox.remove(&message.place);
        }
    }

    pub(super) fn forget_mailbox(&mut self, mailbox: &MailboxId) {
        self.by_local_id.remove(mailbox);
        for id in self.sent_to.remove(mailbox).unwrap_or_default().into_values() {
            self.part(&id, |entry| entry.of_recipient = false);
        }
        for id in self.sent_by.remove(mailbox).unwrap_or_default().into_values() {
            self.part(&id, |entry| entry.of_sender = false);
        }
    }

    /// Takes a message from one party, and deletes it once it is nobody's.
    fn part(&mut self, id: &str, from: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.messages.get_mut(id) else { return };
        from(entry);
        let (message, of_recipient, of_sender) =
            (Arc::clone(&entry.message), entry.of_recipient, entry.of_sender);
        if !of_recipient {
            self.leave(&message);
        }
        if !of_recipient && !of_sender {
            self.delete(&message);
        }
    }

    pub(super) fn delete(&mut self, message: &Message) {
        let id = message.id.as_str();
        self.leave(message);
        self.deletions.remove(&(deletion(message), id.to_owned()));
        let Some(entry) = self.messages.remove(id) else { return };
        if let Some(list) = message.recipient().and_then(|recipient| self.sent_to.get_mut(recipient)) {
            list.remove(&entry.number);
        }
        let Some(sender) = message.sender() else { return };
        if let Some(list) = self.sent_by.get_mut(sender) {
            list.remove(&entry.number);
        }
        let local_id = message.sent.local_id.read();
        if let Some(local_ids) = self.by_local_id.get_mut(sender)
            && let Some(ids) = local_ids.get_mut(local_id.as_ref())
        {
            ids.retain(|other| other != id);
            if ids.is_empty() {
                local_ids.remove(local_id.as_ref());
            }
        }
    }

    pub(super) fn expired(&self, now: Timestamp, limit: usize) -> Vec<Arc<Message>> {
        let due = self.expiries.iter().take_while(|(expires, _)| *expires <= now).take(limit);
        due.filter_map(|(_, id)| self.find(id).cloned()).collect()
    }

    /// The message that is due for deletion longest.
    pub(super) fn oldest_before(&self, now: Timestamp) -> Option<Arc<Message>> {
        let (due, id) = self.deletions.first()?;
        if *due <= now { self.find(id).cloned() } else { None }
    }

    pub(super) fn find(&self, id: &str) -> Option<&Arc<Message>> {
        self.messages.get(id).map(|entry| &entry.message)
    }

    pub(super) fn find_sent(&self, sender: &MailboxId, id: &str) -> Option<&Arc<Message>> {
        let entry = self.messages.get(id).filter(|entry| entry.of_sender)?;
        Some(&entry.message).filter(|message| message.sender() == Some(sender))
    }

    pub(super) fn find_by_local_id(&self, sender: &MailboxId, local_id: &str) -> Vec<Arc<Message>> {
        let ids = self.by_local_id.get(sender).and_then(|ids| ids.get(local_id));
        ids.into_iter().flatten().filter_map(|id| self.find(id).cloned()).collect()
    }

    pub(super) fn count(&self, mailbox: &MailboxId) -> usize {
        self.inboxes.get(mailbox).map_or(0, BTreeMap::len)
    }

    pub(super) fn page(
        &self,
        mailbox: &MailboxId,
        filter: &WorkflowFilter,
        after: Option<&After>,
        limit: usize,
    ) -> Page {
        let mut page = Page { ids: Vec::new(), next: None };
        let Some(inbox) = self.inboxes.get(mailbox) else {
            return page;
        };
        let keeps =
            |message: &Arc<Message>| filter.keeps_everything() || filter.keeps(&message.sent.workflow.read());
        let start = match after {
            None => None,
            Some(After::Place(place)) => Some(*place),
            Some(After::Message(id)) => {
                let found = self.find(id).filter(|message| keeps(message));
                let place = found.map(|message| message.place);
                place.filter(|place| inbox.get(place).is_some_and(|waiting| waiting == id))
            }
        };
        let start = start.map_or(Bound::Unbounded, Bound::Excluded);
        let mut last = 0;
        for (place, id) in inbox.range((start, Bound::Unbounded)) {
            let Some(message) = self.find(id).filter(|message| keeps(message)) else { continue };
            if page.ids.len() == limit {
                page.next = Some(last);
                break;
            }
            last = *place;
            page.ids.push(message.id.clone());
        }
        page
    }

    pub(super) fn view(
        &self,
        mailbox: &MailboxId,
        side: Side,
        since: Timestamp,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<Arc<Message>>, bool) {
        let list = match side {
            Side::Inbox => self.sent_to.get(mailbox),
            Side::Outbox => self.sent_by.get(mailbox),
        };
        let Some(list) = list else { return (Vec::new(), false) };
        let end = after
            .and_then(|id| self.messages.get(id))
            .filter(|entry| list.get(&entry.number).is_some_and(|id| id == entry.message.id.as_str()))
            .map_or(Bound::Unbounded, |entry| Bound::Excluded(entry.number));
        let shown = |message: &&Arc<Message>| {
            message.created > since && (matches!(side, Side::Outbox) || message.place != 0)
        };
        let mut kept = list
            .range((Bound::Unbounded, end))
            .rev()
            .filter_map(|(_, id)| self.find(id))
            .filter(shown)
            .cloned();
        let messages = kept.by_ref().take(limit).collect();
        (messages, kept.next().is_some())
    }

    pub(super) fn sent_to(&self, mailbox: &MailboxId) -> impl Iterator<Item = &Arc<Message>> {
        let list = self.sent_to.get(mailbox);
        list.into_iter().flat_map(BTreeMap::values).filter_map(|id| self.find(id))
    }

    pub(super) fn newest(&self, mailbox: Option<&MailboxId>, limit: usize) -> Vec<Arc<Message>> {
        let concerns = |message: &Message| {
            mailbox.is_none() || message.sender() == mailbox || message.recipient() == mailbox
        };
        let shown = self.messages.values().filter(|entry| concerns(&entry.message));
        let mut all: Vec<_> = shown.map(|entry| (entry.number, &entry.message)).collect();
        all.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
        all.into_iter().take(limit).map(|(_, message)| Arc::clone(message)).collect()
    }

    pub(super) fn check_chunk(&self, notice: &ChunkNotice<'_>) -> Result<&Arc<Message>, ChunkError> {
        let message = self.find(notice.message).ok_or(ChunkError::Unknown)?;
        if message.sender() != Some(notice.sender) {
            return Err(ChunkError::NotSender);
        }
        if *message.status() != Status::Uploading {
            return Err(ChunkError::Complete);
        }
        if notice.index > message.sent.chunks {
            return Err(ChunkError::AboveTotal);
        }
        if message.sent.gzip != notice.gzip {
            return Err(ChunkError::EncodingChanged);
        }
        let next = message.chunks.keys().next_back().map_or(1, |last| last.saturating_add(1));
        if notice.in_order && (notice.of != message.sent.chunks || notice.index > next) {
            return Err(ChunkError::OutOfOrder);
        }
        Ok(message)
    }
}
