//! One repetition of a row: everything made anew, filled, carried, counted and removed.

use std::time::Duration;

use futures_util::future::join_all;
use mesh_relay_benches::load::Connection;
use mesh_relay_benches::servers::{Maker, Server};
use mesh_relay_benches::usage::{self, CpuTime};
use tokio::time::Instant;

use crate::broker::{Broker, Facts, Kind, Spot, Way};
use crate::floor::{Floor, Order};
use crate::site::Site;
use crate::{Bounds, message, rest};

/// Messages of one mailbox that the relay downloads at a time.
pub(crate) const DOWNLOADS: usize = 4;
/// Longest time until all messages are carried.
pub(crate) const RUN_WAIT: Duration = Duration::from_secs(600);

/// Connections that fill an inbox.
const FILLING: usize = 16;

/// What is measured: the relay, or what it is measured beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// The relay.
    Relay(Way),
    /// A bare program.
    Floor(Floor),
}

/// What was seen of the one that did the work.
pub(crate) struct Ran {
    /// From the first message done to the last.
    pub(crate) stretch: Duration,
    /// Of the whole process, its start included.
    pub(crate) cpu: Duration,
    pub(crate) peak_kib: u64,
}

/// A repetition.
pub(crate) struct Measured {
    pub(crate) messages_a_second: f64,
    /// Processor time for each message, in microseconds: of the relay or the bare program, of the broker, of the server.
    pub(crate) cpu_micros: [f64; 3],
    pub(crate) peak_mib: f64,
    /// Share of all processor time of the machine that others used meanwhile.
    pub(crate) foreign: f64,
}

impl Row {
    /// In the order in which they are measured: each floor beside its scenario.
    const ALL: [Self; 10] = [
        Self::Relay(Way::Out),
        Self::Floor(Floor::Pump),
        Self::Floor(Floor::Consume),
        Self::Floor(Floor::Post),
        Self::Relay(Way::OutTold),
        Self::Relay(Way::In),
        Self::Relay(Way::InTransactions),
        Self::Floor(Floor::Drain),
        Self::Floor(Floor::Receive),
        Self::Floor(Floor::Publish),
    ];

