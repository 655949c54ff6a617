//! Invented messages: many mailboxes, partners and workflows, a few of each rare.

use jiff::{SignedDuration, Timestamp};
use relay_core::{
    Evidence, KeyReuse, NewOutbound, OutboundDetails, OutboundState, RelayId, Resent, SourceKey,
};
use uuid::Uuid;

/// Seconds between two messages, so that millions span months.
const APART: i64 = 2;

/// When message `number` is seen.
pub fn at(number: u64) -> Timestamp {
    let base = Timestamp::from_second(1_780_000_000).expect("a time");
    base + SignedDuration::from_secs(APART * i64::try_from(number).expect("a small number"))
}

/// The relay's id of message `number`.
pub fn relay_id(number: u64) -> RelayId {
    RelayId(Uuid::from_u128(u128::from(number) + 1))
}

/// MESH's id of message `number`.
pub fn mesh_id(number: u64) -> String {
    format!("20260701{number:012}_{:06X}", number % 0xff_ffff)
}

/// Where message `number` ends: accepted, and one of a thousand parked.
pub fn end(number: u64) -> OutboundState {
    if number.is_multiple_of(1000) {
        return OutboundState::Parked { reason: "the answer to sending was lost".to_owned() };
    }
    OutboundState::Accepted {
        id: mesh_id(number).parse().expect("an id"),
        at: at(number),
        by: Evidence::Answer,
        resent: Resent::No,
        followed: 0,
    }
}

/// Message `number`, new, in this state.
pub fn message(number: u64, state: OutboundState) -> NewOutbound {
    let workflow = if number.is_multiple_of(100_000) { "RARE_WORKFLOW" } else { "PATH_MEDRPT_V3" };
    NewOutbound {
        relay_id: relay_id(number),
        source: SourceKey { adapter: "pathology".to_owned(), message: format!("{number}.ctl") },
        reuse: KeyReuse::OnceSettled,
        fingerprint: None,
        mailbox: format!("X26HC{:03}", number % 20).parse().expect("a mailbox"),
        details: Some(OutboundDetails {
            recipient: format!("Y{:05}", number % 2_000),
            workflow: workflow.to_owned(),
            local_id: format!("LAB-{number}").parse().ok(),
            file_name: Some(format!("report{number}.dat")),
            length: 20_000,
        }),
        tell: false,
        reply: None,
        state,
        at: at(number),
    }
}
