//! What happens to records, beside what the core tells of every message.

use std::fmt::Display;

use relay_carrier::Reason;
use relay_core::metric::{KAFKA_DELIVERIES, KAFKA_RECORDS};
use relay_core::{Deferral, Happening, MessageId, RelayId};

/// MESH has a record.
pub(crate) struct Accepted<'a> {
    pub(crate) relay_id: RelayId,
    pub(crate) adapter: &'a str,
    pub(crate) message_id: &'a MessageId,
}

impl Happening for Accepted<'_> {
    fn tell(&self) {
        let Self { relay_id, adapter, message_id } = self;
        tracing::info!(%relay_id, %adapter, %message_id, "record of the topic accepted by MESH");
        KAFKA_RECORDS.count(["accepted".into()]);
    }
}

/// A record that was not sent is in the dead-letter topic.
pub(crate) struct Parked<'a> {
    pub(crate) relay_id: RelayId,
    pub(crate) adapter: &'a str,
    pub(crate) state: &'static str,
    pub(crate) reason: Reason,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

impl Happening for Parked<'_> {
    fn tell(&self) {
        let Self { relay_id, adapter, state, reason, partition, offset } = self;
        tracing::warn!(%relay_id, %adapter, state, %reason, partition, offset, "record of the topic parked");
        KAFKA_RECORDS.count([reason.as_str().into()]);
    }
}

/// It could not be put there.
pub(crate) struct NotParked<'a> {
    pub(crate) relay_id: RelayId,
    pub(crate) adapter: &'a str,
    pub(crate) error: &'a dyn Display,
}

impl Happening for NotParked<'_> {
    fn tell(&self) {
        let Self { relay_id, adapter, error } = self;
        tracing::error!(%relay_id, %adapter, %error, "a record cannot be parked; its partition waits for it");
    }
}

/// MESH or the journal does not take a record for now.
pub(crate) struct Held<'a> {
    pub(crate) adapter: &'a str,
    pub(crate) deferral: &'a Deferral,
}

impl Happening for Held<'_> {
    fn tell(&self) {
        let Self { adapter, deferral } = self;
        tracing::debug!(%adapter, %deferral, "a record is held for another try");
    }
}

/// The payload that a record names cannot be had.
pub(crate) struct PayloadAway<'a> {
    pub(crate) adapter: &'a str,
    pub(crate) trouble: &'a dyn Display,
}

impl Happening for PayloadAway<'_> {
    fn tell(&self) {
        let Self { adapter, trouble } = self;
        tracing::warn!(%adapter, %trouble, "the payload of a record cannot be had; it is held for another try");
    }
}

/// How a message from MESH fared at its topic. What failed is told by the core.
#[derive(Clone, Copy)]
pub(crate) enum Delivery {
    /// It is there.
    Delivered,
    /// It is there, and an earlier try may be as well.
    Repeated,
    /// An earlier transaction had put it there.
    Seen,
    /// It is not known to be there.
    Failed,
}

impl Happening for Delivery {
    fn tell(&self) {
        let outcome = match self {
            Self::Delivered => "delivered",
            Self::Repeated => "repeated",
            Self::Seen => "seen",
            Self::Failed => "failed",
        };
        KAFKA_DELIVERIES.count([outcome.into()]);
    }
}

/// A partition went back by itself.
pub(crate) struct WentBack<'a> {
    pub(crate) adapter: &'a str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

impl Happening for WentBack<'_> {
    fn tell(&self) {
        let Self { adapter, partition, offset } = self;
        tracing::error!(
            %adapter,
            partition,
            offset,
            "a partition went back, as one of a topic made anew does; its records are taken from there"
        );
        KAFKA_RECORDS.count(["rewound".into()]);
    }
}

/// A partition was put back, to where its work is done. Why was told before.
pub(crate) struct PutBack;

impl Happening for PutBack {
    fn tell(&self) {
        KAFKA_RECORDS.count(["rewound".into()]);
    }
}

/// A partition goes to another member with work on it unfinished.
pub(crate) struct HandedBack<'a> {
    pub(crate) adapter: &'a str,
    pub(crate) partition: i32,
    pub(crate) in_work: usize,
}

impl Happening for HandedBack<'_> {
    fn tell(&self) {
        let Self { adapter, partition, in_work } = self;
        tracing::warn!(
            %adapter,
            partition,
            in_work,
            "a partition goes to another member before all that was in work of it has ended; that waits for it there"
        );
        KAFKA_RECORDS.count(["handed-back".into()]);
    }
}

/// A topic does not have any more what was to be taken from it (INV-5).
pub(crate) struct OffsetReset<'a> {
    pub(crate) adapter: &'a str,
    /// In the library's words.
    pub(crate) what: &'a str,
    /// Whether the same was told a moment ago.
    pub(crate) again: bool,
}

impl Happening for OffsetReset<'_> {
    fn tell(&self) {
        KAFKA_RECORDS.count(["offset-reset".into()]);
        if !self.again {
            let Self { adapter, what, .. } = self;
            tracing::error!(
                %adapter,
                what,
                "an offset was out of range: records may have expired before they were taken, or the topic was made anew; \
                 going on at the oldest"
            );
        }
    }
}