    /// Those that a kind of broker has.
    pub(crate) fn of(kind: Kind) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |row| match row {
            Self::Relay(way) => kind.goes(*way),
            Self::Floor(_) => true,
        })
    }

    /// As the table has it.
    pub(crate) fn name(self, kind: Kind) -> String {
        let Facts { queue, ack, .. } = kind.facts();
        match self {
            Self::Relay(Way::Out) => format!("relay: {queue} -> MESH"),
            Self::Relay(Way::OutTold) => format!("relay: {queue} -> MESH, events told"),
            Self::Relay(Way::In) => format!("relay: MESH -> {queue}"),
            Self::Relay(Way::InTransactions) => format!("relay: MESH -> {queue} in transactions"),
            Self::Floor(Floor::Pump) => format!("bare consume, post, {ack}"),
            Self::Floor(Floor::Consume) => format!("bare consume, {ack}"),
            Self::Floor(Floor::Post) => "bare post".to_owned(),
            Self::Floor(Floor::Drain) => "bare get, publish, acknowledge".to_owned(),
            Self::Floor(Floor::Receive) => "bare get, acknowledge".to_owned(),
            Self::Floor(Floor::Publish) => "bare publish".to_owned(),
        }
    }

    fn empties_queue(self) -> bool {
        matches!(self, Self::Relay(Way::Out | Way::OutTold) | Self::Floor(Floor::Pump | Floor::Consume))
    }

    fn empties_inbox(self) -> bool {
        matches!(
            self,
            Self::Relay(Way::In | Way::InTransactions) | Self::Floor(Floor::Drain | Floor::Receive)
        )
    }

    fn fills_queue(self) -> bool {
        matches!(
            self,
            Self::Relay(Way::In | Way::InTransactions) | Self::Floor(Floor::Drain | Floor::Publish)
        )
    }

    fn fills_inbox(self) -> bool {
        matches!(self, Self::Relay(Way::Out | Way::OutTold) | Self::Floor(Floor::Pump | Floor::Post))
    }

    /// Measures it once, on a fresh server and a queue of its own.
    pub(crate) async fn measure(self, bounds: &Bounds, spot: &Spot) -> Measured {
        let Bounds { count, in_flight, .. } = *bounds;
        let (broker, server) = (spot.connect().await, Server::start(Maker::Ours).await);
        broker.make_all().await;
        if self.empties_queue() {
            broker.fill(count).await;
        }
        if self.empties_inbox() {
            fill_inbox(&server, count).await;
        }
        let others = [spot.kind.process(), server.process()];
        rest::until(&others).await;
        let before = Counts::of(others);
        let ran = match self {
            Self::Relay(way) => {
                let site = Site { broker: &*broker, server: &server, in_flight, count };
                site.carry(way, &others).await
            }
            Self::Floor(floor) => {
                let (spot, server) = (spot.clone(), server.address);
                Order { floor, spot, server, count, in_flight }.carry_out().await
            }
        };
        rest::until(&others).await;
        let measured = before.measured(others, count, &ran);
        self.check(&self.name(spot.kind), &*broker, &server, count).await;
        broker.remove_all().await;
        server.stop().await;
        measured
    }

    /// Ends the program unless every message is where it should be, once, and nowhere else.
    async fn check(self, name: &str, broker: &dyn Broker, server: &Server, count: usize) {
        let mut connection = Connection::open(server).await;
        let in_queue = if self.fills_queue() { count } else { 0 };
        let in_inbox = if self.fills_inbox() { count } else { 0 };
        message::check(&format!("{name}, in the queue"), broker.take_all().await, in_queue);
        let mut numbers = Vec::with_capacity(in_inbox);
        for id in connection.list_all().await {
            numbers.push(message::number(&connection.download_body(&id).await));
        }
        message::check(&format!("{name}, in the inbox"), numbers, in_inbox);
        let told = broker.told().await;
        let enough = if self == Self::Relay(Way::OutTold) { told >= count } else { told == 0 };
        let parked = broker.parked().await;
        assert!(parked == 0, "{name}: {parked} messages were parked");
        assert!(enough, "{name}: {told} events were told of {count} messages");
    }
}

/// What was used up to a moment.
struct Counts {
    at: Instant,
    others: [CpuTime; 2],
    own: CpuTime,
    machine: Duration,
}

impl Counts {
    fn of(others: [u32; 2]) -> Self {
        Self {
            at: Instant::now(),
            others: others.map(CpuTime::now),
            own: CpuTime::now(std::process::id()),
            machine: usage::of_machine(),
        }
    }

    fn measured(&self, others: [u32; 2], count: usize, ran: &Ran) -> Measured {
        let now = Self::of(others);
        let [broker, server] = [0, 1].map(|other| now.others[other].whole_since(self.others[other]));
        let known = broker + server + ran.cpu + now.own.whole_since(self.own);
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let foreign = now.machine.saturating_sub(self.machine).saturating_sub(known);
        let micros = |used: Duration| used.as_secs_f64() * 1e6 / count as f64;
        Measured {
            // The first of them begins the stretch.
            messages_a_second: (count - 1) as f64 / ran.stretch.as_secs_f64(),
            cpu_micros: [ran.cpu, broker, server].map(micros),
            peak_mib: ran.peak_kib as f64 / 1024.0,
            foreign: foreign.as_secs_f64() / (now.at.duration_since(self.at).as_secs_f64() * cores),
        }
    }
}

/// Sends so many messages, numbered from 0 on.
async fn fill_inbox(server: &Server, count: usize) {
    let lane = |first: usize| async move {
        let mut connection = Connection::open(server).await;
        for number in (first..count).step_by(FILLING) {
            connection.send_body(message::body(number)).await;
        }
    };
    join_all((0..FILLING).map(lane)).await;
}
