//! What a system puts in: mostly fit, now and then twice, now and then such as can never be sent.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::process::BOB;

/// Longest pause between two messages, in milliseconds.
const PAUSE_MAX_MS: u64 = 30;
/// Bytes of the longest message, and one more.
const BODY_BYTES: usize = 20_000;
/// Of a hundred messages so many are unfit.
const UNFIT_OF_100: usize = 6;
/// How often a message is put in twice.
const TWICE: f64 = 0.05;

/// What a message for Bob says.
pub const TO_BOB: [(&str, &str); 2] = [("mesh_to", BOB), ("mesh_workflow_id", "TEST_WORKFLOW")];
/// Ways in which a message can be unfit. The first is found out by MESH alone.
const UNFIT: [&[(&str, &str)]; 3] =
    [&[("mesh_to", "X26NONE"), TO_BOB[1]], &[TO_BOB[1]], &[TO_BOB[0], TO_BOB[1], ("mesh_compress", "maybe")]];

/// A message as a system puts it in.
pub struct Message {
    pub id: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the relay can see by itself that MESH would not take it.
    pub is_unreadable: bool,
}

impl Message {
    pub fn new(id: &str, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers = headers.iter().map(owned).collect();
        Self { id: id.to_owned(), headers, body: body.to_vec(), is_unreadable: false }
    }

    /// One that the relay itself refuses.
    pub fn unreadable(self) -> Self {
        Self { is_unreadable: true, ..self }
    }

    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Messages without end, the same for the same seed.
pub struct Load {
    random: StdRng,
    count: usize,
}

impl Load {
    pub fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed ^ 1), count: 0 }
    }

    /// How long to wait before the next.
    pub fn pause(&mut self) -> Duration {
        Duration::from_millis(self.random.random_range(0..=PAUSE_MAX_MS))
    }

    /// A message, and how often it is put in.
    pub fn next(&mut self) -> (Message, usize) {
        let id = format!("M{:06}", self.count);
        self.count += 1;
        let length = self.random.random_range(1..BODY_BYTES);
        let body: Vec<u8> = (0..length).map(|_| self.random.random()).collect();
        let message = match self.random.random_range(0..100) {
            kind @ 0..UNFIT_OF_100 if kind % UNFIT.len() == 0 => Message::new(&id, UNFIT[0], &body),
            kind @ 0..UNFIT_OF_100 => Message::new(&id, UNFIT[kind % UNFIT.len()], &body).unreadable(),
            _ => Message::new(&id, &TO_BOB, &body),
        };
        (message, if self.random.random_bool(TWICE) { 2 } else { 1 })
    }
}
