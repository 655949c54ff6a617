//! What the relay asked of MESH, and when: from the sandbox's list of its last requests.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use mesh_relay_benches::load::{BOB, Connection};
use mesh_relay_benches::servers::Server;
use serde::Deserialize;

/// As many as the sandbox remembers.
const MOST: usize = 2_000;

#[derive(Deserialize)]
struct List {
    requests: Vec<Request>,
}

#[derive(Deserialize)]
struct Request {
    number: u64,
    at: Timestamp,
    call: String,
    mailbox: Option<String>,
    message_id: Option<String>,
    status: Option<u16>,
    micros: i64,
}

/// All that was asked since it is followed.
pub(crate) struct Asked {
    connection: Connection,
    last: u64,
    /// When an answer about a message was ready, by call and MESH's id.
    answered: HashMap<(String, String), Timestamp>,
    /// When the receiver looked into its inbox.
    listed: Vec<Timestamp>,
}

impl Asked {
    /// From now on.
    pub(crate) async fn follow(server: &Server) -> Self {
        let connection = Connection::open(server).await;
        Self { connection, last: 0, answered: HashMap::new(), listed: Vec::new() }
    }

    /// Takes down what was asked since the last look.
    pub(crate) async fn look(&mut self) {
        let list: List = serde_json::from_slice(&self.connection.requests(MOST).await).expect("requests");
        let known = self.last;
        for request in list.requests.into_iter().filter(|request| request.number > known) {
            assert!(request.number == self.last + 1, "the sandbox forgot requests; look more often");
            self.last = request.number;
            assert!(request.status.is_none_or(|status| status < 400), "{} was refused", request.call);
            let answered = request.at + SignedDuration::from_micros(request.micros);
            if let Some(id) = request.message_id {
                self.answered.insert((request.call, id), answered);
            } else if request.call == "list" && request.mailbox.as_deref() == Some(BOB) {
                self.listed.push(request.at);
            }
        }
    }

    /// When a call about a message was answered, such as the `send` that MESH accepted it with.
    pub(crate) fn answered(&self, call: &str, id: &str) -> Timestamp {
        let at = self.answered.get(&(call.to_owned(), id.to_owned()));
        *at.unwrap_or_else(|| panic!("there was no {call} of {id}"))
    }

    /// When the look at the inbox was made that found a message: the first one behind its arrival, or the last before its
    /// download where it arrived while that look was being answered.
    pub(crate) fn found(&self, id: &str) -> Timestamp {
        let (arrived, downloaded) = (self.answered("send", id), self.answered("download", id));
        let mut looks = self.listed.iter().filter(|at| **at <= downloaded);
        let last = looks.clone().next_back().expect("a look before the download");
        *looks.find(|at| **at >= arrived).unwrap_or(last)
    }
}
