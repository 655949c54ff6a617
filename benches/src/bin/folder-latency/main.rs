//! How long a pair takes through the relay: from quiet in OUT to accepted by MESH and shown in SENT, and from MESH to IN.
//!
//! The relay is the program itself, with two mailboxes on one journal, beside our sandbox; one mailbox drops pairs for the
//! other. What becomes visible is taken down by create events, and what MESH did by the sandbox's list of requests, all
//! by the same clock.

mod asked;
mod eyes;
mod outcome;
mod site;

use std::time::Duration;

use mesh_relay_benches::servers::{Maker, Server};
use tokio::time::{Instant, interval, sleep_until};

use asked::Asked;
use outcome::Phase;
use site::Site;

/// Pairs a second at leisure.
const GENTLE_RATE: f64 = 20.0;
/// How long pairs are dropped at each rate.
const PHASE: Duration = Duration::from_secs(60);
/// Pairs dropped at once to find out how many the relay takes a second.
const BURST: usize = 2_000;
/// Pause between two looks at what MESH was asked: few enough requests come in that time for none to be forgotten.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Longest time until what was dropped has come out.
const DONE_WITHIN: Duration = Duration::from_secs(300);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
}

async fn measure() {
    let gentle = phase("gentle", GENTLE_RATE).await;
    let full = phase("burst", f64::INFINITY).await.carried_a_second;
    let half = phase("half load", full / 2.0).await;
    outcome::tell(full, &[gentle, half]);
}

/// Drops pairs at a rate, each phase with a fresh server, journal and folders, and waits until all have arrived.
async fn phase(name: &'static str, rate: f64) -> Phase {
    eprintln!("==> {name}, {rate:.0} pairs a second");
    let server = Server::start(Maker::Ours).await;
    let site = Site::start(&server).await;
    let mut asked = Asked::follow(&server).await;
    let count = if rate.is_finite() { (PHASE.as_secs_f64() * rate) as usize } else { BURST };
    let (mut quiet, mut looks) = (Vec::with_capacity(count), interval(LOOK_EVERY));
    let began = Instant::now();
    while !site.has_shown(count) {
        let took = began.elapsed();
        assert!(took < PHASE + DONE_WITHIN, "{name}: not all pairs have come out within {took:?}");
        let next = began + Duration::from_secs_f64(quiet.len() as f64 / rate);
        tokio::select! {
            () = sleep_until(next), if quiet.len() < count => quiet.push(site.drop_pair(quiet.len())),
            _ = looks.tick() => asked.look().await,
        }
    }
    asked.look().await;
    let phase = Phase::new(name, rate, &site, &quiet, &asked);
    site.stop().await;
    server.stop().await;
    phase
}
