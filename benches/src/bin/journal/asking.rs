//! Asking: what the operator's page, the command line and the engine ask most.

use std::time::{Duration, Instant};

use relay_core::{Cursor, Journal, MessageQuery};

use crate::messages::{at, mesh_id, relay_id};

/// How often each question is asked.
pub const TIMES: usize = 9;
/// A page as people see it.
const PAGE: u32 = 50;

/// Asks everything and prints how long the answers took.
pub async fn ask(journal: &dyn Journal, records: u64) {
    let some = records / 3 + 1;
    let page = || MessageQuery { limit: PAGE, ..MessageQuery::default() };
    let word = |word: String| MessageQuery { words: vec![word], ..page() };
    let questions = [
        ("newest page", page()),
        ("a page a million back", {
            let number = records.saturating_sub(1_000_000);
            MessageQuery {
                after: Some(Cursor { received_at: at(number), relay_id: relay_id(number) }),
                ..page()
            }
        }),
        ("a local id", word(format!("LAB-{some}"))),
        ("a file name", word(format!("report{some}"))),
        ("a MESH id", word(mesh_id(some))),
        ("a relay id", word(relay_id(some).0.simple().to_string())),
        ("a mailbox", MessageQuery { mailbox: "X26HC007".parse().ok(), ..page() }),
        ("a partner", MessageQuery { partner: Some("Y00042".to_owned()), ..page() }),
        ("a rare workflow", MessageQuery { workflow: Some("RARE_WORKFLOW".to_owned()), ..page() }),
        ("a rare state", MessageQuery { state: Some("parked".to_owned()), ..page() }),
        ("a day", MessageQuery { from: Some(at(some)), until: Some(at(some + 43_200)), ..page() }),
        ("a mailbox and a state", {
            let state = Some("parked".to_owned());
            MessageQuery { mailbox: "X26HC000".parse().ok(), state, ..page() }
        }),
        ("a word that every message has", word("PATH".to_owned())),
        ("two words", MessageQuery { words: vec!["Y00042".to_owned(), "X26HC002".to_owned()], ..page() }),
        ("a word that none has", word("nothing".to_owned())),
    ];
    for (name, query) in questions {
        let mut times = Vec::with_capacity(TIMES);
        let mut found = 0;
        for _ in 0..TIMES {
            let began = Instant::now();
            found = journal.search(&query).await.expect("an answer").len();
            times.push(began.elapsed());
        }
        told(&format!("{name} ({found} found)"), times);
    }
    let mut times: [Vec<Duration>; 3] = Default::default();
    for _ in 0..TIMES {
        let began = Instant::now();
        journal.counts().await.expect("counts");
        times[0].push(began.elapsed());
        let began = Instant::now();
        journal.oldest_unended().await.expect("the oldest");
        times[1].push(began.elapsed());
        let began = Instant::now();
        journal.history(relay_id(some)).await.expect("a history");
        times[2].push(began.elapsed());
    }
    for (name, times) in ["counts", "oldest not ended", "a history"].into_iter().zip(times) {
        told(name, times);
    }
    let began = Instant::now();
    let partners = journal.partners(at(records.saturating_sub(1_296_000))).await.expect("partners").len();
    told(&format!("partners of the last month ({partners} rows)"), vec![began.elapsed()]);
    let began = Instant::now();
    let sound = journal.verify().await.expect("a report").is_sound();
    told(&format!("the whole audit chain (sound: {sound})"), vec![began.elapsed()]);
}

fn told(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    println!("  {:>9.1} ms {:>9.1} ms  {name}", millis(median), millis(longest));
}
