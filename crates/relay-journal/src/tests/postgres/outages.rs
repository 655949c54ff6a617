//! Connections that break and servers that go away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use relay_core::{Begin, Journal, JournalError, Records};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Database;
use super::server::Server;
use crate::PostgresJournal;
use crate::tests::promises::deeds::deed;
use crate::tests::promises::{accepted, at, begin, commit, inbound, outbound, relay_id, sending, to};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_connection_is_made_again_and_nobody_notices() {
    let database = Database::new().await;
    let journal = database.open("one").await;
    let client = database.client().await;
    let mut record = begin(&journal, outbound(1, "a.ctl")).await;
    for second in 1..=10 {
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'mesh-relay'";
        client.batch_execute(cut).await.unwrap();
        record = commit(&journal, record, to(sending(), at(second))).await;
        assert_eq!(journal.history(relay_id(1)).await.unwrap().len() as u64, record.version);
    }
    assert!(journal.verify().await.unwrap().is_sound());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_break_under_load_lose_nothing_and_double_nothing() {
    let database = Database::new().await;
    let journal = database.open("one").await;
    let client = database.client().await;
    let cutting = tokio::spawn(async move {
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'mesh-relay'";
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(40)).await;
            client.batch_execute(cut).await.unwrap();
        }
    });
    let messages = (1..=32_u128).map(|number| {
        let journal = &journal;
        let cutting = &cutting;
        async move {
            let mut record = begin(journal, outbound(number, &number.to_string())).await;
            while !cutting.is_finished() {
                let second = i64::try_from(record.version).unwrap();
                record = commit(journal, record, to(sending(), at(second))).await;
            }
            commit(journal, record, to(accepted(&format!("2026_{number}")), at(0))).await
        }
    });
    let records = join_all(messages).await;
    let report = journal.verify().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    let links: u64 = records.iter().map(|record| record.version).sum();
    assert_eq!(report.chains[0].links, links);
}

/// What a proxy does with the next commit.
const PASS: u8 = 0;
/// Cuts the connection instead of passing it on.
const CUT_BEFORE: u8 = 1;
/// Passes it on and cuts the connection, so that its answer is lost.
const CUT_AFTER: u8 = 2;

/// Passes nothing on from there, both ways, and keeps the connection: a process that was paused, or a network that is cut.
const FREEZE: u8 = 3;

/// Stands between the journal and the server. Returns its port.
async fn proxy(server: String, mode: Arc<AtomicU8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(carry(client, server, Arc::clone(&mode)));
        }
    });
    port
}

async fn carry(client: TcpStream, server: TcpStream, mode: Arc<AtomicU8>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut asked, mut answered) = (vec![0; 1 << 20], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = from_client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let is_commit = asked[..length].windows(7).any(|window| window == b"COMMIT\0");
                let mode = if is_commit { mode.swap(PASS, Ordering::SeqCst) } else { PASS };
                if mode == FREEZE {
                    return std::future::pending().await;
                }
                if mode == CUT_BEFORE || to_server.write_all(&asked[..length]).await.is_err() || mode == CUT_AFTER {
                    return;
                }
            }
            read = from_server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if to_client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A journal whose connections go through a proxy, and what that does.
