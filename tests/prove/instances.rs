//! Three relays on one journal and the same folders, paused, killed and cut off from the journal at random under load:
//! never two pollers on a mailbox, nothing lost, nothing doubled. `MESH_RELAY_PROVE_ROUNDS` says how often something
//! happens, `MESH_RELAY_PROVE_SEED` plays a run again.

mod cable;

use std::collections::{HashMap, HashSet};
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use mesh_sandbox::{Sandbox, SandboxConfig, StoredMessage};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use relay_testkit::pairs::Control;
use relay_testkit::wait::eventually;
use tokio_postgres::NoTls;

use crate::process::{ALICE, BOB, Relay, Site};
use cable::Cable;

const INSTANCES: usize = 3;
const ROUNDS: usize = 20;
/// The relays' lease, as short as it may be.
const LEASE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(1000);
/// Two looks at an inbox that are closer than this were made by two pollers.
const POLLS_APART_MIN: SignedDuration = SignedDuration::from_millis(800);
/// Pairs dropped between two events, both ways.
const PAIRS: usize = 10;

/// One relay, with the wire to its journal in the test's hands.
struct Instance {
    config: String,
    cable: Cable,
    relay: Relay,
}

/// What happens to an instance for a while.
#[derive(Debug, Clone, Copy)]
enum Mishap {
    Paused,
    Killed,
    CutOff,
}

fn signal(relay: &Relay, signal: &str) {
    let sent = Command::new("kill").args([signal, &relay.id().to_string()]).status().expect("kill");
    assert!(sent.success());
}

