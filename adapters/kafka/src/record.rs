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
    timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    /// `None` is a tombstone.
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
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

    /// Its id where it has none of its own: where it stands. Without a slash, since it becomes the local id: MESH is asked
    /// by that in the path of a URL, where an escaped slash is taken for one that parts the path, and nothing is found.
    pub(crate) fn own_id(&self) -> String {
        format!("{}:{}:{}", self.topic, self.partition, self.offset)
    }

    /// What makes it known when it comes again: its id, and without one where it stands.
    pub(crate) fn known_by(&self, id: Option<&str>) -> String {
        match id {
            Some(id) => format!("{}/id/{id}", self.topic),
            None => format!("{}/{}/{}@{}", self.topic, self.partition, self.offset, self.timestamp),
        }
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