async fn behind_a_proxy(database: &Database) -> (PostgresJournal, Arc<AtomicU8>) {
    let mode = Arc::new(AtomicU8::new(PASS));
    let (_, place) = database.url.split_once('@').unwrap();
    let (server, name) = place.split_once('/').unwrap();
    let port = proxy(server.to_owned(), Arc::clone(&mode)).await;
    let url = format!("postgresql://tests@127.0.0.1:{port}/{name}");
    (PostgresJournal::open(&url, "one").await.unwrap(), mode)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_whose_answer_is_lost_is_found_done_and_one_that_was_lost_is_done() {
    let database = Database::new().await;
    let (journal, mode) = behind_a_proxy(&database).await;
    let mut links = 0;
    for (cut, round) in [CUT_BEFORE, CUT_AFTER, CUT_BEFORE, CUT_AFTER].into_iter().zip(1_u128..) {
        let (first, second) = (round * 10, round * 10 + 1);
        mode.store(cut, Ordering::SeqCst);
        let record = begin(&journal, outbound(first, &first.to_string())).await;
        assert_eq!(mode.load(Ordering::SeqCst), PASS, "the connection was cut");
        mode.store(cut, Ordering::SeqCst);
        commit(&journal, record, to(sending(), at(1))).await;
        mode.store(cut, Ordering::SeqCst);
        journal.settle(relay_id(first), at(2), None).await.unwrap();
        mode.store(cut, Ordering::SeqCst);
        let begun = journal.begin_inbound(inbound(second, &format!("2026_{round}")), None).await.unwrap();
        assert!(matches!(begun, Begin::New(_)));
        mode.store(cut, Ordering::SeqCst);
        journal.record_deed(deed(i64::try_from(round).unwrap())).await.unwrap();
        assert_eq!(mode.load(Ordering::SeqCst), PASS, "the connection was cut");
        links += 3;
        assert_eq!(journal.history(relay_id(first)).await.unwrap().len(), 2);
    }
    let report = journal.verify().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.chains[0].links, links);
    assert_eq!(report.chains[1].links, 4, "one deed in each round");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_the_server_is_away_calls_fail_in_time_and_after_it_returned_all_goes_on() {
    let server = Server::start().await;
    let database = Database::on(&server.url).await;
    let journal = database.open("one").await;
    let record = begin(&journal, outbound(1, "a.ctl")).await;
    server.halt().await;

    let began = Instant::now();
    let writes = (2..=200).map(|number| journal.begin_outbound(outbound(number, &number.to_string()), None));
    let lease = journal.take_lease("mailbox:X26ABC1", "one", Duration::from_secs(30));
    let (writes, counts, lease) =
        futures_util::future::join3(join_all(writes), journal.counts(), lease).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(12), "{took:?}");
    for write in writes {
        let Err(error @ JournalError::Storage { .. }) = write else { panic!("{write:?}") };
        assert!(error.to_string().contains("see that it runs and can be reached"), "{error}");
    }
    assert!(matches!(counts, Err(JournalError::Storage { .. })));
    assert!(matches!(lease, Err(JournalError::Storage { .. })));

    // One that waits while the server starts is done.
    let waiting = {
        let journal = journal.clone();
        tokio::spawn(async move { journal.commit_outbound(&record, to(sending(), at(1)), None).await })
    };
    server.start_again().await;
    waiting.await.unwrap().unwrap();
    assert_eq!(journal.counts().await.unwrap()[0].messages, 1, "what was told to have failed was not done");
    begin(&journal, outbound(2, "b.ctl")).await;
    assert!(journal.verify().await.unwrap().is_sound());
    journal.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_instance_that_stopped_in_a_transaction_cannot_keep_its_lease() {
    let database = Database::new().await;
    let (frozen, mode) = behind_a_proxy(&database).await;
    let other = database.open("two").await;
    let lease = "mailbox:X26ABC1";
    let old = frozen.take_lease(lease, "one", Duration::from_millis(1)).await.unwrap().unwrap();
    mode.store(FREEZE, Ordering::SeqCst);
    let writing = frozen.begin_outbound(outbound(1, "a.ctl"), Some(&old));
    // The server ends the transaction that stands still; until then, the lease cannot be taken.
    let taking = async {
        while mode.load(Ordering::SeqCst) == FREEZE {
            tokio::task::yield_now().await;
        }
        for _ in 0..3 {
            if let Ok(Some(fence)) = other.take_lease(lease, "two", Duration::from_secs(600)).await {
                return fence;
            }
        }
        panic!("the lease was not handed on")
    };
    let (written, new) = futures_util::future::join(writing, taking).await;
    assert!(matches!(written, Err(JournalError::Storage { .. })), "{written:?}");
    assert!(new.epoch > old.epoch);
    assert!(other.counts().await.unwrap().is_empty());
    // Awake again, it is refused.
    let refused = frozen.begin_outbound(outbound(2, "b.ctl"), Some(&old)).await;
    assert!(matches!(refused, Err(JournalError::Fenced { .. })), "{refused:?}");
    begin(&frozen, outbound(3, "c.ctl")).await;
}
