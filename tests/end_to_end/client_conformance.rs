//! The client's calls against the official emulator and against our sandbox: one table, the same outcomes.
//!
//! An outcome is what a caller acts on: the value, or the kind of error with what it says about the effect. Where the
//! two servers differ, the difference stands in [`DIFFERENCES`] with its reason.

use std::fmt::Debug;

use futures_util::TryStreamExt;
use mesh_api::path::WorkflowFilter;
use mesh_api::{ChunkPlan, Classify, Envelope, MailboxId, MessageId, Payload, SharedKey, WorkflowId};
use mesh_client::{
    BreakerConfig, CallError, Client, ClientConfig, LocalIdMatch, Mailbox, SendOptions, Timeouts, TlsConfig,
    Upload,
};
use mesh_sandbox::Sandbox;
use secrecy::SecretString;

use crate::process::Emulator;

/// Cases in which a server's outcome is another than the table's: the case, whose server, its outcome, and why.
const DIFFERENCES: [(&str, Server, &str, &str); 0] = [];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Official,
    Ours,
}

const ONE: &str = "X26ABC1";
const TWO: &str = "X26ABC2";
const THREE: &str = "X26ABC3";

struct World {
    one: Mailbox,
    two: Mailbox,
    three: Mailbox,
    client: Client,
}

fn client(url: &str, key: &str) -> Client {
    Client::new(ClientConfig {
        base_url: url.to_owned(),
        shared_key: SharedKey::new(key),
        tls: TlsConfig::default(),
        proxy: None,
        timeouts: Timeouts::default(),
        // Refused credentials are cases here; they must not keep the others from being tried.
        breaker: BreakerConfig { failures: 0, ..BreakerConfig::default() },
        expanded_bytes_max: mesh_client::EXPANDED_BYTES_MAX,
        application: "conformance==1".to_owned(),
        now: || jiff::Timestamp::UNIX_EPOCH + std::time::UNIX_EPOCH.elapsed().unwrap_or_default(),
    })
    .expect("a client")
}

fn mailbox(client: &Client, id: &str, password: &str) -> Mailbox {
    client.mailbox(id.parse().expect("a mailbox"), SecretString::from(password))
}

fn workflow(id: &str) -> WorkflowId {
    id.parse().expect("a workflow")
}

fn envelope(to: &str, flow: &str, local_id: &str) -> Envelope {
    let from: MailboxId = ONE.parse().expect("a mailbox");
    let mut envelope = Envelope::new(from, to.parse().expect("a recipient"), workflow(flow));
    envelope.local_id = (!local_id.is_empty()).then(|| local_id.parse().expect("a local id"));
    envelope
}

/// What a caller acts on.
fn outcome<T: Debug>(result: Result<T, CallError>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => {
            let kind = format!("{:?}", error.kind());
            let code = error.service().map(|service| format!("{}/{}", service.event, service.code));
            let code = code.filter(|code| code != "/").map(|code| format!(" {code}")).unwrap_or_default();
            format!("{kind}{code} {:?}", error.effect())
        }
    }
}

async fn content(mailbox: &Mailbox, id: &MessageId) -> Result<String, CallError> {
    let opened = mailbox.open(id).await?;
    let of = opened.download.chunk.of;
    let pieces: Vec<_> = opened.body.try_collect().await.map_err(|error| {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<CallError>());
        inner.expect("a call's error").clone()
    })?;
    Ok(format!("{of}: {}", String::from_utf8_lossy(&pieces.concat())))
}

/// The name of a case, what is expected, and what came.
type Rows = Vec<(&'static str, &'static str, String)>;

impl World {
    async fn send(&self, local_id: &str, body: &str, options: SendOptions) -> MessageId {
        let payload = Payload::from_bytes(body.as_bytes().to_vec());
        let sent = self.one.send_message(&envelope(TWO, "TEST_WORKFLOW", local_id), &payload, &options).await;
        sent.expect("a message sent")
    }

