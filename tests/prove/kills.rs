//! The release's program under load, killed thousands of times at random moments and started again at once. In the end
//! somebody who knows nothing of its code counts what was dropped, what is at MESH, what came out and what the journal
//! says. `MESH_RELAY_PROVE_KILLS` says how often it is killed; the seed of the moments and of the messages is printed,
//! and `MESH_RELAY_PROVE_SEED` plays it again.

mod load;
mod oracle;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mesh_sandbox::{Effect, Fault, Sandbox};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::process::{ALICE, BOB, Relay, Site};
use crate::stranger::Stranger;
use load::{Application, Load};

/// Unless `MESH_RELAY_PROVE_KILLS` says otherwise.
const KILLS_USUALLY: u64 = 2_000;
/// Longest life between a start and a kill.
const LIFE_MAX: Duration = Duration::from_millis(400);
/// How long it may take until all is done that the last kill left.
const DRY_WITHIN: Duration = Duration::from_secs(600);
/// How often MESH takes its time, and how long, so that many kills fall into the middle of a call.
const SLOW: (f64, u64) = (0.3, 20);
/// How many faults are shown in full.
const FAULTS_SHOWN_MAX: usize = 500;
/// Pause between two looks at what is left.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Intervals so short that much happens in one life, and a way for each strategy.
fn configuration(site: &Site, mesh_url: &str) -> String {
    let routes = "route = [{ match = { workflow = \"RESEND\" }, in_doubt = \"resend\" }, \
                  { match = { workflow = \"TWO_STEP\" }, in_doubt = \"two-step\" }]\n";
    site.configuration(mesh_url, "")
        .replace("poll = \"200ms\"", "poll = \"40ms\"")
        .replace("grace = \"100ms\"", "grace = \"20ms\"")
        .replace("scan = \"500ms\"", "scan = \"100ms\"")
        .replace("retry_first = \"200ms\"", "retry_first = \"50ms\"")
        .replace("doubt_wait = \"300ms\"", "doubt_wait = \"50ms\"")
        .replace("[send]\n", &format!("[send]\n{routes}"))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Runs the relay for a moment and kills it. Gives what its log says that it should never say.
async fn live_and_die(site: &Site, life: Duration) -> Option<String> {
    let mut relay = Relay::spawn(&site.path("relay.toml"));
    tokio::time::sleep(life).await;
    relay.kill();
    let log = relay.log();
    let never = ["panicked", "INV-", "error:"];
    log.lines().find(|line| never.iter().any(|word| line.contains(word))).map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_thousands_of_times_under_load_nothing_is_lost_and_nothing_doubled_unmarked() {
    let kills = number("MESH_RELAY_PROVE_KILLS").unwrap_or(KILLS_USUALLY);
    let seed = number("MESH_RELAY_PROVE_SEED").unwrap_or_else(rand::random);
    println!("{kills} kills, seed {seed}");
    let began = Instant::now();
    let sandbox = Arc::new(Sandbox::loopback().await.expect("a sandbox"));
    let (probability, millis) = SLOW;
    let slow = Fault { probability, ..Fault::new("slow", Effect::Delay { millis }) };
    sandbox.faults().add(slow).expect("a fault");
    let site = Site::new(&sandbox.base_url(), "");
    site.write("relay.toml", configuration(&site, &sandbox.base_url()));

    let stop = Arc::new(AtomicBool::new(false));
    let roots = [(ALICE, site.alice.clone()), (BOB, site.bob.clone())];
    let mut load = Load::new(seed, &roots);
    let stopped = Arc::clone(&stop);
    let loading = tokio::spawn(async move {
        while !stopped.load(Ordering::SeqCst) {
            load.drop_one().await;
        }
        load
    });
    let (stranger, stopped) = (Stranger::new(&sandbox.base_url()), Arc::clone(&stop));
    let seeding = tokio::spawn(async move { load::seed_inboxes(seed, &stranger, &stopped).await });
    let mut application = Application::new(&roots, sandbox.address());

    let mut random = StdRng::seed_from_u64(seed);
    let mut said = Vec::new();
    for kill in 1..=kills {
        let life = random.random_range(Duration::ZERO..=LIFE_MAX);
        said.extend(live_and_die(&site, life).await);
        application.work().await;
        if kill % 100 == 0 {
            println!("{kill} kills in {:.0} s, {} pairs", began.elapsed().as_secs_f64(), application.sent());
        }
    }
    stop.store(true, Ordering::SeqCst);
    let load = loading.await.expect("a load");
    let seeded = seeding.await.expect("seeded messages");

    let relay = site.run().await;
    let deadline = Instant::now() + DRY_WITHIN;
    loop {
        application.work().await;
        if oracle::is_dry(&sandbox, &site) && application.has_seen_all(&load) {
            break;
        }
        assert!(Instant::now() < deadline, "seed {seed}: something is never done:\n{}", relay.log());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let (status, _) = relay.stop().await;
    assert!(status.success());
    application.work().await;

    let mut found = oracle::look(&sandbox, &site, &load, &application, seeded).await;
    found.faults.extend(said.into_iter().map(|line| format!("a log says: {line}")));
    println!("{kills} kills, {found}, {:.0} s, seed {seed}", began.elapsed().as_secs_f64());
    for fault in found.faults.iter().take(FAULTS_SHOWN_MAX) {
        println!("fault: {fault}");
    }
    assert!(found.faults.is_empty(), "{} faults, seed {seed}", found.faults.len());
}
