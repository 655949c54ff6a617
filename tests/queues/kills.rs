//! The relay under load both ways, killed again and again at random moments and started again at once. In the end somebody
//! who knows nothing of its code counts what was put into the queue, what is at MESH, what came out of the exchanges, what
//! was told and what the journal says (`account`). The seed of the moments and of the messages is printed;
//! `MESH_RELAY_PROVE_SEED` plays it again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mesh_sandbox::{Call, Effect, Fault};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::account::{Account, Tables};
use super::broker::Broker;
use super::scene::{Scene, TO_BOB};
use crate::process::{Relay, Site};

/// Longest and shortest life between a start and a kill.
const LIFE: (Duration, Duration) = (Duration::ZERO, Duration::from_millis(900));
/// How long it may take until all is done that the last kill left.
const DRY_WITHIN: Duration = Duration::from_secs(120);
/// How often MESH takes its time, and how long, so that many kills fall into the middle of a call.
const SLOW: (f64, u64) = (0.3, 20);
/// How often MESH's answer to a send is lost.
const LOST: f64 = 0.02;
/// Longest pause between two messages, in milliseconds.
const PAUSE_MAX_MS: u64 = 30;
/// Messages in the queue above which nothing is added: a relay that is killed all the time falls behind.
const WAITING_MAX: u32 = 60;
/// Pause between two looks at what is left.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Ways in which a message can be unfit.
const UNFIT: [&[(&str, &str)]; 3] =
    [&[("mesh_to", "X26NONE"), TO_BOB[1]], &[TO_BOB[1]], &[TO_BOB[0], TO_BOB[1], ("mesh_compress", "maybe")]];

/// What a system puts into the queue: mostly fit, now and then twice.
async fn load(url: String, queue: String, seed: u64, stop: Arc<AtomicBool>) -> BTreeMap<String, Vec<u8>> {
    let broker = Broker::connect(&url).await;
    let mut random = StdRng::seed_from_u64(seed ^ 1);
    let mut sent = BTreeMap::new();
    while !stop.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(random.random_range(0..=PAUSE_MAX_MS))).await;
        if broker.ready(&queue).await >= WAITING_MAX {
            continue;
        }
        let id = format!("M{:06}", sent.len());
        let length = random.random_range(1..20_000);
        let body: Vec<u8> = (0..length).map(|_| random.random()).collect();
        let headers = match random.random_range(0..100) {
            kind @ 0..6 => UNFIT[kind % UNFIT.len()],
            _ => &TO_BOB,
        };
        for _ in 0..if random.random_bool(0.05) { 2 } else { 1 } {
            broker.put(&queue, &id, headers, &body).await;
        }
        sent.insert(id, body);
    }
    sent
}

/// Runs the relay for a moment and kills it. Gives what its log says that it should never say.
async fn live_and_die(site: &Site, life: Duration) -> Option<String> {
    let mut relay = Relay::spawn(&site.path("relay.toml"));
    tokio::time::sleep(life).await;
    relay.kill();
    let log = relay.log();
    log.lines().find(|line| ["panicked", "INV-"].iter().any(|word| line.contains(word))).map(str::to_owned)
}

/// Kills the relay so many times, lets it come to an end, and counts.
pub async fn run(scene: Scene, kills: u64, seed: u64) {
    println!("{kills} kills, seed {seed}");
    let began = Instant::now();
    let (probability, millis) = SLOW;
    let slow = Fault { probability, ..Fault::new("slow", Effect::Delay { millis }) };
    let lost = Fault { probability: LOST, calls: vec![Call::Send], ..Fault::new("lost", Effect::LoseAnswer) };
    for fault in [slow, lost] {
        scene.sandbox.faults().add(fault).expect("a fault");
    }
    scene.reword(&[
        ("poll = \"200ms\"", "poll = \"50ms\""),
        ("retry_first = \"200ms\"", "retry_first = \"50ms\""),
        ("doubt_wait = \"300ms\"", "doubt_wait = \"50ms\""),
    ]);
    scene.make().await;
    let stop = Arc::new(AtomicBool::new(false));
    let (url, queue) = (scene.broker.url.clone(), scene.outbound.clone());
    let loading = tokio::spawn(load(url, queue, seed, Arc::clone(&stop)));

    let mut random = StdRng::seed_from_u64(seed);
    let (mut account, mut said) = (Account::default(), Vec::new());
    for kill in 1..=kills {
        let life = random.random_range(LIFE.0..=LIFE.1);
        said.extend(live_and_die(&scene.site, life).await);
        account.take(&scene).await;
        if kill % 50 == 0 {
            println!(
                "{kill} kills in {:.0} s, {} messages came",
                began.elapsed().as_secs_f64(),
                account.came.len()
            );
        }
    }
    stop.store(true, Ordering::SeqCst);
    let sent = loading.await.expect("a load");
    let tables = until_dry(&scene, sent.len(), &mut account, seed).await;

    let mut faults = account.faults(&scene, &tables, &sent);
    faults.extend(said.into_iter().map(|line| format!("a log says: {line}")));
    let rows = || tables.outbound.values().flatten();
    println!(
        "{kills} kills: {} messages, {} at MESH, {} marked as sent again, {} parked, {} came again marked, {} events, {} of \
         them again; {} faults, {:.0} s, seed {seed}",
        sent.len(),
        scene.for_bob().len(),
        rows().filter(|row| row.marked).count(),
        account.parked.len(),
        account.came.values().map(|copies| copies.len() - 1).sum::<usize>(),
        account.told.values().map(Vec::len).sum::<usize>(),
        account.told.values().map(Vec::len).sum::<usize>()
            - rows().map(|row| row.states.len()).sum::<usize>(),
        faults.len(),
        began.elapsed().as_secs_f64()
    );
    assert!(faults.is_empty(), "seed {seed}: {faults:#?}");
}

/// Runs the relay until nothing is left to do.
async fn until_dry(scene: &Scene, sent: usize, account: &mut Account, seed: u64) -> Tables {
    let deadline = Instant::now() + DRY_WITHIN;
    loop {
        let relay = scene.site.run().await;
        loop {
            account.take(scene).await;
            if scene.broker.ready(&scene.outbound).await == 0
                && let Ok(tables) = Tables::read(scene)
                && tables.is_done()
                && tables.outbound.len() == sent
                && tables.inbound.len() == scene.for_bob().len()
            {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "seed {seed}: something is never done: {} of {sent} messages, {} in the queue, {:?}",
                Tables::read(scene).map_or(0, |tables| tables.outbound.len()),
                scene.broker.ready(&scene.outbound).await,
                Tables::read(scene).map(|tables| tables.undone())
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        assert!(relay.stop().await.0.success());
        account.take(scene).await;
        // A delivery that had just come when the relay was stopped is in the queue again.
        if scene.broker.ready(&scene.outbound).await == 0 {
            return Tables::read(scene).expect("a journal that can be read");
        }
    }
}

/// The number that a variable holds.
pub fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
