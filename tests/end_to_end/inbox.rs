//! What waits in an inbox, and what becomes of what was sent: the poller, the client and the sandbox, with a sink that
//! only writes down what it got.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::SignedDuration;
use mesh_api::{ChunkPlan, Envelope, MessageId, Payload, SharedKey};
use mesh_client::{BreakerConfig, Client, ClientConfig, Mailbox, Timeouts, TlsConfig};
use mesh_relay::mesh_port::MeshPort;
use mesh_relay::system;
use mesh_sandbox::{Rule, Sandbox, SandboxConfig};
use relay_core::{
    DeliveryError, Direction, FailureClass, Inbound, Lease, MessageQuery, Owner, Poller, Receipt,
    ReceivePolicy, Records, RelayHandle, SendPolicy, Shutdown, Sink, SinkHealth, SourceKey, SourceMessage,
    Surroundings, UnknownWorkflow,
};
use relay_journal::SqliteJournal;
use relay_testkit::wait::eventually;
use relay_testkit::world::{TestChance, TestClock};
use secrecy::SecretString;

use crate::process::{ALICE, BOB};

/// Writes down what it is given, in order; refuses what it is told to.
#[derive(Default)]
struct Notebook {
    got: Mutex<Vec<(String, MessageId)>>,
    refuses: Mutex<Option<MessageId>>,
}

impl Notebook {
    fn workflows(&self) -> Vec<String> {
        let got = self.got.lock().unwrap_or_else(PoisonError::into_inner);
        got.iter().map(|(workflow, _)| workflow.clone()).collect()
    }

    fn len(&self) -> usize {
        self.workflows().len()
    }
}

#[async_trait]
impl Sink for Notebook {
    async fn deliver(&self, message: Inbound<'_>) -> Result<Receipt, DeliveryError> {
        let id = message.download.message_id.clone();
        if self.refuses.lock().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(&id) {
            let what = "poison".to_owned();
            return Err(DeliveryError { what, class: FailureClass::Transient, owner: Owner::Operator });
        }
        message.body.try_for_each(|_| async { Ok(()) }).await.expect("a body");
        let got = (message.download.workflow.clone(), id.clone());
        self.got.lock().unwrap_or_else(PoisonError::into_inner).push(got);
        Ok(Receipt(format!("notebook:{id}")))
    }

    async fn recorded(&self, _: &Receipt) {}

    async fn check(&self) -> SinkHealth {
        SinkHealth::Ready
    }
}

/// A sandbox, a journal, and clients of both mailboxes. Bob receives.
struct World {
    sandbox: Sandbox,
    alice: Mailbox,
    bob: Mailbox,
    clock: Arc<TestClock>,
    notebook: Arc<Notebook>,
    surroundings: Surroundings,
    journal: SqliteJournal,
    _folder: tempfile::TempDir,
}

impl World {
    /// Lets time go by, which MESH confirms.
    fn later(&self, by: Duration) {
        self.clock.advance(by);
        self.surroundings.proven.prove();
    }

    async fn new() -> Self {
        let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
        let client = Client::new(ClientConfig {
            base_url: sandbox.base_url(),
            shared_key: SharedKey::new("TestKey"),
            tls: TlsConfig::default(),
            proxy: None,
            timeouts: Timeouts::default(),
            breaker: BreakerConfig::default(),
            expanded_bytes_max: mesh_client::EXPANDED_BYTES_MAX,
            application: "inbox==1".to_owned(),
            now: system::now,
        })
        .expect("a client");
        let mailbox =
            |id: &str| client.mailbox(id.parse().expect("a mailbox"), SecretString::from("password"));
        let folder = tempfile::tempdir().expect("a folder");
        let journal = SqliteJournal::open(&folder.path().join("journal.db")).expect("a journal");
        let clock = Arc::new(TestClock::default());
        let surroundings =
            Surroundings::new(Arc::new(journal.clone()), clock.clone(), Arc::new(TestChance::default()));
        Self {
            alice: mailbox(ALICE),
            bob: mailbox(BOB),
            sandbox,
            clock,
            notebook: Arc::default(),
            surroundings,
            journal,
            _folder: folder,
        }
    }

    /// Sends to Bob, past any relay.
    async fn put(&self, workflow: &str) -> MessageId {
        let to = BOB.parse().expect("a recipient");
        let envelope = Envelope::new(self.alice.id().clone(), to, workflow.parse().expect("a workflow"));
        let payload = Payload::from_bytes(workflow.as_bytes().to_vec());
        let plan = ChunkPlan::whole(payload.length()).expect("a plan");
        self.alice.send(&envelope, &payload, &plan, false).await.expect("accepted")
    }