/// A database of its own on the server of the tests.
async fn database() -> String {
    let server = std::env::var("MESH_RELAY_TEST_POSTGRES").expect("a PostgreSQL; run `make prove`");
    let (client, connection) = tokio_postgres::connect(&server, NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    let name = format!("instances_{}", std::process::id());
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {name}; ")).await.expect("dropped");
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("created");
    let (before, _) = server.rsplit_once('/').expect("a URL");
    format!("{before}/{name}")
}

/// Looks at the leases all the time: an epoch never falls, and a holder never changes without a new one.
async fn watch_leases(url: String) {
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    let mut seen: HashMap<String, (i64, Option<String>)> = HashMap::new();
    loop {
        let rows =
            client.query("SELECT name, epoch, owner FROM mesh_relay.lease", &[]).await.expect("leases");
        for row in rows {
            let (name, epoch, owner): (String, i64, Option<String>) = (row.get(0), row.get(1), row.get(2));
            if let Some((before, holder)) = seen.get(&name) {
                assert!(epoch >= *before, "the epoch of {name} fell");
                let changed = owner.is_some() && holder.is_some() && owner != *holder;
                assert!(!changed || epoch > *before, "{name} changed hands within an epoch");
            }
            seen.insert(name, (epoch, owner));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How long after a pause a request may arrive that was on its way when the pause began. Its instance holds no lease by
/// then and can record nothing of the answer; no relay could call it back.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_millis(500);

/// Looks at inboxes that were too close to each other, and how many more were but for a request that a pause held up.
fn rivals(sandbox: &Sandbox, resumed: &[Timestamp], since: &mut Timestamp) -> (Vec<String>, usize) {
    let requests = sandbox.requests();
    let mut last: HashMap<String, Timestamp> = HashMap::new();
    let (mut rivals, mut held_up) = (Vec::new(), 0);
    let late = |at: Timestamp| resumed.iter().any(|resumed| at >= *resumed && at < *resumed + ON_ITS_WAY);
    for request in requests.iter().filter(|request| request.call == "list") {
        let mailbox = request.mailbox.as_ref().map(ToString::to_string).unwrap_or_default();
        if let Some(before) = last.insert(mailbox.clone(), request.at)
            && request.at > *since
            && request.at.duration_since(before) < POLLS_APART_MIN
        {
            if late(before) || late(request.at) {
                held_up += 1;
            } else {
                rivals.push(format!("{mailbox} was looked into at {before} and again at {}", request.at));
            }
        }
    }
    *since = requests.last().map_or(*since, |request| request.at);
    (rivals, held_up)
}

async fn start(site: &Site, url: &str, number: usize) -> Instance {
    let server = url.split("://").nth(1).and_then(|rest| rest.split('@').nth(1)).expect("a URL");
    let (address, _) = server.split_once('/').expect("a database");
    let cable = Cable::start(address.parse().expect("an address")).await;
    let url = url.replace(address, &cable.address().to_string());
    site.write(&format!("journal-{number}.url"), url);
    let journal = format!(
        "[journal]\nurl = {{ file = \"journal-{number}.url\" }}\ninstance = \"relay-{number}\"\nlease = \"{}s\"\n",
        LEASE.as_secs()
    );
    let config = site
        .configuration("MESH", "")
        .replace("[journal]\npath = \"journal.db\"\n", &journal)
        .replace("poll = \"200ms\"", &format!("poll = \"{}ms\"", POLL.as_millis()));
    let mesh = std::fs::read_to_string(site.path("mesh.url")).expect("written before");
    let config_name = format!("relay-{number}.toml");
    site.write(&config_name, config.replace("\"MESH\"", &format!("\"{mesh}\"")));
    let relay = Relay::start(&site.path(&config_name)).await;
    Instance { config: config_name, cable, relay }
}

fn drop_pairs(site: &Site, dropped: &mut usize) {
    for _ in 0..PAIRS {
        let number = *dropped;
        let (root, from, to) =
            if number.is_multiple_of(2) { (&site.alice, ALICE, BOB) } else { (&site.bob, BOB, ALICE) };
        let control = Control::new(from, to).local_id(&format!("L{number}"));
        root.drop_pair(&format!("P{number:05}"), &control, format!("payload {number}").as_bytes());
        *dropped += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_instances_one_at_a_time_has_a_mailbox() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("MESH_RELAY_PROVE_SEED").unwrap_or_else(rand::random);
    let rounds = number("MESH_RELAY_PROVE_ROUNDS").map_or(ROUNDS, |rounds| rounds as usize);
    let mut random = StdRng::seed_from_u64(seed);
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    site.write("mesh.url", sandbox.base_url());
    let url = database().await;
    let mut instances = Vec::new();
    for number in 1..=INSTANCES {
        instances.push(start(&site, &url, number).await);
    }
    let watching = tokio::spawn(watch_leases(url));
    let began = Instant::now();
    let (mut dropped, mut since, mut found) = (0, Timestamp::MIN, Vec::new());
    let (mut resumed, mut held_up) = (Vec::new(), 0);
    let mut counts = [0; 3];
    for _ in 0..rounds {
        drop_pairs(&site, &mut dropped);
        tokio::time::sleep(random.random_range(Duration::ZERO..LEASE)).await;
        let instance = &mut instances[random.random_range(0..INSTANCES)];
        let mishap = *[Mishap::Paused, Mishap::Killed, Mishap::CutOff].choose(&mut random).expect("one");
        counts[mishap as usize] += 1;
        // Now and then shorter than the lease, so that nobody takes over.
        let while_ = random.random_range(LEASE / 2..LEASE * 3);
        match mishap {
            Mishap::Paused => {
                signal(&instance.relay, "-STOP");
                tokio::time::sleep(while_).await;
                resumed.push(mesh_relay::system::now());
                signal(&instance.relay, "-CONT");
            }
            Mishap::Killed => {
                instance.relay.kill();
                tokio::time::sleep(while_).await;
                instance.relay = Relay::start(&site.path(&instance.config)).await;
            }
            Mishap::CutOff => {
                instance.cable.cut();
                tokio::time::sleep(while_).await;
                instance.cable.mend();
            }
        }
        let (rivals, late) = rivals(&sandbox, &resumed, &mut since);
        found.extend(rivals);
        held_up += late;
        assert!(!watching.is_finished(), "the leases are not as they should be");
    }
    eventually("all is carried", || {
        site.alice.controls("SENT") + site.bob.controls("SENT") == dropped
            && site.alice.controls("IN") + site.bob.controls("IN") == dropped
    })
    .await;
    let (rivals, late) = rivals(&sandbox, &resumed, &mut since);
    found.extend(rivals);
    held_up += late;
    watching.abort();
    let took = began.elapsed();
    for instance in instances {
        assert!(instance.relay.stop().await.0.success());
    }

    let mut bodies: Vec<Vec<u8>> = Vec::new();
    for mailbox in [ALICE, BOB] {
        let messages: Vec<StoredMessage> = sandbox.messages(&mailbox.parse().expect("a mailbox"));
        bodies
            .extend(messages.iter().filter(|message| message.status != "uploading").map(StoredMessage::body));
    }
    let different: HashSet<&Vec<u8>> = bodies.iter().collect();
    println!(
        "{INSTANCES} instances, seed {seed}: {} pauses, {} kills, {} cuts in {:.0} s; {dropped} pairs, {} at MESH, {} of \
         them different; {} looks too close, {held_up} more by a request that a pause held up",
        counts[0],
        counts[1],
        counts[2],
        took.as_secs_f64(),
        bodies.len(),
        different.len(),
        found.len()
    );
    assert_eq!((bodies.len(), different.len()), (dropped, dropped));
    assert!(found.is_empty(), "{found:#?}");
    let failed = site.alice.controls("FAILED") + site.bob.controls("FAILED");
    assert_eq!(failed, 0);
}
