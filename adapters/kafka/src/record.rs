//! One record of a topic, owned.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use bytes::Bytes;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};
use relay_core::Ended;

use crate::hold::Command;

/// Headers of a record, by name.
pub(crate) type Read = Vec<(String, Option<Vec<u8>>)>;

/// A record that was taken. Holds room among those that may be, until it is dropped.
pub(crate) struct Record {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// Milliseconds since 1970. Tells a record from that of a topic that was made anew.
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    /// `None` is a tombstone.
    pub(crate) value: Option<Bytes>,
    /// As they were read. `None`: the name of one is no text.
    pub(crate) headers: Option<Read>,
    /// As they came, for passing them on.
    original: OwnedHeaders,
    room: Room,
}

/// What a record takes of the room, given back when this is dropped.
struct Room {
    epoch: u64,
    bytes: u64,
    /// Whether it counts among those in work, beside its bytes.
    is_at_work: AtomicBool,
    group: Sender<Command>,
}

impl Room {
    fn set_at_work(&self, is_at_work: bool) {
        if self.is_at_work.swap(is_at_work, Ordering::Relaxed) != is_at_work {
            // Nobody counts any more once the consumer is gone.
            let _ = self.group.send(Command::AtWork(is_at_work));
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.set_at_work(false);
        let _ = self.group.send(Command::Room { bytes: self.bytes });
    }
}

impl Record {
    /// A copy: what the library lends must not outlive its consumer.
    pub(crate) fn of(
        message: &BorrowedMessage<'_>,
        topic: &Arc<str>,
        epoch: u64,
        group: &Sender<Command>,
    ) -> Self {
        let owned = |header: Header<'_, &[u8]>| (header.key.to_owned(), header.value.map(<[u8]>::to_vec));
        // The crate panics at a name that is no text; half read, they are thrown away.
        let read = || message.headers().map_or_else(Read::new, |headers| headers.iter().map(owned).collect());
        let headers = catch_unwind(AssertUnwindSafe(read)).ok();
        let length =
            |(name, value): &(String, Option<Vec<u8>>)| name.len() + value.as_ref().map_or(0, Vec::len);
        let in_headers: usize = headers.iter().flatten().map(length).sum();
        let bytes = message.payload_len() + message.key_len() + in_headers;
        Self {
            topic: Arc::clone(topic),
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().unwrap_or_default(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(Bytes::copy_from_slice),
            headers,
            original: message
                .headers()
                .map_or_else(OwnedHeaders::new, rdkafka::message::BorrowedHeaders::detach),
            room: Room {
                epoch,
                bytes: bytes as u64,
                is_at_work: AtomicBool::new(true),
                group: group.clone(),
            },
        }
    }

    /// Its size as it counts among what was taken, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.room.bytes
    }

    /// It waits for something, such as its turn, and keeps no other from being worked on.
    pub(crate) fn waits(&self) {
        self.room.set_at_work(false);
    }

    /// It is worked on, and counts among those that are.
    pub(crate) fn is_at_work(&self) {
        self.room.set_at_work(true);
    }

    /// Its id where it has none of its own: where it stands. Without a slash, since it becomes the local id: MESH is asked
    /// by that in the path of a URL, where an escaped slash is taken for one that parts the path, and nothing is found.
    pub(crate) fn own_id(&self) -> String {
        format!("{}:{}:{}", self.topic, self.partition, self.offset)
    }

    /// What it holds; nothing where it is a tombstone.
    pub(crate) fn value(&self) -> Bytes {
        self.value.clone().unwrap_or_default()
    }

    /// Its headers as they came, for passing it on.
    pub(crate) fn headers_again(&self) -> OwnedHeaders {
        self.original.clone()
    }

    /// INV-1, INV-3: its end is in the journal, so the group's offset may move over it.
    pub(crate) fn ended(&self, _: &Ended) {
        let (partition, epoch, offset) = (self.partition, self.room.epoch, self.offset);
        // Without a consumer the record comes again, and gets the recorded outcome.
        let _ = self.room.group.send(Command::Ended { partition, epoch, offset });
    }
}