    /// Runs a poller for one mailbox until `done`.
    async fn poll_until(&self, mailbox: &Mailbox, policy: ReceivePolicy, done: impl Fn() -> bool) {
        let port = Arc::new(MeshPort::new(mailbox.clone()));
        let poller = Poller::new(
            self.surroundings.clone(),
            port,
            Some(Arc::clone(&self.notebook) as Arc<dyn Sink>),
            policy,
        );
        let lease = Lease::new(Arc::clone(&self.surroundings.journal), poller.lease_name(), "test");
        let (trigger, shutdown) = Shutdown::channel();
        let poll = |tenure, stop| {
            let poller = &poller;
            async move {
                poller.run(tenure, stop).await;
                Ok::<(), ()>(())
            }
        };
        let waited = async {
            eventually("the poller gets there", done).await;
            trigger.request();
        };
        let (ended, ()) = tokio::join!(lease.while_held(shutdown, poll), waited);
        ended.expect("no error");
    }

    fn calls(&self, call: &str) -> usize {
        self.sandbox.requests().iter().filter(|request| request.call == call).count()
    }

    async fn states(&self, direction: Direction) -> Vec<String> {
        let query = MessageQuery { direction: Some(direction), limit: 10, ..MessageQuery::default() };
        let found = self.journal.search(&query).await.expect("an answer");
        found.into_iter().map(|message| message.state).collect()
    }
}

