//! The copy of a message that can never be sent, with the reason in its headers.

use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use relay_carrier::{header, parked};
use relay_core::{Outcome, RelayId};

use crate::properties::{PERSISTENT, put};
use crate::publisher::Publication;

/// Most bytes that the headers of a copy take. They have to stand in one frame, which is 128 KiB unless a broker's
/// administrator set less, and a longer one costs the connection (`queue-bridging.md` 2.2).
const HEADERS_BYTES_MAX: usize = 64 * 1024;

/// Where a copy goes, and whose it is.
pub(crate) struct Place<'a> {
    pub(crate) exchange: &'a str,
    pub(crate) queue: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) relay_id: RelayId,
}

/// A copy.
pub(crate) struct Parked<'a> {
    exchange: &'a str,
    queue: &'a str,
    properties: BasicProperties,
    body: &'a [u8],
}

impl<'a> Parked<'a> {
    pub(crate) fn new(
        place: Place<'a>,
        original: &BasicProperties,
        body: &'a [u8],
        outcome: &Outcome,
    ) -> Self {
        let mut headers = FieldTable::default();
        put(&mut headers, header::PARKED_REASON, parked::reason(outcome).as_str());
        put(&mut headers, header::PARKED_DESCRIPTION, &parked::description(outcome));
        put(&mut headers, header::PARKED_SOURCE, place.queue);
        put(&mut headers, header::PARKED_AT, &place.at.to_string());
        put(&mut headers, header::RELAY_ID, &place.relay_id.to_string());
        keep(&mut headers, original);
        Self { exchange: place.exchange, queue: place.queue, properties: copied(original, headers), body }
    }

    /// Says that the same copy may have arrived before.
    pub(crate) fn repeats(&mut self) {
        let mut headers = self.properties.headers().clone().unwrap_or_default();
        put(&mut headers, header::REDELIVERY, "true");
        self.properties = std::mem::take(&mut self.properties).with_headers(headers);
    }

    pub(crate) fn publication(&self) -> Publication<'_> {
        Publication {
            exchange: self.exchange,
            routing_key: self.queue,
            properties: self.properties.clone(),
            body: self.body,
        }
    }
}

/// Takes over the producer's headers, the shortest first, as many as the broker surely takes.
fn keep(headers: &mut FieldTable, original: &BasicProperties) {
    let Some(given) = original.headers() else { return };
    let mut given: Vec<_> = given.inner().iter().map(|(name, value)| (name, value, length(value))).collect();
    given.sort_by_key(|(_, _, length)| *length);
    let (mut room, mut left_out) = (HEADERS_BYTES_MAX, 0_usize);
    for (name, value, length) in given {
        match room.checked_sub(name.as_str().len() + length) {
            _ if headers.contains_key(name.as_str()) => {}
            Some(rest) => {
                room = rest;
                headers.insert(name.clone(), value.clone());
            }
            None => left_out += 1,
        }
    }
    if left_out > 0 {
        put(headers, header::PARKED_LEFT_OUT, &left_out.to_string());
    }
}

/// About how many bytes a value takes, and no fewer.
fn length(value: &AMQPValue) -> usize {
    /// A kind, a length, and a number of the longest kind.
    const FRAME: usize = 16;
    FRAME
        + match value {
            AMQPValue::LongString(text) => text.as_bytes().len(),
            AMQPValue::ShortString(text) => text.as_str().len(),
            AMQPValue::ByteArray(bytes) => bytes.as_slice().len(),
            AMQPValue::FieldArray(values) => values.as_slice().iter().map(length).sum(),
            AMQPValue::FieldTable(table) => {
                table.inner().iter().map(|(name, value)| name.as_str().len() + length(value)).sum()
            }
            _ => 0,
        }
}

/// What of the producer's properties a copy has. Not its user, which the broker would hold against ours, and not when it
/// expires: what is parked waits for a person.
fn copied(original: &BasicProperties, headers: FieldTable) -> BasicProperties {
    let mut copy = BasicProperties::default().with_delivery_mode(PERSISTENT).with_headers(headers);
    for (value, with) in [
        (
            original.message_id(),
            BasicProperties::with_message_id as fn(BasicProperties, _) -> BasicProperties,
        ),
        (original.correlation_id(), BasicProperties::with_correlation_id),
        (original.reply_to(), BasicProperties::with_reply_to),
        (original.content_type(), BasicProperties::with_content_type),
        (original.content_encoding(), BasicProperties::with_content_encoding),
        (original.kind(), BasicProperties::with_type),
        (original.app_id(), BasicProperties::with_app_id),
    ] {
        if let Some(value) = value {
            copy = with(copy, value.clone());
        }
    }
    match original.timestamp() {
        Some(at) => copy.with_timestamp(*at),
        None => copy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relay_carrier::{Reason, Unfit};

    fn copy(headers: &[(&str, usize)]) -> (FieldTable, BasicProperties) {
        let mut given = FieldTable::default();
        for (name, length) in headers {
            put(&mut given, name, &"x".repeat(*length));
        }
        let original = BasicProperties::default()
            .with_headers(given)
            .with_user_id("producer".into())
            .with_expiration("3000".into())
            .with_message_id("7".into());
        let unfit = Unfit { reason: Reason::Empty, sentence: "it has no body".to_owned() };
        let place = Place {
            exchange: "parked",
            queue: "queue",
            at: Timestamp::UNIX_EPOCH,
            relay_id: RelayId(Default::default()),
        };
        let parked = Parked::new(place, &original, b"", &Outcome::Rejected(unfit.rejection()));
        (parked.properties.headers().clone().expect("headers"), parked.properties)
    }

    #[test]
    fn a_copy_waits_for_a_person_and_is_nobodys() {
        let (headers, properties) = copy(&[("mine", 5)]);
        assert!(properties.expiration().is_none() && properties.user_id().is_none());
        assert_eq!(properties.message_id().as_ref().map(|id| id.as_str()), Some("7"));
        assert!(headers.contains_key("mine") && !headers.contains_key(header::PARKED_LEFT_OUT));
        assert!(
            matches!(&headers.inner()[header::PARKED_REASON], AMQPValue::LongString(word) if word.as_bytes() == b"empty")
        );
    }

    #[test]
    fn what_the_broker_would_not_take_is_left_out_and_counted() {
        let (headers, _) = copy(&[("large", 100_000), ("small", 10), ("larger", 130_000)]);
        assert!(headers.contains_key("small") && !headers.contains_key("large"));
        assert!(
            matches!(&headers.inner()[header::PARKED_LEFT_OUT], AMQPValue::LongString(count) if count.as_bytes() == b"2")
        );
    }
}
