//! Shared commits, and what a failed one leaves.

use std::sync::mpsc;

use relay_core::{Begin, Journal, JournalError, OutboundState, Records, Resent};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::{Place, accepted, at, known, new, out, outbound};
use crate::SqliteJournal;
use crate::sqlite::writer::BATCH_MAX;

/// How many calls are made at the same time.
const CALLS: u128 = 500;

/// Holds the writer in the middle of a transaction of its own until told. Returns once it is there, so that
/// what is sent after that waits for the next one.
async fn hold(journal: &SqliteJournal, tasks: &mut JoinSet<()>) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let (entering, entered) = oneshot::channel();
    let journal = journal.clone();
    tasks.spawn(async move {
        let hold = journal.inner.writer.write(move |_| {
            entering.send(()).unwrap();
            held.recv().unwrap();
            Ok(())
        });
        hold.await.unwrap();
    });
    entered.await.unwrap();
    release
}

/// Lets every other task run up to its next wait. At each yield at least one other runs that can.
async fn let_others_wait() {
    for _ in 0..2 * CALLS {
        tokio::task::yield_now().await;
    }
}

/// Caps the journal at the pages it has now, or lifts the cap.
async fn cap(journal: &SqliteJournal, pages: u32) {
    let capping = journal.inner.writer.write(move |connection| {
        // The pragma answers with the cap it set.
        let statement = format!("PRAGMA max_page_count = {pages}");
        Ok(connection.query_row(&statement, [], |_| Ok(()))?)
    });
    capping.await.unwrap();
}

#[tokio::test]
async fn calls_made_at_the_same_time_share_commits() {
    let place = Place::new();
    let journal = place.open();
    let mut tasks = JoinSet::new();
    let release = hold(&journal, &mut tasks).await;
    for number in 1..=CALLS {
        let journal = journal.clone();
        tasks.spawn(async move {
            new(journal.begin_outbound(outbound(number, &format!("{number}.ctl")), None).await.unwrap());
        });
    }
    let_others_wait().await;
    release.send(()).unwrap();
    tasks.join_all().await;
    // One for the job that held the writer; then full batches.
    assert_eq!(journal.commits(), 1 + (CALLS as u64).div_ceil(BATCH_MAX as u64));
    assert_eq!(journal.counts().await.unwrap()[0].messages, CALLS as u64);
    journal.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_calls_with_one_key_one_is_new() {
    let place = Place::new();
    let journal = place.open();
    let mut tasks = JoinSet::new();
    for number in 1..=100 {
        let journal = journal.clone();
        tasks.spawn(async move { journal.begin_outbound(outbound(number, "a.ctl"), None).await.unwrap() });
    }
    let begun = tasks.join_all().await;
    assert_eq!(begun.iter().filter(|begun| matches!(begun, Begin::New(_))).count(), 1);
    journal.close().await;
}

#[tokio::test]
async fn a_job_that_fails_takes_no_other_of_its_batch_along() {
    let place = Place::new();
    let journal = place.open();
    let stale = new(journal.begin_outbound(outbound(1, "a.ctl"), None).await.unwrap());
    let sending = OutboundState::Sending { attempt: 1, of: 1, resent: Resent::No };
    journal.commit_outbound(&stale, out(sending.clone(), at(1)), None).await.unwrap();
    let before = journal.commits();

    let mut tasks = JoinSet::new();
    let release = hold(&journal, &mut tasks).await;
    let good = tokio::spawn({
        let journal = journal.clone();
        async move { journal.begin_outbound(outbound(2, "b.ctl"), None).await }
    });
    let bad = tokio::spawn({
        let journal = journal.clone();
        async move { journal.commit_outbound(&stale, out(accepted(), at(2)), None).await }
    });
    // It writes before it fails, so there is something to take back.
    let half = tokio::spawn({
        let journal = journal.clone();
        async move {
            let half = journal.inner.writer.write(|connection| {
                connection.execute("DELETE FROM outbound", [])?;
                connection.execute("INSERT INTO transition (relay_id) VALUES (NULL)", [])?;
                Ok(())
            });
            half.await
        }
    });
    let_others_wait().await;
    release.send(()).unwrap();
    tasks.join_all().await;
    new(good.await.unwrap().unwrap());
    assert!(matches!(bad.await.unwrap(), Err(JournalError::Conflict { .. })));
    assert!(matches!(half.await.unwrap(), Err(JournalError::Storage { .. })));
    assert_eq!(journal.commits() - before, 2, "one for the holder, one for the three");
    known(journal.begin_outbound(outbound(3, "a.ctl"), None).await.unwrap());
    known(journal.begin_outbound(outbound(4, "b.ctl"), None).await.unwrap());
    journal.close().await;
}

#[tokio::test]
async fn a_full_disk_fails_the_job_and_the_journal_goes_on_when_there_is_space() {
    let place = Place::new();
    let journal = place.open();
    let first = new(journal.begin_outbound(outbound(1, "a.ctl"), None).await.unwrap());
    cap(&journal, 1).await;
    let mut written = 1;
    let error = loop {
        let number = written + 1;
        let begun = journal.begin_outbound(outbound(number, &format!("{number}.ctl")), None);
        match begun.await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 10_000, "the cap does not hold");
    };
    assert!(matches!(error, JournalError::Storage { .. }));
    assert!(error.to_string().contains("disk is full"), "{error}");
    assert!(!error.to_string().contains(".ctl"), "{error}");
    assert_eq!(journal.counts().await.unwrap()[0].messages, written as u64, "reads go on");

    cap(&journal, u32::MAX - 1).await;
    new(journal.begin_outbound(outbound(20_000, "later.ctl"), None).await.unwrap());
    journal.commit_outbound(&first, out(accepted(), at(2)), None).await.unwrap();
    journal.close().await;

    let journal = place.open();
    let total: u64 = journal.counts().await.unwrap().iter().map(|count| count.messages).sum();
    assert_eq!(total, written as u64 + 1, "nothing of the failed job is left");
    journal.close().await;
}

