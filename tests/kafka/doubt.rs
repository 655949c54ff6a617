//! A record of which nobody can say whether MESH has it: the adapter and the engine with a clock in the test's hands, on a
//! broker and a journal that are none of a test's making.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kafka::{Config, Secrets, Shared, TopicSource};
use relay_core::{Clock, MailboxId, MeshMailbox, RelayHandle, SendPolicy, Shutdown, Source, Surroundings};
use relay_journal::SqliteJournal;
use relay_testkit::scripted::{Fault, ScriptedMesh};
use relay_testkit::wait::eventually;
use relay_testkit::world::{TestChance, TestClock};

use crate::broker::Kafka;
use crate::scene::TO_BOB;

/// As long as a doubt may last.
const DOUBT_MAX: Duration = Duration::from_secs(600);
/// Records of the partition that may be taken behind it.
const GAP: usize = 40;
/// How far the clock goes at a time.
const TICK: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_record_in_doubt_holds_its_key_alone_and_ends_within_ten_minutes() {
    let kafka = Kafka::shared();
    let topic = format!("test.{}-doubt", std::process::id());
    let parked = format!("{topic}.parked");
    for name in [&topic, &parked] {
        kafka.topic(name, 1, &[]).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(TestClock::default());
    let mailbox: MailboxId = "X26ABC1".parse().expect("a mailbox");
    let mesh = Arc::new(ScriptedMesh::new(&mailbox, clock.clone()));
    let journal = SqliteJournal::open(&folder.path().join("journal.db")).expect("a journal");
    let surroundings =
        Surroundings::new(Arc::new(journal.clone()), clock.clone(), Arc::new(TestChance::default()));
    let (trigger, shutdown) = Shutdown::channel();
    let short = Duration::from_millis(20);
    let policy = SendPolicy {
        retry_first: short,
        retry_max: short * 5,
        doubt_wait: short,
        doubt_max: DOUBT_MAX,
        ..SendPolicy::default()
    };
    let port: Arc<dyn MeshMailbox> = mesh.clone();
    let relay = RelayHandle::new(surroundings, [port], policy, shutdown.clone());
    // Few in work at a time: what waits behind the stuck one must not fill them.
    let config: Config = toml::from_str(&format!(
        "mailbox = \"{mailbox}\"\nbrokers = \"{}\"\nparked = \"{parked}\"\n\
         outbound = {{ topic = \"{topic}\", group = \"{topic}\", order = \"key\", in_work = 4, gap = {GAP} }}",
        kafka.address
    ))
    .expect("a configuration");
    let outbound = config.outbound.clone();
    let shared = Shared::new("alice", config, Secrets::default()).expect("an adapter");
    let source = TopicSource::new(shared, outbound, clock.clone());
    let running = tokio::spawn(async move { source.run(relay, shutdown).await });

    mesh.then(Fault::AnswerLost);
    mesh.set_askable(false);
    let put = async |key: &str, id: String| {
        let headers = [TO_BOB[0], TO_BOB[1], ("ce_id", id.as_bytes())];
        kafka.put(&topic, Some(key), &headers, Some(id.as_bytes())).await;
    };
    put("stuck", "stuck-0".to_owned()).await;
    eventually("MESH has it, and its answer is lost", || mesh.delivered().len() == 1).await;
    let doubted_at = clock.now();
    let behind = 10;
    for number in 1..=behind {
        put("stuck", format!("stuck-{number}")).await;
    }
    for number in 0..2 * GAP {
        put(&format!("free-{}", number % 5), format!("free-{number}")).await;
    }
    // The stuck one, those behind it, and as many others as the bound leaves room for.
    let free = || {
        let is_free = |local_id: &str| local_id.starts_with("free");
        mesh.delivered()
            .iter()
            .filter(|sent| sent.local_id.as_ref().is_some_and(|id| is_free(id.as_str())))
            .count()
    };
    eventually("the others go, up to the bound", || free() == GAP - 1 - behind).await;
    assert_eq!(mesh.delivered().len(), GAP - behind, "its key waits");
    assert_eq!(kafka.done(&topic, &topic), 0, "nothing is behind the stuck one");

    let ticking = tokio::spawn({
        let clock = clock.clone();
        async move {
            loop {
                tokio::time::sleep(short).await;
                clock.advance(TICK);
            }
        }
    });
    let letter = kafka.reader(&parked).take(1).await.remove(0);
    ticking.abort();
    assert_eq!((letter.header("ce_id"), letter.header("mesh_parked_reason")), ("stuck-0", "in-doubt"));
    let ended_at: Timestamp = letter.header("mesh_parked_at").parse().expect("a time");
    let lasted = Duration::try_from(ended_at.duration_since(doubted_at)).expect("a time that passed");
    // As often as the clock may have gone on between the end and its dead letter.
    assert!(lasted <= DOUBT_MAX + TICK * 10, "it lasted {lasted:?}");
    let all = 1 + behind + 2 * GAP;
    eventually("all others are at MESH", || mesh.delivered().len() == all).await;
    eventually("the group is behind all of them", || kafka.done(&topic, &topic) == all as i64).await;
    trigger.request();
    running.await.expect("it ends").expect("without an error");
    journal.close().await;
}
