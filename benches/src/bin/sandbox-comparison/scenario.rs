//! What the bare client asks of a server.

use std::time::{Duration, Instant};

use mesh_api::MessageId;
use mesh_relay_benches::load::Connection;
use mesh_relay_benches::report::Measured;
use mesh_relay_benches::servers::{Maker, Server};
use tokio::task::JoinSet;

/// How many connections make requests at a time.
pub(crate) const CONNECTIONS: usize = 4;

/// How many messages the inbox holds while it is listed or downloaded from.
pub(crate) const INBOX: usize = 100;

/// The smallest page that MESH gives.
const PAGE: usize = 10;

/// What each connection does before it is measured, in steps.
const WARM_UP: usize = 25;

/// What is measured. A step is one request, or one round of four in [`Scenario::Cycle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// The check that credentials work.
    Handshake,
    /// A message to the outbox.
    Send,
    /// A page that holds the whole inbox.
    List,
    /// A message from the inbox.
    Download,
    /// A message taken out of the inbox.
    Acknowledge,
    /// All of a message's life: send, list, download, acknowledge.
    Cycle,
}

impl Scenario {
    /// In the order in which they are measured and told.
    pub(crate) const ALL: [Self; 6] =
        [Self::Handshake, Self::Send, Self::List, Self::Download, Self::Acknowledge, Self::Cycle];

    /// As the table has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Send => "send",
            Self::List => "list",
            Self::Download => "download",
            Self::Acknowledge => "acknowledge",
            Self::Cycle => "cycle",
        }
    }

    /// Steps of each connection in a round: what keeps the official emulator busy for about two seconds. Not more,
    /// because it looks through all that its inbox ever held at every call and so slows down on the way.
    fn steps(self) -> usize {
        match self {
            Self::Cycle => 100,
            _ => 400,
        }
    }

    fn requests_a_step(self) -> u64 {
        if self == Self::Cycle { 4 } else { 1 }
    }

    /// Messages that each connection sends before it starts.
    fn stock(self) -> usize {
        match self {
            Self::Handshake | Self::Send | Self::Cycle => 0,
            Self::List | Self::Download => INBOX / CONNECTIONS,
            Self::Acknowledge => WARM_UP + self.steps(),
        }
    }

    /// Measures one round on a fresh server.
    pub(crate) async fn round(self, maker: Maker) -> Measured {
        let server = Server::start(maker).await;
        let mut lanes = Vec::new();
        for _ in 0..CONNECTIONS {
            lanes.push(Lane { connection: Connection::open(&server).await, stock: Vec::new(), done: 0 });
        }
        for lane in &mut lanes {
            for _ in 0..self.stock() {
                lane.stock.push(lane.connection.send().await);
            }
        }
        let (lanes, _) = self.run(lanes, WARM_UP).await;
        let before = server.cpu().await;
        let (_, wall) = self.run(lanes, self.steps()).await;
        let cpu = server.cpu().await.since(before);
        let requests = (CONNECTIONS * self.steps()) as u64 * self.requests_a_step();
        let measured = Measured { requests, wall, cpu, peak_kib: server.peak_kib() };
        server.stop().await;
        measured
    }

    /// Lets every lane make its steps, all at a time, and gives them back with the time that all took.
    async fn run(self, lanes: Vec<Lane>, steps: usize) -> (Vec<Lane>, Duration) {
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for mut lane in lanes {
            tasks.spawn(async move {
                for _ in 0..steps {
                    lane.step(self).await;
                }
                lane
            });
        }
        let lanes = tasks.join_all().await;
        (lanes, started.elapsed())
    }
}

/// A connection and the messages it may use.
struct Lane {
    connection: Connection,
    stock: Vec<MessageId>,
    /// Steps made so far.
    done: usize,
}

impl Lane {
    async fn step(&mut self, scenario: Scenario) {
        let connection = &mut self.connection;
        match scenario {
            Scenario::Handshake => connection.handshake().await,
            Scenario::Send => {
                connection.send().await;
            }
            Scenario::List => {
                let listed = connection.list(INBOX).await.len();
                assert!(listed == INBOX, "{:?} lists {listed} messages, not {INBOX}", connection.maker());
            }
            Scenario::Download => connection.download(&self.stock[self.done % self.stock.len()]).await,
            Scenario::Acknowledge => connection.acknowledge(&self.stock[self.done]).await,
            Scenario::Cycle => {
                let id = connection.send().await;
                // The other lanes have one message each at most, so that the first page has them all.
                let listed = connection.list(PAGE).await;
                assert!(listed.contains(&id), "{:?} sent {id} but lists {listed:?}", connection.maker());
                connection.download(&id).await;
                connection.acknowledge(&id).await;
            }
        }
        self.done += 1;
    }
}
