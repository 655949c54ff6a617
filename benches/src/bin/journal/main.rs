//! Measures the journal, as the engine and as people use it: transitions a second with every commit synced, how many
//! share a commit, how long one waits; then, with millions of messages in it, how long answers take.
//!
//! `MESH_RELAY_BENCH_POSTGRES` names a PostgreSQL to measure beside SQLite; `MESH_RELAY_BENCH_RECORDS` says how many
//! messages are searched (default 5,000,000). An argument, `SQLite` or `PostgreSQL`, measures that one alone. A
//! database that holds so many already is only asked.

mod asking;
mod messages;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use relay_core::Journal;
use relay_journal::{PostgresJournal, SqliteJournal};

/// Messages that are searched unless told otherwise.
const RECORDS: u64 = 5_000_000;
/// How long each number of callers writes.
const SPELL: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() {
    let records = std::env::var("MESH_RELAY_BENCH_RECORDS").ok().and_then(|text| text.parse().ok());
    let records = records.unwrap_or(RECORDS);
    let alone = std::env::args().nth(1);
    let wanted = |name: &str| alone.as_deref().is_none_or(|alone| alone == name);
    if wanted("SQLite") {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = SqliteJournal::open(&folder.path().join("journal.db")).expect("a journal");
        let commits = journal.clone();
        measure("SQLite", Arc::new(journal), &|| commits.commits(), records).await;
    }
    if let (Ok(url), true) = (std::env::var("MESH_RELAY_BENCH_POSTGRES"), wanted("PostgreSQL")) {
        let journal = PostgresJournal::open(&url, "bench").await.expect("a journal");
        let commits = journal.clone();
        measure("PostgreSQL", Arc::new(journal), &|| commits.commits(), records).await;
    }
}

async fn measure(name: &str, journal: Arc<dyn Journal>, commits: &dyn Fn() -> u64, records: u64) {
    let counts = journal.counts().await.expect("counts");
    if counts.iter().map(|count| count.messages).sum::<u64>() < records {
        write(name, &journal, commits, records).await;
    }
    println!("{name}: answers with {records} messages, median and longest of {} times", asking::TIMES);
    asking::ask(&*journal, records).await;
}

async fn write(name: &str, journal: &Arc<dyn Journal>, commits: &dyn Fn() -> u64, records: u64) {
    println!("{name}: a message is begun, sent, accepted and settled; every commit is synced");
    let mut first = 0;
    for callers in [1, 8, 64, 256] {
        let before = commits();
        let spell = writing::spell(journal, callers, first, SPELL).await;
        first += spell.messages;
        let shared = spell.transitions as f64 / (commits() - before) as f64;
        println!("  {callers:>3} at a time: {spell}; {shared:.1} in each");
    }
    let (made, time) = writing::fill(journal, first, records).await;
    println!(
        "  filled with {made} more in {:.0} s ({:.0} a second)",
        time.as_secs_f64(),
        made as f64 / time.as_secs_f64()
    );
}
