//! The engine on a real journal, with a MESH that fails on purpose.

use std::sync::Arc;
use std::time::Duration;

use mesh_api::MailboxId;
use relay_core::{
    Deferral, DoubtStrategy, Ended, Envelope, MeshMailbox, Outcome, Pattern, Payload, Refused, Rejection,
    RelayHandle, SendPolicy, SendRoute, Shutdown, ShutdownTrigger, SourceKey, SourceMessage, Surroundings,
    Trace,
};
use relay_journal::SqliteJournal;
use relay_testkit::scripted::{Fault, Made, ScriptedMesh};
use relay_testkit::world::{TestChance, TestClock};

mod clocks;
mod following;
mod recovery;
mod routing;
mod sending;
mod sources;
mod telling;

/// An engine with everything around it in the test's hands. `stop` and a new one on the same folder is a restart.
struct Bench {
    mesh: Arc<ScriptedMesh>,
    relay: RelayHandle,
    journal: SqliteJournal,
    clock: Arc<TestClock>,
    _trigger: ShutdownTrigger,
    folder: Arc<tempfile::TempDir>,
}

fn mailbox() -> MailboxId {
    "X26ABC1".parse().expect("a mailbox")
}

fn policy() -> SendPolicy {
    let (short, longer) = (Duration::from_millis(4), Duration::from_millis(20));
    SendPolicy {
        chunk_bytes: 10,
        retry_first: short,
        retry_max: longer,
        doubt_wait: short,
        ..SendPolicy::default()
    }
}

impl Bench {
    fn new() -> Self {
        Self::with(policy())
    }

    fn with(policy: SendPolicy) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        let clock = Arc::new(TestClock::default());
        let mesh = Arc::new(ScriptedMesh::new(&mailbox(), clock.clone()));
        Self::on(folder, mesh, clock, policy)
    }

    fn on(
        folder: Arc<tempfile::TempDir>,
        mesh: Arc<ScriptedMesh>,
        clock: Arc<TestClock>,
        policy: SendPolicy,
    ) -> Self {
        let journal = SqliteJournal::open(&folder.path().join("journal.db")).expect("a journal");
        let (trigger, shutdown) = Shutdown::channel();
        let surroundings =
            Surroundings::new(Arc::new(journal.clone()), clock.clone(), Arc::new(TestChance::default()));
        let port: Arc<dyn MeshMailbox> = mesh.clone();
        let relay = RelayHandle::new(surroundings, [port], policy, shutdown);
        Self { mesh, relay, journal, clock, _trigger: trigger, folder }
    }

    /// Everything but the journal's file and what MESH holds is lost.
    async fn restart(self) -> Self {
        let Self { mesh, relay, journal, clock, folder, .. } = self;
        drop(relay);
        journal.close().await;
        Self::on(folder, mesh, clock, policy())
    }

    async fn send(&self, message: &SourceMessage) -> Result<Ended, Deferral> {
        self.relay.send(message.clone()).await
    }

    /// Sends as a source does: offered again whenever it is deferred, at most `times` times.
    async fn send_until_ended(&self, message: &SourceMessage, times: usize) -> Ended {
        for _ in 0..times {
            match self.send(message).await {
                Ok(ended) => return ended,
                Err(deferral) => tokio::time::sleep(deferral.after).await,
            }
        }
        panic!("the message did not end");
    }
}

/// A message of this source key, local id and length.
fn message(key: &str, local_id: &str, length: usize) -> SourceMessage {
    let to = "X26ABC2".parse().expect("a recipient");
    let mut envelope = Envelope::new(mailbox(), to, "TEST_WORKFLOW".parse().expect("a workflow"));
    envelope.local_id = local_id.parse().ok();
    SourceMessage {
        key: SourceKey { adapter: "test".to_owned(), message: key.to_owned() },
        fingerprint: None,
        reply: None,
        trace: Trace::default(),
        not_after: None,
        order_key: None,
        envelope,
        payload: Payload::from_bytes((0..length).map(|i| i as u8).collect::<Vec<u8>>()),
        gzip: false,
        allow_chunking: true,
    }
}
