//! Several instances on one journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all};
use relay_core::{Begin, Fence, Journal, JournalError, Records, RelayId};
use tokio_postgres::Client;
use uuid::Uuid;

use super::Database;
use crate::tests::promises::{at, begin, outbound, sending, to};

const LEASE: &str = "mailbox:X26ABC1";
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(1);

/// Waits until as many sessions wait for a lock.
async fn waiting(client: &Client, sessions: i64) {
    let sql = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..5_000 {
        let found: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
        if found >= sessions {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("nobody waits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_instances_with_the_same_messages_each_is_new_to_one() {
    let database = Database::new().await;
    let (one, two) = (database.open("one").await, database.open("two").await);
    // In opposite order, so that they get in each other's way.
    let offer = |number: u128, key: u128| outbound(number, &format!("{key}.ctl"));
    let ones = (1..=200).map(|key| one.begin_outbound(offer(key, key), None));
    let twos = (1..=200).rev().map(|key| two.begin_outbound(offer(1000 + key, key), None));
    let (ones, mut twos) = join(join_all(ones), join_all(twos)).await;
    twos.reverse();
    for (one, two) in ones.into_iter().zip(twos) {
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_ne!(matches!(one, Begin::New(_)), matches!(two, Begin::New(_)));
        assert_eq!(one.into_record().relay_id, two.into_record().relay_id);
    }
    assert!(one.verify().await.unwrap().is_sound());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_changes_of_one_version_by_two_instances_one_conflicts() {
    let database = Database::new().await;
    let (one, two) = (database.open("one").await, database.open("two").await);
    for number in 1..=50 {
        let record = begin(&one, outbound(number, &format!("{number}.ctl"))).await;
        // The same to the letter: it is no repetition, since two instances may not both go on with it.
        let change = to(sending(), at(1));
        let (first, second) = join(
            one.commit_outbound(&record, change.clone(), None),
            two.commit_outbound(&record, change.clone(), None),
        )
        .await;
        assert_ne!(first.is_ok(), second.is_ok(), "{first:?} {second:?}");
        let lost = first.err().or(second.err());
        assert!(matches!(lost, Some(JournalError::Conflict { .. })), "{lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_take_over_waits_for_a_write_under_way_and_a_renewal_does_not() {
    let database = Database::new().await;
    let (one, two) = (database.open("one").await, database.open("two").await);
    let fence = one.take_lease(LEASE, "one", SHORT).await.unwrap().unwrap();
    // Stands for a batch of the first instance whose commit is not done.
    let writing = database.client().await;
    writing
        .batch_execute(&format!(
            "BEGIN; SELECT epoch FROM mesh_relay.lease WHERE name = '{LEASE}' FOR KEY SHARE"
        ))
        .await
        .unwrap();
    let taking = {
        let two = two.clone();
        tokio::spawn(async move { two.take_lease(LEASE, "two", LONG).await })
    };
    let looking = database.client().await;
    waiting(&looking, 1).await;
    // It still can, because nobody has taken it.
    assert!(one.renew_lease(&fence, SHORT).await.unwrap());
    assert!(!taking.is_finished());
    writing.batch_execute("COMMIT").await.unwrap();
    let taken = taking.await.unwrap().unwrap();
    let epoch = match taken {
        Some(fence) => fence.epoch,
        // The renewal was seen before it had run out.
        None => loop {
            if let Some(fence) = two.take_lease(LEASE, "two", LONG).await.unwrap() {
                break fence.epoch;
            }
        },
    };
    assert_eq!(epoch, 2);
    let refused = one.begin_outbound(outbound(1, "a.ctl"), Some(&fence)).await;
    assert!(matches!(refused, Err(JournalError::Fenced { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_behind_a_take_over_under_way_is_refused() {
    let database = Database::new().await;
    let one = database.open("one").await;
    let fence = one.take_lease(LEASE, "one", LONG).await.unwrap().unwrap();
    let taking = database.client().await;
    taking
        .batch_execute(&format!(
            "BEGIN; UPDATE mesh_relay.lease SET epoch = epoch + 1 WHERE name = '{LEASE}'"
        ))
        .await
        .unwrap();
    let writing = {
        let one = one.clone();
        tokio::spawn(async move { one.begin_outbound(outbound(1, "a.ctl"), Some(&fence)).await })
    };
    let looking = database.client().await;
    waiting(&looking, 1).await;
    taking.batch_execute("COMMIT").await.unwrap();
    assert!(matches!(writing.await.unwrap(), Err(JournalError::Fenced { .. })));
    assert!(one.counts().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_of_the_old_owner_comes_behind_a_take_over() {
    let database = Database::new().await;
    let (one, two) = (database.open("one").await, database.open("two").await);
    let old = one.take_lease(LEASE, "one", Duration::from_millis(300)).await.unwrap().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..16_u128)
        .map(|writer| {
            let (one, old, stop) = (one.clone(), old.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        panic!("the old owner was never refused");
                    }
                    let id = writer * 1_000_000 + number;
                    let mut message = outbound(id, &id.to_string());
                    message.relay_id = RelayId(Uuid::from_u128(id + 1));
                    match one.begin_outbound(message, Some(&old)).await {
                        Ok(_) => {}
                        Err(JournalError::Fenced { .. }) => return number,
                        Err(error) => panic!("{error}"),
                    }
                }
                unreachable!()
            })
        })
        .collect();
    let new: Fence = loop {
        if let Some(fence) = two.take_lease(LEASE, "two", LONG).await.unwrap() {
            break fence;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert_eq!(new.epoch, 2);
    let at_take_over: u64 = two.counts().await.unwrap().iter().map(|count| count.messages).sum();
    let written: u128 = join_all(writers).await.into_iter().map(Result::unwrap).sum();
    stop.store(true, Ordering::Relaxed);
    assert!(written > 0);
    assert_eq!(u128::from(at_take_over), written, "all that was answered was there, and nothing came after");
    let in_the_end: u64 = two.counts().await.unwrap().iter().map(|count| count.messages).sum();
    assert_eq!(in_the_end, at_take_over);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_made_at_the_same_time_share_commits() {
    let database = Database::new().await;
    let journal = database.open("one").await;
    let calls = (1..=500).map(|number| journal.begin_outbound(outbound(number, &number.to_string()), None));
    for begun in join_all(calls).await {
        assert!(matches!(begun, Ok(Begin::New(_))));
    }
    assert!(journal.commits() <= 10, "{} commits", journal.commits());
    assert_eq!(journal.counts().await.unwrap()[0].messages, 500);
}

#[tokio::test]
async fn a_value_that_the_database_does_not_take_fails_alone() {
    let database = Database::new().await;
    let journal = database.open("one").await;
    let calls = (1..=50).map(|number| {
        let mut message = outbound(number, &number.to_string());
        if number == 25 {
            // PostgreSQL's texts hold no NUL.
            message.fingerprint = Some("canary\0".to_owned());
        }
        journal.begin_outbound(message, None)
    });
    for (begun, number) in join_all(calls).await.into_iter().zip(1..) {
        match begun {
            Err(error @ JournalError::Storage { .. }) => {
                assert_eq!(number, 25);
                assert!(!error.to_string().contains("canary"), "{error}");
            }
            begun => assert!(matches!(begun, Ok(Begin::New(_))) && number != 25),
        }
    }
    assert!(journal.verify().await.unwrap().is_sound());
}
