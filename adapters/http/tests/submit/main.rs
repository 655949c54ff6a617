//! Messages handed in over HTTP, by a server and an engine that are real, on a real journal, to a MESH that fails on purpose.
#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use http_adapter::{HttpSource, Limits, Submit};
use relay_core::{
    Caller, KeyReuse, MailboxId, MeshMailbox, RelayHandle, SendPolicy, Shutdown, ShutdownTrigger, Source,
    Surroundings, Terms,
};
use relay_journal::SqliteJournal;
use relay_testkit::failing::{FailingMesh, Fate};
use relay_testkit::scripted::ScriptedMesh;
use relay_testkit::wait::{DEADLINE, eventually};
use relay_testkit::world::{TestChance, TestClock};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

mod broken;
mod caller;
mod ends;
mod resumed;
mod taken;

use caller::{Answer, Call, call};

const NAME: &str = "lab";

fn mailbox() -> MailboxId {
    "X26ABC1".parse().expect("a mailbox")
}

/// Chunks of ten bytes, and short waits.
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

/// What a test may set.
#[derive(Clone)]
struct Setting {
    policy: SendPolicy,
    limits: Limits,
    fate: Arc<Fate>,
    mailboxes: Vec<MailboxId>,
}

impl Default for Setting {
    fn default() -> Self {
        Self { policy: policy(), limits: Limits::default(), fate: Fate::none(), mailboxes: vec![mailbox()] }
    }
}

/// A relay with everything around it in the test's hands.
struct Bench {
    mesh: Arc<ScriptedMesh>,
    journal: SqliteJournal,
    relay: RelayHandle,
    world: World,
    address: std::net::SocketAddr,
    trigger: ShutdownTrigger,
    source: JoinHandle<()>,
    server: JoinHandle<()>,
    setting: Setting,
}

/// What outlives a relay.
struct World {
    folder: tempfile::TempDir,
    mesh: Arc<ScriptedMesh>,
    clock: Arc<TestClock>,
    chance: Arc<TestChance>,
}

impl Bench {
    async fn new() -> Self {
        Self::with(Setting::default()).await
    }

    async fn with(setting: Setting) -> Self {
        let clock = Arc::new(TestClock::default());
        let mesh = Arc::new(ScriptedMesh::new(&mailbox(), clock.clone()));
        let folder = tempfile::tempdir().expect("a folder");
        Self::on(World { folder, mesh, clock, chance: Arc::default() }, setting).await
    }

    async fn on(world: World, setting: Setting) -> Self {
        let mesh = Arc::clone(&world.mesh);
        let journal = SqliteJournal::open(&world.folder.path().join("journal.db")).expect("a journal");
        let (trigger, shutdown) = Shutdown::channel();
        let surroundings =
            Surroundings::new(Arc::new(journal.clone()), world.clock.clone(), world.chance.clone());
        // As after a first look at the inbox.
        surroundings.proven.prove();
        let port: Arc<dyn MeshMailbox> = Arc::new(FailingMesh::new(mesh.clone(), &setting.fate));
        let relay = RelayHandle::new(surroundings, [port], setting.policy.clone(), shutdown.clone())
            .on_terms(Terms { reuse: KeyReuse::Never, tell: false });
        let submit = Submit::default();
        let source = HttpSource::new(NAME, setting.mailboxes.clone(), setting.limits, &submit);
        let running = relay.clone();
        let source = tokio::spawn(async move { source.run(running, shutdown).await.expect("a run") });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (router, _) = submit.router().split_for_parts();
        let router = router.layer(from_fn(sign_in));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("a server") });
        eventually("the source runs", || submit.takes(&mailbox())).await;
        Self { mesh, journal, relay, world, address, trigger, source, server, setting }
    }

    /// Stops as the program does.
    async fn stop(self) -> (World, Setting) {
        let Self { journal, relay, world, trigger, source, server, setting, .. } = self;
        trigger.request();
        source.await.expect("the source ends");
        server.abort();
        let _ = server.await;
        drop(relay);
        journal.close().await;
        (world, setting)
    }

    /// Everything but the journal's file and what MESH holds is lost.
    async fn restart(self) -> Self {
        let (world, setting) = self.stop().await;
        Self::on(world, setting).await
    }

    async fn call(&self, call_: Call<'_>) -> Answer {
        call(self.address, call_).await
    }

    /// Makes a request again and again until its answer is this.
    async fn call_until(&self, call_: Call<'_>, is_it: impl Fn(&Answer) -> bool) -> Answer {
        let calling = async {
            loop {
                let answer = self.call(call_.clone()).await;
                if is_it(&answer) {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, calling).await.expect("such an answer")
    }

    /// Returns once the source has let go of everything.
    async fn all_settled(&self) {
        let settling = async {
            while self.unsettled().await > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, settling).await.expect("all is settled");
    }

    /// What the source has not let go of.
    async fn unsettled(&self) -> usize {
        self.relay.unsettled(NAME).await.expect("the journal").len()
    }
}

/// Stands for the server's access layer: who calls says so.
async fn sign_in(mut request: Request, next: Next) -> axum::response::Response {
    let caller = request.headers().get("x-caller").and_then(|caller| caller.to_str().ok()).map(str::to_owned);
    if let Some((name, role)) = caller.as_deref().and_then(|caller| caller.split_once('/')) {
        request.extensions_mut().insert(Caller::new(name, role.parse().expect("a role")));
    }
    next.run(request).await
}
