//! The journal on real files.

mod asking;
mod behaviour;
mod deeds;
mod grouping;
mod opening;
mod promises;
mod upgrading;

use std::path::PathBuf;

use jiff::Timestamp;
use relay_core::{
    Begin, Evidence, KeyReuse, NewInbound, NewOutbound, OutboundChange, OutboundDetails, OutboundState,
    RelayId, Resent, SourceKey,
};
use tempfile::TempDir;
use uuid::Uuid;

use crate::SqliteJournal;

/// A folder of its own for one test.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("journal.db")
    }

    fn open(&self) -> SqliteJournal {
        SqliteJournal::open(&self.path()).unwrap()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn relay_id(number: u128) -> RelayId {
    RelayId(Uuid::from_u128(number))
}

fn outbound(number: u128, key: &str) -> NewOutbound {
    NewOutbound {
        relay_id: relay_id(number),
        source: SourceKey { adapter: "pathology".to_owned(), message: key.to_owned() },
        reuse: KeyReuse::OnceSettled,
        fingerprint: None,
        mailbox: "X26ABC1".parse().unwrap(),
        details: Some(OutboundDetails {
            recipient: "X26ABC2".to_owned(),
            workflow: "PATH_MEDRPT_V3".to_owned(),
            local_id: Some("report-1".parse().unwrap()),
            file_name: Some("report.dat".to_owned()),
            length: 17,
        }),
        tell: false,
        reply: None,
        at: at(0),
        state: OutboundState::Received { attempts: 0, resent: Resent::No },
    }
}

fn out(state: OutboundState, at: Timestamp) -> OutboundChange {
    OutboundChange { state, note: None, due: None, at }
}

fn inbound(number: u128, message_id: &str) -> NewInbound {
    NewInbound {
        relay_id: relay_id(number),
        mailbox: "X26ABC1".parse().unwrap(),
        message_id: message_id.parse().unwrap(),
        at: at(0),
    }
}

fn accepted() -> OutboundState {
    OutboundState::Accepted {
        id: "20260101000000000000_AAAAAA".parse().unwrap(),
        at: at(5),
        by: Evidence::Answer,
        resent: Resent::No,
        followed: 0,
    }
}

#[track_caller]
fn new<R>(begun: Begin<R>) -> R {
    match begun {
        Begin::New(record) => record,
        Begin::Known(_) => panic!("the message is known already"),
    }
}

#[track_caller]
fn known<R>(begun: Begin<R>) -> R {
    match begun {
        Begin::Known(record) => record,
        Begin::New(_) => panic!("the message is new"),
    }
}