fn policy() -> ReceivePolicy {
    let poll_every = Duration::from_millis(50);
    ReceivePolicy { poll_every, retry_first: poll_every, retry_max: poll_every, ..ReceivePolicy::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn expected_workflows_are_not_kept_waiting_by_ten_thousand_strangers() {
    const STRANGERS: usize = 10_000;
    const EXPECTED: usize = 100;
    let world = World::new().await;
    stream::iter(0..STRANGERS).for_each_concurrent(16, |_| async { drop(world.put("STRANGER").await) }).await;
    for number in 0..EXPECTED {
        world.put(if number % 4 == 0 { "PATH_REPORT" } else { "DISCHARGE" }).await;
    }
    let workflows = ["PATH_*", "DISCHARGE"].map(|filter| filter.parse().expect("a filter")).to_vec();
    let policy = ReceivePolicy { workflows, ..policy() };
    let enough = EXPECTED + policy.strangers_max + 50;
    let downloads = policy.downloads_max;
    world.poll_until(&world.bob, policy, || world.notebook.len() >= enough).await;

    let got = world.notebook.workflows();
    let strangers_before = |workflow: &str| {
        let last = got.iter().rposition(|name| name == workflow).expect("it arrived");
        got[..last].iter().filter(|name| *name == "STRANGER").count()
    };
    assert_eq!(got.iter().filter(|name| *name != "STRANGER").count(), EXPECTED);
    // Some strangers may be under way while the last of the others is.
    assert!(strangers_before("DISCHARGE") < downloads, "{}", strangers_before("DISCHARGE"));
    let reports = got[..50].iter().filter(|name| *name == "PATH_REPORT").count();
    assert!((20..=25).contains(&reports), "the smaller workflow has its turns: {reports} of 50");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_that_is_not_taken_here_stays_at_mesh_until_it_is() {
    let world = World::new().await;
    world.put("PATH_REPORT").await;
    world.put("STRANGER").await;
    world.put("PATH_REPORT").await;
    let workflows = vec!["PATH_*".parse().expect("a filter")];
    let leave = ReceivePolicy { workflows, unknown: UnknownWorkflow::Leave, ..policy() };
    let waiting = || world.sandbox.messages(world.bob.id()).iter().filter(|m| m.status == "accepted").count();
    world.poll_until(&world.bob, leave.clone(), || world.notebook.len() == 2 && waiting() == 1).await;
    assert_eq!(world.states(Direction::Inbound).await.iter().filter(|state| *state == "listed").count(), 1);
    let opened = world.calls("download");
    let listed = world.calls("list");
    world.poll_until(&world.bob, leave, || world.calls("list") > listed + 2).await;
    assert_eq!(world.calls("download"), opened, "it is not asked for again");

    world.poll_until(&world.bob, policy(), || world.notebook.len() == 3).await;
    assert_eq!(world.states(Direction::Inbound).await, ["acknowledged"; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_message_delays_no_other() {
    let world = World::new().await;
    let poison = world.put("PATH_REPORT").await;
    *world.notebook.refuses.lock().expect("a lock") = Some(poison.clone());
    for _ in 0..20 {
        world.put("PATH_REPORT").await;
    }
    world.poll_until(&world.bob, policy(), || world.notebook.len() == 20).await;
    let got: HashSet<MessageId> =
        world.notebook.got.lock().expect("a lock").iter().map(|(_, id)| id.clone()).collect();
    assert!(got.len() == 20 && !got.contains(&poison));
    let counts = world.journal.counts().await.expect("counts");
    let delivering = counts.iter().find(|count| count.state == "delivering").expect("it is not given up");
    assert_eq!(delivering.messages, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn meshs_polling_rule_outlives_a_restart() {
    let world = World::new().await;
    world.put("PATH_REPORT").await;
    let rarely = ReceivePolicy { poll_every: Duration::from_secs(300), ..policy() };
    world.poll_until(&world.bob, rarely.clone(), || world.notebook.len() == 1).await;
    world.put("PATH_REPORT").await;
    // Another instance, or this one started again: it waits for the rest of the five minutes.
    let again = tokio::time::timeout(
        Duration::from_millis(500),
        world.poll_until(&world.bob, rarely.clone(), || world.notebook.len() == 2),
    );
    assert!(again.await.is_err());
    assert_eq!((world.calls("list"), world.calls("handshake")), (1, 1));
    world.clock.advance(Duration::from_secs(301));
    world.poll_until(&world.bob, rarely, || world.notebook.len() == 2).await;
    assert_eq!((world.calls("list"), world.calls("handshake")), (2, 1));
}

/// Sends from Alice to Bob by way of an engine, and returns MESH's id.
async fn send(world: &World, key: &str, local_id: &str) -> MessageId {
    let port = Arc::new(MeshPort::new(world.alice.clone()));
    let (_trigger, shutdown) = Shutdown::channel();
    let relay = RelayHandle::new(world.surroundings.clone(), [port as _], SendPolicy::default(), shutdown);
    let to = BOB.parse().expect("a recipient");
    let mut envelope =
        Envelope::new(world.alice.id().clone(), to, "PATH_REPORT".parse().expect("a workflow"));
    envelope.local_id = local_id.parse().ok();
    let message = SourceMessage {
        key: SourceKey { adapter: "test".to_owned(), message: key.to_owned() },
        fingerprint: None,
        reply: None,
        trace: relay_core::Trace::default(),
        not_after: None,
        order_key: None,
        envelope,
        payload: Payload::from_bytes(b"letter".to_vec()),
        gzip: false,
        allow_chunking: false,
    };
    let ended = relay.send(message).await.expect("an end");
    let relay_core::Outcome::Accepted(id) = ended.outcome() else { panic!("{:?}", ended.outcome()) };
    id.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_followed_until_it_is_collected() {
    let world = World::new().await;
    send(&world, "a", "L1").await;
    // Nobody has collected it after an hour; MESH is asked once.
    world.later(Duration::from_secs(3600));
    world.poll_until(&world.alice, policy(), || world.calls("track") == 1).await;
    assert_eq!(world.states(Direction::Outbound).await, ["accepted"]);
    world.poll_until(&world.alice, policy(), || world.calls("list") > 4).await;
    assert_eq!(world.calls("track"), 1, "MESH is not asked more often than the schedule says");
    // Bob collects it, and the next look sees that.
    world.poll_until(&world.bob, policy(), || world.notebook.len() == 1).await;
    world.later(Duration::from_secs(6 * 3600));
    world.poll_until(&world.alice, policy(), || world.calls("track") == 2).await;
    assert_eq!(world.states(Direction::Outbound).await, ["acknowledged"]);
    let query = MessageQuery { limit: 1, direction: Some(Direction::Outbound), ..MessageQuery::default() };
    let found = world.journal.search(&query).await.expect("an answer");
    let history = world.journal.history(found[0].relay_id).await.expect("a history");
    let told: Vec<_> = history.iter().map(|entry| (entry.state.as_str(), entry.note.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("received", None),
            ("sending", None),
            ("accepted", None),
            ("accepted", Some("not collected 1 h after MESH took it")),
            ("acknowledged", Some("the recipient collected it")),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_joined_to_the_message_that_it_is_about() {
    let world = World::new().await;
    world.sandbox.rules().switch(Rule::InboxExpiry, true);
    send(&world, "a", "L1").await;
    let elsewhere = world.put("PATH_REPORT").await;
    world.sandbox.advance(SignedDuration::from_hours(5 * 24 + 1)).expect("later");
    world.later(Duration::from_secs((5 * 24 + 1) * 3600));
    let off = ReceivePolicy { track: false, ..policy() };
    world.poll_until(&world.alice, off, || world.notebook.len() == 2).await;

    let query = MessageQuery { limit: 10, ..MessageQuery::default() };
    let found = world.journal.search(&query).await.expect("an answer");
    let sent = found.iter().find(|message| message.direction == Direction::Outbound).expect("the message");
    assert_eq!(sent.state, "undelivered");
    let history = world.journal.history(sent.relay_id).await.expect("a history");
    let last = history.last().expect("an entry");
    assert!(last.note.as_deref().is_some_and(|note| note.contains("14")), "{last:?}");
    // The other report is about a message that this journal never saw.
    let mut notes = Vec::new();
    for report in found.iter().filter(|message| message.direction == Direction::Inbound) {
        let history = world.journal.history(report.relay_id).await.expect("a history");
        notes.extend(history.into_iter().filter_map(|entry| entry.note));
    }
    notes.sort();
    let about = [
        format!("a report on message {}", sent.relay_id),
        format!("a report on message {elsewhere}, which this journal does not know"),
    ];
    let mut expected = about.to_vec();
    expected.sort();
    assert_eq!(notes, expected);
    assert!(world.journal.verify().await.expect("a report").is_sound());
}
