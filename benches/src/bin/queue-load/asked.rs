//! When MESH was asked first and last for what a message ends with: from the sandbox's list of its last requests, so that
//! it is known to the microsecond although it is looked at now and then.

use jiff::{SignedDuration, Timestamp};
use mesh_relay_benches::load::Connection;
use serde::Deserialize;

/// As many as the sandbox remembers.
const MOST: u64 = 2_000;
/// Requests that may be made while it is asked how many there were.
const MEANWHILE: u64 = 200;
/// Requests told when all is done: the last call is among them, since little else is asked then.
const AT_LAST: usize = 1_000;

#[derive(Deserialize)]
struct List {
    total: u64,
    requests: Vec<Request>,
}

#[derive(Deserialize)]
struct Request {
    number: u64,
    at: Timestamp,
    call: String,
    status: Option<u16>,
    micros: i64,
}

impl Request {
    fn answered(&self) -> Timestamp {
        self.at + SignedDuration::from_micros(self.micros)
    }
}

/// Follows what is asked from a moment on.
pub(crate) struct Asked {
    since: u64,
}

impl Asked {
    /// From now on.
    pub(crate) async fn follow(eyes: &mut Connection) -> Self {
        Self { since: list(eyes, 1).await.total }
    }

    /// When a call was answered first, if one was. What was asked before is not asked about again.
    pub(crate) async fn first(&mut self, eyes: &mut Connection, call: &str) -> Option<Timestamp> {
        // A long list costs the server more than all that it is asked until the first call.
        let new = list(eyes, 1).await.total - self.since;
        let List { total, requests } = list(eyes, (new + MEANWHILE).min(MOST) as usize).await;
        let oldest = requests.first().map_or(0, |request| request.number);
        assert!(oldest <= self.since + 1, "the sandbox forgot requests between two looks; look more often");
        let mut new = requests.iter().filter(|request| request.number > self.since);
        let first = new.find(|request| request.call == call).map(Request::answered);
        self.since = total;
        first
    }

    /// When a call was answered last.
    pub(crate) async fn last(&self, eyes: &mut Connection, call: &str) -> Timestamp {
        let List { requests, .. } = list(eyes, AT_LAST).await;
        for request in requests.iter().filter(|request| request.number > self.since) {
            assert!(request.status.is_none_or(|status| status < 400), "a {} was refused", request.call);
        }
        let calls = requests.iter().filter(|request| request.call == call);
        calls
            .map(Request::answered)
            .max()
            .unwrap_or_else(|| panic!("there was no {call} among the last requests"))
    }
}

async fn list(eyes: &mut Connection, most: usize) -> List {
    serde_json::from_slice(&eyes.requests(most).await).expect("requests")
}