    async fn refused_send(&self, to: &str, plan: ChunkPlan) -> Result<&'static str, CallError> {
        let payload = Payload::from_bytes("0123456789");
        self.one.send(&envelope(to, "TEST_WORKFLOW", ""), &payload, &plan, false).await.map(|_| "sent")
    }

    async fn credentials(&self, rows: &mut Rows, url: &str) {
        let refused = "CredentialsRefused NotApplied";
        rows.push(("handshake", "()", outcome(self.one.handshake().await)));
        let wrong = mailbox(&self.client, ONE, "wrong");
        rows.push(("handshake with a wrong password", refused, outcome(wrong.handshake().await)));
        let unknown = mailbox(&self.client, "X26NONE", "password");
        rows.push((
            "handshake of an unknown mailbox",
            "CredentialsRefused SEND/EPL-151 NotApplied",
            outcome(unknown.handshake().await),
        ));
        let other = mailbox(&client(url, "OtherKey"), ONE, "password");
        rows.push(("handshake with a wrong shared key", refused, outcome(other.handshake().await)));
    }

    async fn sending(&self, rows: &mut Rows) {
        let plain = SendOptions::default();
        let cut = SendOptions { chunk_bytes: 4, ..plain };
        for (name, expected, options) in [
            ("a message", "1: 0123456789", plain),
            ("a gzipped message", "1: 0123456789", SendOptions { gzip: true, ..plain }),
            ("a message in chunks", "3: 0123456789", cut),
            ("a gzipped message in chunks", "3: 0123456789", SendOptions { gzip: true, ..cut }),
            ("a message in two steps", "2: 0123456789", SendOptions { two_step: true, ..plain }),
        ] {
            let id = self.send("", "0123456789", options).await;
            rows.push((name, expected, outcome(content(&self.two, &id).await).replace('"', "")));
            self.two.acknowledge(&id).await.expect("acknowledged");
        }
        let whole = ChunkPlan::whole(10).expect("a plan");
        rows.push((
            "a message to nobody",
            "Refused SEND/12 NotApplied",
            outcome(self.refused_send("X26NONE", whole).await),
        ));
        let mut foreign = envelope(TWO, "TEST_WORKFLOW", "");
        foreign.from = THREE.parse().expect("a mailbox");
        let payload = Payload::from_bytes("0123456789");
        let sent = self.one.send(&foreign, &payload, &whole, false).await;
        rows.push(("a message in another's name", "Unsendable(\"mex-from\") NotApplied", outcome(sent)));
    }

    async fn chunks(&self, rows: &mut Rows) {
        let payload = Payload::from_bytes("0123456789");
        let plan = ChunkPlan::chunked(10, 4).expect("a plan");
        let options = SendOptions { chunk_bytes: 4, ..SendOptions::default() };
        let first = self.one.send(&envelope(TWO, "TEST_WORKFLOW", "up"), &payload, &plan, false).await;
        let id = first.expect("a first chunk");
        let nobody: MessageId = "20260101000000000000_00FFFF".parse().expect("an id");
        let chunk = |mailbox: &Mailbox, id: &MessageId, index| {
            let (mailbox, id, payload) = (mailbox.clone(), id.clone(), payload.clone());
            async move { outcome(mailbox.send_chunk(&id, &payload, &plan, false, index).await) }
        };
        rows.push(("a chunk of no message", "NoSuchMessage NotApplied", chunk(&self.one, &nobody, 2).await));
        rows.push((
            "a chunk of another's message",
            "CredentialsRefused NotApplied",
            chunk(&self.three, &id, 2).await,
        ));
        let track = async |id: &MessageId| outcome(self.one.track(id).await.map(|tracking| tracking.status));
        rows.push(("tracking an upload", "Uploading", track(&id).await));
        rows.push((
            "download during the upload",
            "NoLongerAvailable SEND/Message already accepted NotApplied",
            outcome(content(&self.two, &id).await),
        ));
        rows.push(("the second chunk", "()", chunk(&self.one, &id, 2).await));
        rows.push(("the second chunk again", "()", chunk(&self.one, &id, 2).await));
        let upload = Upload {
            message_id: id.clone(),
            next: 2,
            length: payload.length(),
            chunk_bytes: plan.chunk_bytes(),
            gzip: options.gzip,
        };
        let resumed = self.one.resume(upload, &payload, &options).await;
        rows.push(("an upload goes on", "true", format!("{}", resumed.is_ok_and(|resumed| resumed == id))));
        rows.push(("the last chunk again", "AlreadyComplete NotApplied", chunk(&self.one, &id, 3).await));
        rows.push(("what arrived of it", "\"3: 0123456789\"", outcome(content(&self.two, &id).await)));
        self.two.acknowledge(&id).await.expect("acknowledged");
    }

    async fn receiving(&self, rows: &mut Rows) {
        rows.push(("an empty inbox", "[]", outcome(self.two.list().await)));
        let mut ids = Vec::new();
        for number in 0..3 {
            ids.push(self.send(&format!("L{number}"), "x", SendOptions::default()).await);
        }
        let same = |listed: Result<Vec<MessageId>, CallError>| outcome(listed.map(|listed| listed == ids));
        rows.push(("an inbox, oldest first", "true", same(self.two.list().await)));
        rows.push(("a count", "3", outcome(self.two.count().await)));
        let test = || workflow("TEST_WORKFLOW");
        for (name, expected, filter) in [
            ("filter: is", "3", WorkflowFilter::Is(test())),
            ("filter: is not", "0", WorkflowFilter::IsNot(test())),
            ("filter: begins with", "3", WorkflowFilter::BeginsWith(workflow("TEST"))),
            ("filter: begins not with", "0", WorkflowFilter::BeginsNotWith(workflow("TEST"))),
            ("filter: contains", "3", WorkflowFilter::Contains(workflow("_WORK"))),
            ("filter: contains not", "0", WorkflowFilter::ContainsNot(workflow("_WORK"))),
        ] {
            let listed = self.two.list_filtered(&filter).await.map(|listed| listed.len());
            rows.push((name, expected, outcome(listed)));
        }
        let nobody: MessageId = "20260101000000000000_00FFFF".parse().expect("an id");
        let head = async |mailbox: &Mailbox, id: &MessageId| {
            outcome(mailbox.head(id).await.map(|found| (found.from, found.chunk.of)))
        };
        rows.push(("metadata for the recipient", "(\"X26ABC1\", 1)", head(&self.two, &ids[0]).await));
        rows.push(("metadata for the sender", "(\"X26ABC1\", 1)", head(&self.one, &ids[0]).await));
        rows.push(("metadata for others", "NoSuchMessage NotApplied", head(&self.three, &ids[0]).await));
        rows.push(("metadata of nothing", "NoSuchMessage NotApplied", head(&self.two, &nobody).await));
        rows.push((
            "a download of nothing",
            "NoSuchMessage RECEIVE/20 NotApplied",
            outcome(content(&self.two, &nobody).await),
        ));
        rows.push((
            "a download of another's message",
            "CredentialsRefused NotApplied",
            outcome(content(&self.three, &ids[0]).await),
        ));
        let acknowledge = async |mailbox: &Mailbox, id: &MessageId| outcome(mailbox.acknowledge(id).await);
        rows.push(("acknowledging", "()", acknowledge(&self.two, &ids[0]).await));
        rows.push(("acknowledging again", "()", acknowledge(&self.two, &ids[0]).await));
        rows.push((
            "acknowledging nothing",
            "NoSuchMessage RECEIVE/20 NotApplied",
            acknowledge(&self.two, &nobody).await,
        ));
        rows.push((
            "acknowledging another's message",
            "CredentialsRefused NotApplied",
            acknowledge(&self.three, &ids[1]).await,
        ));
        let track = async |id: &MessageId| outcome(self.one.track(id).await.map(|tracking| tracking.status));
        rows.push(("tracking what was acknowledged", "Acknowledged", track(&ids[0]).await));
        rows.push(("tracking what waits", "Accepted", track(&ids[1]).await));
        rows.push(("tracking nothing", "NoSuchMessage NotApplied", track(&nobody).await));
        rows.push((
            "tracking another's message",
            "NoSuchMessage NotApplied",
            outcome(self.three.track(&ids[1]).await),
        ));
    }

    async fn local_ids(&self, rows: &mut Rows) {
        let find = async |local_id: &str| {
            let found = self.one.track_by_local_id(&local_id.parse().expect("a local id")).await;
            outcome(found.map(|found| match found {
                LocalIdMatch::Nothing => "nothing".to_owned(),
                LocalIdMatch::One(tracking) => format!("{:?}", tracking.status),
                LocalIdMatch::Several => "several".to_owned(),
            }))
        };
        for (name, id) in
            [("one", "only one"), ("two", "twice"), ("two", "twice"), ("odd", "a #1?&=+%"), ("slash", "a/b")]
        {
            self.send(id, name, SendOptions::default()).await;
        }
        rows.push(("a local id of nothing", "\"nothing\"", find("none").await));
        rows.push(("a local id of one", "\"Accepted\"", find("only one").await));
        rows.push(("a local id of two", "\"several\"", find("twice").await));
        rows.push(("a local id of odd characters", "\"Accepted\"", find("a #1?&=+%").await));
        // Both servers unescape the path before they part it; live is not known to.
        rows.push((
            "a local id with a slash",
            "NotMesh(\"the path is unknown there; check the MESH address\") NotApplied",
            find("a/b").await,
        ));
    }

    async fn directory(&self, rows: &mut Rows) {
        let lookup = async |ods: &str, flow: &str| {
            let found = self.one.lookup(ods, &workflow(flow)).await;
            outcome(
                found.map(|found| found.into_iter().map(|one| one.mailbox.to_string()).collect::<Vec<_>>()),
            )
        };
        rows.push(("lookup of one", "[\"X26ABC2\"]", lookup("X26", "TEST_WORKFLOW").await));
        rows.push(("lookup of two", "[\"X26ABC1\", \"X26ABC2\"]", lookup("X26", "TEST_WORKFLOW2").await));
        rows.push(("lookup of none", "[]", lookup("X27", "TEST_WORKFLOW").await));
        rows.push(("lookup of an unknown workflow", "[]", lookup("X26", "A workflow #1").await));
        let found = self.one.workflow_search(&workflow("TEST_WORKFLOW_ACK")).await;
        let names: Result<Vec<_>, _> = found.map(|found| found.into_iter().map(|one| one.name).collect());
        rows.push(("workflow search", "[\"TESTMB1\", \"TESTMB3\"]", outcome(names)));
    }

    async fn pages(&self, rows: &mut Rows) {
        let before = self.two.list().await.expect("a list");
        for id in before {
            self.two.acknowledge(&id).await.expect("acknowledged");
        }
        let mut sent = Vec::new();
        for _ in 0..600 {
            sent.push(self.send("", "x", SendOptions::default()).await);
        }
        let listed = self.two.list().await.map(|listed| listed == sent);
        rows.push(("six hundred messages over two pages", "true", outcome(listed)));
    }

    async fn all(url: &str) -> Rows {
        let client = client(url, "TestKey");
        let world = Self {
            one: mailbox(&client, ONE, "password"),
            two: mailbox(&client, TWO, "password"),
            three: mailbox(&client, THREE, "password"),
            client,
        };
        let mut rows = Rows::new();
        world.credentials(&mut rows, url).await;
        world.sending(&mut rows).await;
        world.chunks(&mut rows).await;
        world.receiving(&mut rows).await;
        world.local_ids(&mut rows).await;
        world.directory(&mut rows).await;
        world.pages(&mut rows).await;
        rows
    }
}

fn compare(server: Server, rows: &Rows) {
    for (name, expected, came) in rows {
        let known = DIFFERENCES.iter().find(|known| known.0 == *name && known.1 == server);
        let expected = known.map_or(*expected, |known| known.2);
        assert_eq!(came, expected, "{name}, {server:?}");
    }
}

#[tokio::test]
async fn the_clients_calls_have_the_same_outcomes_at_both_servers() {
    let sandbox = Sandbox::loopback().await.expect("a sandbox");
    let ours = World::all(&sandbox.base_url()).await;
    compare(Server::Ours, &ours);
    let emulator = Emulator::start().await;
    let official = World::all(&emulator.base_url()).await;
    compare(Server::Official, &official);
    assert_eq!(ours.len(), official.len());
    println!("{} cases, {} known differences", ours.len(), DIFFERENCES.len());
}
