//! The relay under load both ways, killed again and again at random moments and started again at once. In the end everything
//! is counted (`account`): what was put in, what is at MESH, what came out, what was told and what the journal says. The
//! seed of the moments and of the messages is printed; `MESH_RELAY_PROVE_SEED` plays it again.

use std::cell::Cell;
use std::time::{Duration, Instant};

use mesh_sandbox::{Call, Effect, Fault};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::account::{Account, Sent};
use super::load::Load;
use super::side::Side;
use super::tables::Tables;
use crate::process::{Relay, Site};

/// How long it may take until all is done that the last kill left.
const DRY_WITHIN: Duration = Duration::from_secs(120);
/// How often MESH takes its time, and how long, so that many kills fall into the middle of a call.
const SLOW: (f64, u64) = (0.3, 20);
/// How often MESH's answer to a send is lost.
const LOST: f64 = 0.02;
/// Pause between two looks at what is left.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Messages that are put in between two looks at how many are on their way.
const LOOK_AFTER: usize = 8;
/// Words of the relay's log that it should never say.
const NEVER: [&str; 2] = ["panicked", "INV-"];

/// How the relay is killed.
pub struct Plan {
    pub kills: u64,
    pub seed: u64,
    /// Longest life between a start and a kill.
    pub life_max: Duration,
    /// Messages on their way, with the broker or at MESH, above which none is added: a relay that is killed all the time
    /// falls behind.
    pub waiting_max: usize,
}

impl Plan {
    /// So many kills, of the seed that is to be played again or of another one.
    pub fn new(kills: u64, life_max: Duration, waiting_max: usize) -> Self {
        let seed = number("MESH_RELAY_PROVE_SEED").unwrap_or_else(rand::random);
        Self { kills, seed, life_max, waiting_max }
    }
}

/// The number that a variable holds.
pub fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Kills the relay as planned, lets it come to an end, and counts.
pub async fn run(side: impl Side, plan: Plan) {
    let Plan { kills, seed, .. } = plan;
    println!("{kills} kills, seed {seed}");
    let began = Instant::now();
    let (probability, millis) = SLOW;
    let slow = Fault { probability, ..Fault::new("slow", Effect::Delay { millis }) };
    let lost = Fault { probability: LOST, calls: vec![Call::Send], ..Fault::new("lost", Effect::LoseAnswer) };
    for fault in [slow, lost] {
        side.sandbox().faults().add(fault).expect("a fault");
    }
    let mut account = Account::default();
    let is_over = Cell::new(false);
    let (sent, said) = tokio::join!(load(&side, &plan, &is_over), kill(&side, &plan, &mut account, &is_over));
    let tables = until_dry(&side, sent.len(), &mut account, seed).await;

    let mut faults = account.faults(&side, &tables, &sent);
    faults.extend(said.into_iter().map(|line| format!("a log says: {line}")));
    let rows = || tables.outbound.values().flatten();
    println!(
        "{kills} kills: {} messages, {} at MESH, {} marked as sent again, {} parked, {} came again marked, {} events, {} of \
         them again{}; {} faults, {:.0} s, seed {seed}",
        sent.len(),
        side.at_mesh().len(),
        rows().filter(|row| row.marked).count(),
        account.parked.len(),
        account.came.values().map(|copies| copies.len() - 1).sum::<usize>(),
        account.told.values().map(Vec::len).sum::<usize>(),
        account.told.values().map(Vec::len).sum::<usize>()
            - rows().map(|row| row.states.len()).sum::<usize>(),
        side.remark(&account),
        faults.len(),
        began.elapsed().as_secs_f64()
    );
    assert!(faults.is_empty(), "seed {seed}: {faults:#?}");
}

/// Puts messages in until all is over.
async fn load(side: &impl Side, plan: &Plan, is_over: &Cell<bool>) -> Sent {
    let mut load = Load::new(plan.seed);
    let (mut sent, mut look_at) = (Sent::new(), 0);
    while !is_over.get() {
        tokio::time::sleep(load.pause()).await;
        if sent.len() >= look_at {
            let unread = side.at_mesh().iter().filter(|message| message.status != "acknowledged").count();
            if side.left().await + unread >= plan.waiting_max {
                continue;
            }
            look_at = sent.len() + LOOK_AFTER;
        }
        let (message, times) = load.next();
        for _ in 0..times {
            sent.insert(side.put(&message).await, message.body.clone());
        }
    }
    sent
}

/// Kills the relay so many times. Gives what its logs say that they should never say.
async fn kill<S: Side>(side: &S, plan: &Plan, account: &mut Account, is_over: &Cell<bool>) -> Vec<String> {
    let began = Instant::now();
    let mut random = StdRng::seed_from_u64(plan.seed);
    let mut said = Vec::new();
    for kill in 1..=plan.kills {
        let life = random.random_range(Duration::ZERO..=plan.life_max);
        said.extend(live_and_die(side.site(), life).await);
        if !S::KEEPS {
            side.take(account).await;
        }
        if kill % 50 == 0 {
            let (time, at_mesh) = (began.elapsed().as_secs_f64(), side.at_mesh().len());
            println!("{kill} kills in {time:.0} s, {at_mesh} messages at MESH");
        }
    }
    is_over.set(true);
    said
}

/// Runs the relay for a moment and kills it. Gives what its log says that it should never say.
async fn live_and_die(site: &Site, life: Duration) -> Option<String> {
    let mut relay = Relay::spawn(&site.path("relay.toml"));
    tokio::time::sleep(life).await;
    relay.kill();
    let log = relay.log();
    log.lines().find(|line| NEVER.iter().any(|word| line.contains(word))).map(str::to_owned)
}

/// Runs the relay until nothing is left to do.
async fn until_dry(side: &impl Side, sent: usize, account: &mut Account, seed: u64) -> Tables {
    let deadline = Instant::now() + DRY_WITHIN;
    loop {
        let relay = side.site().run().await;
        while !side.is_done(sent).await {
            assert!(
                Instant::now() < deadline,
                "seed {seed}: something is never done: {} of {sent} messages, {} with the broker, {:?}",
                side.tables().map_or(0, |tables| tables.outbound.len()),
                side.left().await,
                side.tables().map(|tables| tables.undone())
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        assert!(relay.stop().await.0.success());
        // What had just come when the relay was stopped is with the broker again.
        if side.left().await == 0 {
            side.take(account).await;
            return side.tables().expect("a journal that can be read");
        }
    }
}
