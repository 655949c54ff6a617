//! The copy of a record that can never be sent, with the reason in its headers.

use jiff::Timestamp;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use relay_carrier::{header, parked};
use relay_core::Ended;

use crate::config::BODY_MAX;
use crate::publisher::Publication;
use crate::record::Record;

/// How much of a record its copy has: the first that the topic takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// All but its value, which can be had where it was taken from.
    WithoutValue,
    /// The reason and the place alone.
    Reason,
}

impl Extent {
    /// As much as can be published at all.
    pub(crate) fn first(record: &Record) -> Self {
        if record.value().len() as u64 > BODY_MAX { Self::WithoutValue } else { Self::Whole }
    }

    /// What to try when this is too much. The last is left to be tried again.
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Whole => Self::WithoutValue,
            Self::WithoutValue | Self::Reason => Self::Reason,
        }
    }
}

/// The copy of a record for the dead-letter topic. `repeats`: it may be there already.
pub(crate) fn copy<'a>(
    topic: &'a str,
    record: &'a Record,
    ended: &Ended,
    at: Timestamp,
    extent: Extent,
    repeats: bool,
) -> Publication<'a> {
    let reason = parked::reason(ended.outcome());
    let description = parked::description(ended.outcome());
    let (partition, offset) = (record.partition.to_string(), record.offset.to_string());
    let (at, relay_id) = (at.to_string(), ended.relay_id().to_string());
    let length = record.value().len().to_string();
    let given = record.headers_again();
    let left_out = given.count().to_string();
    let mut pairs = vec![
        (header::PARKED_REASON, reason.as_str()),
        (header::PARKED_DESCRIPTION, &description),
        (header::PARKED_SOURCE, &record.topic),
        (header::PARKED_PARTITION, &partition),
        (header::PARKED_OFFSET, &offset),
        (header::PARKED_AT, &at),
        (header::RELAY_ID, &relay_id),
    ];
    if extent != Extent::Whole {
        pairs.push((header::PARKED_WITHOUT, &length));
    }
    if extent == Extent::Reason {
        pairs.push((header::PARKED_LEFT_OUT, &left_out));
    }
    if repeats {
        pairs.push((header::REDELIVERY, "true"));
    }
    let given = if extent == Extent::Reason { OwnedHeaders::new() } else { given };
    let headers = pairs
        .into_iter()
        .fold(given, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
    Publication {
        topic,
        key: record.key.as_deref().filter(|_| extent != Extent::Reason),
        value: record.value.as_deref().filter(|_| extent == Extent::Whole),
        headers,
    }
}
