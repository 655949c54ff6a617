//! The three messages of the canned store (`mesh-api.md` 11.2), with ids and parties of the official emulator's own.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mesh_api::stamp;

use super::record::after;
use super::{Event, INBOX_EXPIRY, Kind, Message, Sent, Status};
use crate::bodies::Payload;
use crate::directory::{Directory, Party};
use crate::gzip;
use crate::text::Text;

/// Text of the simple messages, and in two halves of the chunked one.
const FIRST_HALF: &str = "Lorem ipsum dolor sit amet, consectetur adipiscing elit. Praesent sed massa vitae nunc \
     tempor aliquet. Donec at sapien non odio mattis gravida. ";
const SECOND_HALF: &str = "Integer in leo quis arcu rhoncus porta. Vivamus id tellus eget urna pretium semper. \
     Aenean nec velit ac purus finibus lorem.";

const SENT: &str = "2022-11-20T14:50:17.923288";
const UNDELIVERED_SENT: &str = "2022-11-15T14:50:17.923288";
/// What the official emulator's own files say: acceptance before sending, and expiry a moment before its time.
const ACCEPTED_BEFORE: SignedDuration = SignedDuration::from_micros(5_000_079);
const EXPIRY_BEFORE: SignedDuration = SignedDuration::from_micros(45);

pub(super) fn messages() -> Vec<Message> {
    let plain = || Payload::built_in(format!("{FIRST_HALF}{SECOND_HALF}").into_bytes());
    let packed = |half: &str| Payload::built_in(gzip::deflate(half.as_bytes()).unwrap_or_default().into());
    let simple = message("SIMPLE_MESSAGE", ("X26ABC2", "X26ABC1"), SENT, vec![plain()]);
    let mut undelivered =
        message("UNDELIVERED_MESSAGE", ("X26ABC2", "X26ABC1"), UNDELIVERED_SENT, vec![plain()]);
    if let Some(message) = &mut undelivered {
        message.events.push(Event::plain(
            Status::Undeliverable,
            after(message.expires, -SignedDuration::from_micros(5_000_034)),
        ));
    }
    let halves = vec![packed(FIRST_HALF), packed(SECOND_HALF)];
    let chunked = message("CHUNKED_MESSAGE_GZ", ("X26ABC1", "X26ABC2"), SENT, halves);
    [simple, undelivered, chunked].into_iter().flatten().collect()
}

/// `None` for an id or a time that cannot be one, which a test rules out.
fn message(id: &str, (from, to): (&str, &str), at: &str, chunks: Vec<Payload>) -> Option<Message> {
    let created: Timestamp = stamp::parse(at)?;
    let accepted = created.checked_sub(ACCEPTED_BEFORE).ok()?;
    let stock = Directory::stock();
    let party =
        |id: &str| stock.mailbox(id).map_or_else(Arc::<Party>::default, |box_| Arc::clone(&box_.party));
    let sent = Sent {
        file_name: Text::new(format!("{id}.dat")),
        gzip: chunks.len() > 1,
        chunks: u32::try_from(chunks.len()).ok()?,
        ..Sent::new(Kind::Data, party(from), party(to), Text::new("TEST_WORKFLOW"))
    };
    Some(Message {
        id: id.parse().ok()?,
        sent: Arc::new(sent),
        created,
        expires: after(created, INBOX_EXPIRY - EXPIRY_BEFORE),
        size: chunks.iter().map(Payload::bytes).sum(),
        events: vec![Event::plain(Status::Accepted, accepted)],
        chunks: (1..).zip(chunks).collect(),
        place: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_are_there() {
        let states: Vec<_> = messages().iter().map(|message| message.status().as_str().to_owned()).collect();
        assert_eq!(states, ["accepted", "undeliverable", "accepted"]);
    }
}
