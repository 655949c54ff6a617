//! One record of a topic, owned.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use bytes::Bytes;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};
use relay_core::Ended;

use crate::group::Command;

/// A record that is in work. Holds room among those that may be, until it is dropped.
pub(crate) struct Record {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// Milliseconds since 1970. Tells a record from that of a topic that was made anew.
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    /// `None` is a tombstone.
    pub(crate) value: Option<Bytes>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    room: Room,
}

/// What a record takes of the room, given back when this is dropped.
struct Room {
    epoch: u64,
    bytes: u64,
    group: Sender<Command>,
}

impl Drop for Room {
    fn drop(&mut self) {
        // Nobody counts any more once the consumer is gone.
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
        let headers: Vec<(String, Option<Vec<u8>>)> = message.headers().map_or_else(Vec::new, |headers| {
            let owned = |header: Header<'_, &[u8]>| (header.key.to_owned(), header.value.map(<[u8]>::to_vec));
            headers.iter().map(owned).collect()
        });
        let in_headers: usize =
            headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len)).sum();
        let bytes = message.payload_len() + message.key_len() + in_headers;
        Self {
            topic: Arc::clone(topic),
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().unwrap_or_default(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(Bytes::copy_from_slice),
            headers,
            room: Room { epoch, bytes: bytes as u64, group: group.clone() },
        }
    }

    /// Its size as it counts among what is in work, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.room.bytes
    }

    /// Where it stands, for people and as its id.
    pub(crate) fn place(&self) -> String {
        format!("{}/{}/{}", self.topic, self.partition, self.offset)
    }

    /// Its headers, to be read.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// What it holds; nothing where it is a tombstone.
    pub(crate) fn value(&self) -> Bytes {
        self.value.clone().unwrap_or_default()
    }

    /// Its headers as they came, for passing it on.
    pub(crate) fn headers_again(&self) -> OwnedHeaders {
        self.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: value.as_deref() })
        })
    }

    /// INV-1, INV-3: its end is in the journal, so the group's offset may move over it.
    pub(crate) fn ended(&self, _: &Ended) {
        let (partition, epoch, offset) = (self.partition, self.room.epoch, self.offset);
        // Without a consumer the record comes again, and gets the recorded outcome.
        let _ = self.room.group.send(Command::Ended { partition, epoch, offset });
    }
}
