//! The marks of messages that were delivered in transactions, read from their topic before the first delivery.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};
use sha2::{Digest, Sha256};

use crate::Shared;
use crate::aside::Aside;
use crate::client::Context;
use crate::settings::Purpose;

/// How long a mark counts in milliseconds: MESH has removed its message long before.
const KEPT_MS: i64 = 35 * 24 * 60 * 60 * 1000;
/// Marks in memory before the first look for old ones.
const OLD_LOOK_FIRST: usize = 100_000;
/// How long a broker may take to say how far a topic goes.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long transactions of others may hide marks: somewhat longer than they may last.
const OPEN_WITHIN: Duration = Duration::from_secs(75);
/// How long all of the reading may take.
const READ_WITHIN: Duration = Duration::from_secs(600);
/// How long no mark may come before the reading of them is given up.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Pause between two looks at how far marks can be read, and at whether the relay is stopping.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// The group that the library wants to be named, although it is never joined.
const GROUP: &str = "mesh-relay-marks";

/// A message id, shortened: the first half of its SHA-256.
type Mark = [u8; 16];

/// Messages that were delivered, with when.
pub(crate) struct Seen {
    marks: HashMap<Mark, i64>,
    /// At so many, those that are too old are looked for.
    look_at: usize,
}

impl Seen {
    fn new() -> Self {
        Self { marks: HashMap::new(), look_at: OLD_LOOK_FIRST }
    }

    pub(crate) fn has(&self, message_id: &[u8]) -> bool {
        self.marks.contains_key(&mark(message_id))
    }

    /// Adds a message that was delivered at a time, in milliseconds since 1970.
    pub(crate) fn add(&mut self, message_id: &[u8], at: i64) {
        if self.marks.len() >= self.look_at {
            self.marks.retain(|_, marked| *marked > at - KEPT_MS);
            self.look_at = OLD_LOOK_FIRST.max(self.marks.len() * 2);
        }
        self.marks.insert(mark(message_id), at);
    }

    pub(crate) fn len(&self) -> usize {
        self.marks.len()
    }
}

fn mark(message_id: &[u8]) -> Mark {
    let digest = Sha256::digest(message_id);
    let mut mark = Mark::default();
    mark.copy_from_slice(&digest[..16]);
    mark
}

/// Every mark of a mailbox that was committed before now. How long they are kept is the topic's own affair.
///
/// # Errors
/// When they cannot all be read: none of them can be done without.
pub(crate) fn read(
    shared: &Shared,
    topic: &str,
    mailbox: &str,
    now: i64,
    is_stopping: &dyn Fn() -> bool,
) -> KafkaResult<Seen> {
    let timed_out = || KafkaError::Global(RDKafkaErrorCode::OperationTimedOut);
    let reader = |isolation: &str| -> KafkaResult<Aside<BaseConsumer<Context>>> {
        let mut settings = shared.settings.of(&Purpose::Look);
        settings.set("isolation.level", isolation).set("enable.partition.eof", "true");
        settings.set("group.id", GROUP);
        // From leaders, who know what is committed; and never on at another place than the next.
        settings.set("client.rack", "").set("auto.offset.reset", "error");
        shared.looker(&settings).map(Aside::new)
    };
    let (committed, all) = (reader("read_committed")?, reader("read_uncommitted")?);
    let metadata = committed.fetch_metadata(Some(topic), ANSWER_WITHIN)?;
    let mut ends: HashMap<i32, i64> = HashMap::new();
    let mut list = TopicPartitionList::new();
    let reach = |partition| committed.fetch_watermarks(topic, partition, ANSWER_WITHIN);
    // A mark of ours may stand behind what another mailbox's transaction has not committed yet, and is hidden so long.
    let until = Instant::now() + OPEN_WITHIN;
    for found in metadata.topics() {
        if let Some(error) = found.error() {
            return Err(KafkaError::MetadataFetch(error.into()));
        }
        for partition in found.partitions().iter().map(rdkafka::metadata::MetadataPartition::id) {
            let (_, end) = all.fetch_watermarks(topic, partition, ANSWER_WITHIN)?;
            let begin = loop {
                let (begin, reached) = reach(partition)?;
                if reached >= end {
                    break begin;
                }
                if Instant::now() >= until || is_stopping() {
                    return Err(timed_out());
                }
                // It has no partitions yet, so that this is a wait that serves the connection.
                let _ = committed.poll(LOOK_AGAIN);
            };
            ends.insert(partition, end);
            list.add_partition_offset(topic, partition, Offset::Offset(begin))?;
        }
    }
    committed.assign(&list)?;
    let mut seen = Seen::new();
    let mut left: Vec<i32> = ends.keys().copied().collect();
    let mut silent_since = Instant::now();
    let until = Instant::now() + READ_WITHIN;
    while !left.is_empty() {
        if Instant::now() >= until || is_stopping() {
            return Err(timed_out());
        }
        match committed.poll(LOOK_AGAIN) {
            Some(Ok(message)) => {
                silent_since = Instant::now();
                let at = message.timestamp().to_millis().unwrap_or(now);
                // A tombstone takes a mark back: that is for operators.
                if let (Some(key), Some(value)) = (message.key(), message.payload())
                    && value == mailbox.as_bytes()
                {
                    seen.add(key, at);
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => left.retain(|one| *one != partition),
            Some(Err(error)) if is_final(&error) => return Err(error),
            Some(Err(_)) | None => {
                if silent_since.elapsed() >= SILENCE_MAX {
                    return Err(timed_out());
                }
            }
        }
    }
    // A leader that was new on the way may not have known yet how far its partition goes.
    for (partition, end) in ends {
        if reach(partition)?.1 < end {
            return Err(timed_out());
        }
    }
    Ok(seen)
}

/// Whether the reading cannot go on. Anything else, such as one of several brokers that is away, may pass; nor is the right
/// to use the group needed, which the library asks about all the same.
fn is_final(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::TopicAuthorizationFailed
                | Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::UnknownPartition
                | Code::AutoOffsetReset
                | Code::NotImplemented
                | Code::BadMessage
                | Code::BadCompression
                | Code::Fatal
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_forgotten_once_their_messages_are_long_gone() {
        let mut seen = Seen { marks: HashMap::new(), look_at: 2 };
        seen.add(b"old", 0);
        seen.add(b"new", KEPT_MS);
        seen.add(b"newer", KEPT_MS + 1);
        assert!(!seen.has(b"old") && seen.has(b"new") && seen.has(b"newer"));
        assert_eq!(seen.len(), 2);
    }
}