#[tokio::test]
async fn a_transaction_that_is_lost_fails_every_job_in_it() {
    let place = Place::new();
    let journal = place.open();
    let mut tasks = JoinSet::new();
    let release = hold(&journal, &mut tasks).await;
    let spawned: Vec<_> = (1..=3)
        .map(|number| {
            let journal = journal.clone();
            tokio::spawn(async move {
                if number == 2 {
                    // What SQLite does by itself on some faults of the disk.
                    let lost = journal.inner.writer.write(|connection| {
                        connection.execute("ROLLBACK", [])?;
                        connection.execute("INSERT INTO transition (relay_id) VALUES (NULL)", [])?;
                        Ok(())
                    });
                    lost.await
                } else {
                    let key = format!("{number}.ctl");
                    journal.begin_outbound(outbound(number, &key), None).await.map(drop)
                }
            })
        })
        .collect();
    let_others_wait().await;
    release.send(()).unwrap();
    tasks.join_all().await;
    for job in spawned {
        assert!(matches!(job.await.unwrap(), Err(JournalError::Storage { .. })));
    }
    assert!(journal.counts().await.unwrap().is_empty());
    new(journal.begin_outbound(outbound(1, "1.ctl"), None).await.unwrap());
    journal.close().await;
}

#[tokio::test]
async fn closing_commits_what_was_taken() {
    let place = Place::new();
    let journal = place.open();
    let mut tasks = JoinSet::new();
    let release = hold(&journal, &mut tasks).await;
    let waiting = tokio::spawn({
        let journal = journal.clone();
        async move { journal.begin_outbound(outbound(1, "a.ctl"), None).await }
    });
    let_others_wait().await;
    let closing = tokio::spawn(journal.close());
    let_others_wait().await;
    release.send(()).unwrap();
    closing.await.unwrap();
    tasks.join_all().await;
    new(waiting.await.unwrap().unwrap());
    known(place.open().begin_outbound(outbound(2, "a.ctl"), None).await.unwrap());
}
