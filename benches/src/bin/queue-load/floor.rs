//! What the relay is measured beside: bare programs that do the same outside work, or a part of it, without a journal.
//! Each runs in a process of its own.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mesh_relay_benches::load::Connection;
use mesh_relay_benches::servers::Maker;
use mesh_relay_benches::usage::{self, CpuTime};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::broker::{PUBLISHERS, Spot};
use crate::message;
use crate::run::{DOWNLOADS, RUN_WAIT, Ran};

/// Which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Floor {
    /// Consume, post, ack or commit: all that queue to MESH does outside.
    Pump,
    /// Consume and ack or commit.
    Consume,
    /// Post.
    Post,
    /// Get, publish, acknowledge: all that MESH to queue does outside.
    Drain,
    /// Get and acknowledge.
    Receive,
    /// Publish.
    Publish,
}

/// What a floor's process is told, as JSON.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) floor: Floor,
    pub(crate) spot: Spot,
    pub(crate) server: SocketAddr,
    pub(crate) count: usize,
    pub(crate) in_flight: usize,
}

/// What it tells.
#[derive(Serialize, Deserialize)]
struct Told {
    seconds: f64,
    cpu_seconds: f64,
    peak_kib: u64,
}

impl Order {
    /// Runs it in a new process.
    pub(crate) async fn carry_out(&self) -> Ran {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.arg(serde_json::to_string(self).expect("an order as JSON"));
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
        let output =
            timeout(RUN_WAIT, command.output()).await.expect("a floor that ends").expect("a process");
        assert!(output.status.success(), "the floor {:?} failed", self.floor);
        let told: Told = serde_json::from_slice(&output.stdout).expect("a floor's figures");
        Ran {
            stretch: Duration::from_secs_f64(told.seconds),
            cpu: Duration::from_secs_f64(told.cpu_seconds),
            peak_kib: told.peak_kib,
        }
    }

    /// Runs it in this process, which is its own.
    pub(crate) async fn obey(self) {
        let stretch = match self.floor {
            Floor::Pump => self.pump().await,
            Floor::Consume => self.consume().await,
            Floor::Post => self.post().await,
            Floor::Drain => self.drain(true).await,
            Floor::Receive => self.drain(false).await,
            Floor::Publish => self.publish().await,
        };
        let id = std::process::id();
        let told = Told {
            seconds: stretch.as_secs_f64(),
            cpu_seconds: CpuTime::now(id).whole_since(CpuTime::NONE).as_secs_f64(),
            peak_kib: usage::peak_kib(id),
        };
        println!("{}", serde_json::to_string(&told).expect("figures as JSON"));
    }

    async fn pump(&self) -> Duration {
        let intake = self.spot.intake(self.in_flight).await;
        let lanes = self.connections(self.in_flight).await;
        let taken = Arc::clone(&intake);
        let stretch = self.run(lanes, move |mut connection, _| {
            let intake = Arc::clone(&taken);
            async move {
                let taken = intake.next().await;
                connection.send_body(taken.body).await;
                intake.ack(taken.place).await;
                connection
            }
        });
        let stretch = stretch.await;
        intake.close().await;
        stretch
    }

    async fn consume(&self) -> Duration {
        let intake = self.spot.intake(self.in_flight).await;
        let numbers = Arc::new(Mutex::new(Vec::with_capacity(self.count)));
        let (taken, seen) = (Arc::clone(&intake), Arc::clone(&numbers));
        let stretch = self.run(vec![()], move |(), _| {
            let (intake, numbers) = (Arc::clone(&taken), Arc::clone(&seen));
            async move {
                let taken = intake.next().await;
                numbers.lock().await.push(message::number(&taken.body));
                intake.ack(taken.place).await;
            }
        });
        let stretch = stretch.await;
        intake.close().await;
        message::check("consumed", std::mem::take(&mut *numbers.lock().await), self.count);
        stretch
    }

    async fn post(&self) -> Duration {
        let lanes = self.connections(self.in_flight).await;
        let post = |mut connection: Connection, number| async move {
            connection.send_body(message::body(number)).await;
            connection
        };
        self.run(lanes, post).await
    }

    /// Empties the inbox; with `publish`, into the queue.
    async fn drain(&self, publish: bool) -> Duration {
        let outlet = if publish { Some(self.spot.outlet().await) } else { None };
        let mut lanes = self.connections(DOWNLOADS).await;
        let ids = Arc::new(lanes[0].list_all().await);
        let numbers = Arc::new(Mutex::new(Vec::with_capacity(self.count)));
        let seen = Arc::clone(&numbers);
        let stretch = self.run(lanes, move |mut connection, place| {
            let (outlet, ids, numbers) = (outlet.clone(), Arc::clone(&ids), Arc::clone(&seen));
            async move {
                let body = connection.download_body(&ids[place]).await;
                let number = message::number(&body);
                if let Some(outlet) = &outlet {
                    outlet.publish(number).await;
                }
                connection.acknowledge(&ids[place]).await;
                numbers.lock().await.push(number);
                connection
            }
        });
        let stretch = stretch.await;
        message::check("received", std::mem::take(&mut *numbers.lock().await), self.count);
        stretch
    }

    async fn publish(&self) -> Duration {
        let outlet = self.spot.outlet().await;
        let lanes = vec![(); PUBLISHERS];
        let publish = move |(), number| {
            let outlet = Arc::clone(&outlet);
            async move { outlet.publish(number).await }
        };
        self.run(lanes, publish).await
    }

    async fn connections(&self, count: usize) -> Vec<Connection> {
        let mut connections = Vec::new();
        for _ in 0..count {
            connections.push(Connection::open_at(Maker::Ours, self.server).await);
        }
        connections
    }

    /// Lets the lanes do the work of every number, each one at a time, and says how long it took from the first that
    /// was done to the last.
    async fn run<L, W, F>(&self, lanes: Vec<L>, work: W) -> Duration
    where
        L: Send + 'static,
        W: Fn(L, usize) -> F + Clone + Send + 'static,
        F: Future<Output = L> + Send,
    {
        let (next, count) = (Arc::new(AtomicUsize::new(0)), self.count);
        let mut tasks = JoinSet::new();
        for mut lane in lanes {
            let (next, work) = (Arc::clone(&next), work.clone());
            tasks.spawn(async move {
                let mut done: Option<(Instant, Instant)> = None;
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return done;
                    }
                    lane = work(lane, number).await;
                    let now = Instant::now();
                    done = Some((done.map_or(now, |(first, _)| first), now));
                }
            });
        }
        let done: Vec<(Instant, Instant)> = tasks.join_all().await.into_iter().flatten().collect();
        let first = done.iter().map(|(first, _)| *first).min().expect("work done");
        let last = done.iter().map(|(_, last)| *last).max().expect("work done");
        last - first
    }
}
