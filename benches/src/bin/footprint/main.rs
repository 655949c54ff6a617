//! How little the relay takes: the program's size, the time from its start until it runs, and what it holds and does while 50
//! mailboxes with a folder each have nothing to carry.

mod idle;
mod outcome;
mod site;

use std::time::{Duration, Instant};

use mesh_relay_benches::report::Spread;
use mesh_relay_benches::servers::{self, Server};

use idle::Idle;
use outcome::Started;
use site::Site;

/// Starts that are timed, after one that is not: it makes the journal and has the system read the program from disk.
const STARTS: usize = 20;
/// Mailboxes of the relay that idles, each with a folder.
const MAILBOXES: usize = 50;
/// Pauses between two looks at an inbox, while idle: as live has it, and as a sandbox on the same machine.
const POLLS: [Duration; 2] = [Duration::from_secs(300), Duration::from_secs(1)];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
}

async fn measure() {
    let size = servers::program_bytes();
    let mut started = Vec::new();
    for mailboxes in [2, MAILBOXES] {
        eprintln!("==> {STARTS} starts with {mailboxes} mailboxes");
        started.push(starts(mailboxes).await);
    }
    let mut idle = Vec::new();
    for poll in POLLS {
        eprintln!("==> {MAILBOXES} mailboxes that are looked into each {} s", poll.as_secs());
        let site = Site::new(MAILBOXES, poll);
        let server = Server::start_with(&site.mailboxes()).await;
        site.configure(&server);
        let relay = servers::relay(&site.configuration()).await;
        idle.push(Idle::of(&relay, poll).await);
        server.stop().await;
    }
    outcome::tell(size, &started, &idle);
}

async fn starts(mailboxes: usize) -> Started {
    let site = Site::new(mailboxes, POLLS[0]);
    let server = Server::start_with(&site.mailboxes()).await;
    site.configure(&server);
    let mut times = Vec::with_capacity(STARTS);
    for number in 0..=STARTS {
        let began = Instant::now();
        let mut relay = servers::relay(&site.configuration()).await;
        if number > 0 {
            times.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
        relay.kill().await.expect("the relay ended");
    }
    server.stop().await;
    Started { mailboxes, milliseconds: Spread::of(times) }
}
