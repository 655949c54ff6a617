//! Messages on every way there and back, good ones and bad ones.

use std::fs;

use lapin::types::AMQPValue;
use mesh_sandbox::{Call, Effect, Fault, Page};
use relay_testkit::pairs::{Control, Root};
use relay_testkit::wait::eventually;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::commands;
use crate::files;
use crate::marks::{Kind, Mark, Searcher, forms};
use crate::memory::{self, Holders};
use crate::outputs::{Output, files as files_in, hold};
use crate::process::Relay;
use crate::scene::{FOLDER, HOOK, QUEUE, Scene, THE_ORGANISATIONS, TOPIC, operator};

/// Names how often everything is carried, each time with other marks: once, unless `make prove` asks for more.
const RUNS: &str = "MESH_RELAY_PROVE_CANARY_RUNS";

/// The private parts of the messages of one way.
pub struct Message {
    pub payload: Mark,
    pub subject: Mark,
    pub local_id: Mark,
    pub file_name: Mark,
    pub name: Mark,
    pub recipient: Mark,
}

impl Message {
    pub fn of(place: &'static str) -> Self {
        Self {
            payload: Mark::new(Kind::Payload, place),
            subject: Mark::new(Kind::Subject, place),
            local_id: Mark::new(Kind::LocalId, place),
            file_name: Mark::new(Kind::FileName, place),
            name: Mark::new(Kind::MessageName, place),
            recipient: Mark::new(Kind::Recipient, place),
        }
    }

    pub fn marks(&self) -> Vec<Mark> {
        [&self.payload, &self.subject, &self.local_id, &self.file_name, &self.name, &self.recipient]
            .map(Clone::clone)
            .to_vec()
    }

    /// A payload with its mark at both ends.
    pub fn body(&self, length: usize) -> Vec<u8> {
        let mark = self.payload.odd();
        let filling = "PID|1||4857773456^^^NHS||SMITH^JO\r".repeat(length / 34);
        format!("{mark}\n{filling}\n{mark}").into_bytes()
    }
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A control file of a message to the folder's own mailbox.
fn control(message: &Message) -> String {
    let control = Control::new(FOLDER, FOLDER).local_id(message.local_id.plain()).compressed_in_chunks();
    control.text().replace("Invented", &xml(&message.subject.odd()))
}

// Several threads: commands are waited for, while what they talk to goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_marked_comes_out_where_it_must_not() {
    let runs = std::env::var(RUNS).map_or(1, |runs| runs.parse().expect("a number of runs"));
    for run in 1..=runs {
        println!("run {run} of {runs}");
        carry_marks().await;
    }
}

async fn carry_marks() {
    let scene = Scene::new().await;
    let relay = scene.run().await;
    in_memory(&scene, &relay, "after the start", 0);

    let mut outputs = Vec::new();
    let mut marks = scene.secrets.all();
    marks.extend(folders(&scene, &relay).await);
    marks.extend(queues(&scene, &mut outputs).await);
    marks.extend(topics(&scene, &mut outputs).await);
    marks.extend(hooks(&scene, &relay, &mut outputs).await);
    marks.extend(commands::by_hand(&scene, &mut outputs).await);
    marks.extend(commands::about_the_journal(&scene, &relay, &mut outputs).await);
    in_memory(&scene, &relay, "after messages of every kind", 40);
    let (status, log) = relay.stop().await;
    assert!(status.success(), "{}", &log[log.len().saturating_sub(2000)..]);
    assert!(log.contains("TRACE"), "the log says as much as it can");

    for what in ["list_queues name arguments", "list_exchanges name arguments", "list_consumers consumer_tag"]
    {
        let arguments: Vec<&str> = what.split(' ').collect();
        outputs.push(Output::new(format!("the broker's {what}"), scene.own.ctl(&arguments)));
    }
    outputs.extend(files_in(scene.folder.path(), &THE_ORGANISATIONS));
    files::are_their_owners_alone(scene.folder.path(), &["journal.db", "transfers.log"]);
    // A consumer of the same group is to read them, and nobody else.
    files::have_no_right_but_these(&scene.path("claims/in"), &[QUEUE], 0o750);
    files::have_no_right_but_these(&scene.path("claims/in").join(QUEUE), &["2"], 0o640);
    assert!(
        outputs.iter().any(|output| output.name.starts_with("file relay-") && output.bytes.len() > 100_000)
    );
    a_planted_leak_is_found(log.as_bytes());
    hold(marks, &outputs);
}

/// A leak in the relay's real log is found in each form.
fn a_planted_leak_is_found(log: &[u8]) {
    let mark = Mark::new(Kind::Subject, "planted");
    let searcher = Searcher::new(vec![mark.clone()]);
    assert_eq!(searcher.find(log).count(), 0);
    let (before, after) = log.split_at(log.len() / 2);
    for (form, text) in forms(mark.plain()) {
        assert_eq!(searcher.find(&[before, &text, after].concat()).count(), 1, "{form}");
    }
}

/// Where the secrets of the configuration stand in the relay's memory. `met`: how often more one may stand there that goes to
/// and fro in requests, in the HTTP library's buffers and in those that it gave back.
fn in_memory(scene: &Scene, relay: &Relay, when: &str, met: usize) {
    let secrets = &scene.secrets;
    let holder = |mark, most, who| Holders { mark, most, who };
    memory::hold(
        relay,
        when,
        &[
            holder(&secrets.keystore, 0, "nobody: it has opened the store"),
            holder(&secrets.mailbox, 5, "each of the five mailboxes"),
            holder(&secrets.shared_key, 1, "the client"),
            holder(&secrets.proxy, 0, "nobody: it is kept as it is sent, in base64"),
            holder(&secrets.operator, met, "nobody: a fingerprint is kept; and requests that bring it"),
            holder(&secrets.webhook, 4, "two webhooks, in which it stands twice"),
            holder(&secrets.authorization, 2 + met, "two webhooks' headers, and requests with them"),
            holder(&secrets.openid, 2, "the console's settings, and the provider"),
            holder(&secrets.broker, 40, "lapin: its URL, and each connection's"),
        ],
    );
    let count = memory::count(relay, &[&secrets.private_key])[0];
    println!("{when}, private key: {count}");
    assert!(count <= 1, "{when}, the private key's own bytes stand in memory {count} times");
}

/// Pairs through folders.
async fn folders(scene: &Scene, relay: &Relay) -> Vec<Mark> {
    let root = Root(scene.path(FOLDER));
    let good = Message::of("folder");
    root.drop_files(good.file_name.plain(), Some(control(&good).as_bytes()), Some(&good.body(150_000)));
    eventually("the pair is sent", || root.controls("SENT") == 1).await;
    eventually("and arrives", || !root.received().is_empty()).await;
    assert_eq!(root.received()[0], good.body(150_000));
    let mut marks = good.marks();

    // What a bad day at MESH does to it.
    for (name, effect) in [
        ("lost", Effect::LoseAnswer),
        ("cut", Effect::CutAnswer { after_bytes: 5 }),
        ("busy", Effect::Status { status: 500, retry_after_seconds: None, body: Page::Mesh }),
        ("gateway", Effect::Status { status: 502, retry_after_seconds: None, body: Page::Html }),
        ("soap", Effect::Status { status: 503, retry_after_seconds: Some(1), body: Page::Soap }),
    ] {
        let calls = vec![Call::Send, Call::SendChunk, Call::Download, Call::Acknowledge];
        let mailbox = Some(FOLDER.parse().expect("a mailbox"));
        let fault = Fault { mailbox, calls, times: Some(2), ..Fault::new(name, effect) };
        scene.sandbox.faults().add(fault).expect("a fault");
        let message = Message::of(name);
        let (came, sent) = (root.received().len(), root.controls("SENT"));
        root.drop_files(
            message.file_name.plain(),
            Some(control(&message).as_bytes()),
            Some(&message.body(500)),
        );
        eventually("the pair is sent", || root.controls("SENT") > sent).await;
        eventually("and arrives", || root.received().len() > came).await;
        scene.sandbox.faults().remove(name);
        marks.extend(message.marks());
    }

    // Pairs that can never be sent, of many kinds.
    let mut bad = 0;
    let mut drop_bad = |place: &'static str, alter: &dyn Fn(&str, &Message) -> String, has_data: bool| {
        let message = Message::of(place);
        let text = alter(&control(&message), &message);
        let body = message.body(500);
        root.drop_files(message.file_name.plain(), Some(text.as_bytes()), has_data.then_some(&*body));
        marks.extend(message.marks());
        bad += 1;
    };
    drop_bad("no XML", &|_, message| format!("To: {}", message.subject.odd()), true);
    drop_bad(
        "cut XML",
        &|text, message| {
            let at = text.find(message.subject.plain()).expect("it");
            text[..at + message.subject.plain().len()].to_owned()
        },
        true,
    );
    drop_bad(
        "doctype",
        &|text, message| format!("<!DOCTYPE a [<!ENTITY b \"{}\">]>{text}", message.subject.plain()),
        true,
    );
    drop_bad(
        "odd element",
        &|text, message| {
            let odd = message.subject.plain();
            text.replace(
                "</DTSControl>",
                &format!("<{odd}>{odd}</{odd}><Compress>{odd}</Compress></DTSControl>"),
            )
        },
        false,
    );
    drop_bad(
        "odd flags",
        &|text, message| {
            text.replace("<Compress>Y", &format!("<Compress>{}", message.subject.plain()))
                .replace("<To_DTS>X26ABC1", "<To_DTS>")
        },
        true,
    );
    drop_bad(
        "recipient",
        &|text, message| {
            text.replace("<To_DTS>X26ABC1", &format!("<To_DTS>{}", xml(&message.recipient.odd())))
        },
        true,
    );
    drop_bad(
        "sender",
        &|text, message| {
            text.replace("<From_DTS>X26ABC1", &format!("<From_DTS>{}", message.recipient.plain()))
        },
        true,
    );
    drop_bad("unregistered", &|text, _| text.replace("<To_DTS>X26ABC1", "<To_DTS>NOSUCHBOX"), true);
    drop_bad("workflow", &|text, _| text.replace("TEST_WORKFLOW", &"W".repeat(400)), true);
    drop_bad(
        "long local id",
        &|text, message| {
            let id = message.local_id.plain();
            text.replace(id, &id.repeat(30))
        },
        true,
    );
    drop_bad(
        "control characters",
        &|text, message| {
            text.replace(message.local_id.plain(), &format!("{}&#x1;&#10;", message.local_id.plain()))
        },
        true,
    );
    drop_bad("no data", &|text, _| text.to_owned(), false);
    drop_bad(
        "not UTF-8",
        &|text, _| text.replace("<Version>", "<Version encoding='nothing'>\u{fffd}"),
        false,
    );
    eventually("OUT is empty", || root.names("OUT").is_empty()).await;
    eventually("the bad ones are in FAILED", || root.controls("FAILED") + 3 >= bad).await;
    println!("{} of {bad} bad pairs are in FAILED", root.controls("FAILED"));
    assert!(!relay.log().is_empty());
    marks
}

/// Messages through RabbitMQ.
async fn queues(scene: &Scene, outputs: &mut Vec<Output>) -> Vec<Mark> {
    let mut marks = Vec::new();
    let put = async |message: &Message, more: &[(&str, &str)], body: &[u8]| {
        let (subject, file) = (message.subject.odd(), message.file_name.plain());
        let usual = [
            ("mesh_workflow_id", "TEST_WORKFLOW"),
            ("mesh_subject", &*subject),
            ("mesh_local_id", message.local_id.plain()),
            ("mesh_file_name", file),
        ];
        let headers: Vec<(&str, &str)> = usual.iter().chain(more).copied().collect();
        scene.rabbit.put("out", message.name.plain(), &headers, body).await;
    };
    let to = [("mesh_to", QUEUE)];
    let good = Message::of("queue");
    put(&good, &to, &good.body(100)).await;
    let came = scene.rabbit.take_all("in", 1).await.remove(0);
    assert_eq!(came.body, good.body(100));
    let long = Message::of("queue, by reference to the sender");
    put(&long, &to, &long.body(5_000)).await;
    let came = scene.rabbit.take_all("in", 1).await.remove(0);
    assert!(came.body.is_empty() && !came.header("mesh_data_ref").is_empty());
    let claim = Message::of("queue, by reference");
    let body = claim.body(3_000);
    let file = format!("claims/out/{}", claim.file_name.plain());
    scene.write(&file, &body);
    let place = scene.path(&file).canonicalize().expect("a file");
    let reference = format!("file://{}", place.display());
    let digest: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    let size = body.len().to_string();
    let claims = |reference: &str, digest: &str| {
        [
            ("mesh_to", QUEUE.to_owned()),
            ("mesh_data_ref", reference.to_owned()),
            ("mesh_data_sha256", digest.to_owned()),
            ("mesh_data_size", size.clone()),
        ]
    };
    let as_text = |headers: &[(&'static str, String)]| -> Vec<(&'static str, String)> { headers.to_vec() };
    for (message, reference, digest) in [
        (&claim, &*reference, &*digest),
        (&Message::of("another digest"), &*reference, &*"0".repeat(64)),
        (&Message::of("nothing there"), &*format!("{reference}.none"), &*digest),
        (&Message::of("elsewhere"), &*format!("file:///etc/{}", claim.file_name.plain()), &*digest),
    ] {
        let headers = as_text(&claims(reference, digest));
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        put(message, &headers, b"").await;
        marks.extend(message.marks());
    }
    scene.rabbit.take_all("in", 1).await;

    // What can never be sent.
    let mut parked = 3;
    for (place, more, body) in [
        ("nobody", &[][..], 100),
        ("an odd recipient", &[("mesh_to", "no mailbox & <at> all")][..], 100),
        ("too long", &to[..], 1_200_000),
        ("an odd flag", &[("mesh_to", QUEUE), ("mesh_compress", "perhaps")][..], 100),
        ("unregistered", &[("mesh_to", "NOSUCHBOX")][..], 100),
    ] {
        let message = Message::of(place);
        put(&message, more, &message.body(body)).await;
        marks.extend(message.marks());
        parked += 1;
    }
    let longest = Message::of("a long local id");
    let id = longest.local_id.plain().repeat(30);
    scene
        .rabbit
        .put(
            "out",
            longest.name.plain(),
            &[("mesh_to", QUEUE), ("mesh_workflow_id", "TEST_WORKFLOW"), ("mesh_local_id", &id)],
            b"x",
        )
        .await;
    parked += 1;
    for copy in scene.rabbit.take_all("parked", parked).await {
        let headers = copy.properties.headers().clone().unwrap_or_default();
        for (name, value) in headers.inner() {
            let text = match value {
                AMQPValue::LongString(text) => text.to_string(),
                other => format!("{other:?}"),
            };
            // What the relay adds to it says why, and nothing of what it holds.
            let whose = if name.as_str().starts_with("mesh_parked") {
                "why a message is parked"
            } else {
                "a copy of a message for the sender's system"
            };
            outputs.push(Output::new(format!("{whose}: {name}"), text));
        }
        outputs.push(Output::new("a copy of a message for the sender's system", copy.body));
    }
    for event in scene.rabbit.take_all("status", 6).await {
        outputs.push(Output::new(
            "status event of the queue",
            [format!("{:?}", event.properties).into_bytes(), event.body].concat(),
        ));
    }
    marks.extend(good.marks().into_iter().chain(long.marks()).chain(longest.marks()));
    marks
}

/// Records through Kafka.
async fn topics(scene: &Scene, outputs: &mut Vec<Output>) -> Vec<Mark> {
    let mut marks = Vec::new();
    let put = async |message: &Message, to: &str, body: &[u8]| {
        let subject = message.subject.odd();
        let headers: [(&str, &[u8]); 6] = [
            ("mesh_to", to.as_bytes()),
            ("mesh_workflow_id", b"TEST_WORKFLOW"),
            ("mesh_subject", subject.as_bytes()),
            ("mesh_local_id", message.local_id.plain().as_bytes()),
            ("mesh_file_name", message.file_name.plain().as_bytes()),
            ("ce_id", message.name.plain().as_bytes()),
        ];
        scene.kafka.put(&scene.topic("out"), Some(message.name.plain()), &headers, Some(body)).await;
    };
    let good = Message::of("topic");
    put(&good, TOPIC, &good.body(100)).await;
    let came = scene.kafka.reader(&scene.topic("in")).take(1).await.remove(0);
    assert_eq!(came.value.as_deref(), Some(&*good.body(100)));
    marks.extend(good.marks());
    let bad =
        [("nobody, in a topic", ""), ("unregistered, in a topic", "NOSUCHBOX"), ("odd, in a topic", "a & b")];
    for (place, to) in bad {
        let message = Message::of(place);
        put(&message, to, &message.body(100)).await;
        marks.extend(message.marks());
    }
    let parked = scene.kafka.reader(&scene.topic("parked"));
    for copy in parked.take(bad.len()).await {
        for (name, value) in &copy.headers {
            let whose = if name.starts_with("mesh_parked") {
                "why a record is parked"
            } else {
                "a copy of a message for the sender's system"
            };
            outputs.push(Output::new(format!("{whose}: {name}"), value.as_str()));
        }
        outputs
            .push(Output::new("a copy of a message for the sender's system", copy.value.unwrap_or_default()));
    }
    for event in scene.kafka.reader(&scene.topic("status")).take(3).await {
        outputs.push(Output::new("status event of the topic", format!("{event:?}")));
        outputs.push(Output::new("status event of the topic", event.value.unwrap_or_default()));
    }
    marks
}

/// Messages over HTTP, and what the console says to those who ask and to those who ask badly.
async fn hooks(scene: &Scene, relay: &Relay, outputs: &mut Vec<Output>) -> Vec<Mark> {
    let caller = operator(scene, relay);
    let good = Message::of("hook");
    let headers = |message: &Message| -> Vec<(String, String)> {
        [
            ("mex-from", HOOK),
            ("mex-to", HOOK),
            ("mex-workflowid", "TEST_WORKFLOW"),
            ("mex-subject", message.subject.plain()),
            ("mex-localid", message.local_id.plain()),
            ("mex-filename", message.file_name.plain()),
            ("idempotency-key", message.name.plain()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    };
    let submit = async |headers: &[(String, String)], body: Vec<u8>| {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        caller.call("POST", "/v1/messages", &headers, body).await
    };
    let answer = submit(&headers(&good), good.body(100)).await;
    let relay_id = answer.good(202)["relay_id"].as_str().expect("an id").to_owned();
    eventually("the webhook has it", || !scene.inbox.calls().is_empty()).await;
    eventually("the sender is told", || !scene.events.calls().is_empty()).await;
    for event in scene.events.calls() {
        outputs.push(Output::new("status event over HTTP", event.to_vec()));
    }
    let mut marks = good.marks();

    // What the API refuses, it refuses without a word of it.
    let bad = Message::of("hook, refused");
    let with = |name: &str, value: &str| -> Vec<(String, String)> {
        let mut all = headers(&bad);
        all.retain(|(known, _)| known != name);
        all.push((name.to_owned(), value.to_owned()));
        all
    };
    let long = bad.local_id.plain().repeat(30);
    for (name, value) in [
        ("mex-to", bad.recipient.plain()),
        ("mex-to", "NOSUCHBOX"),
        ("mex-from", bad.recipient.plain()),
        ("mex-workflowid", &*"W".repeat(400)),
        ("mex-localid", &*long),
        ("mex-filename", &*long),
        ("mex-content-encrypted", bad.subject.plain()),
        ("mex-content-compressed", bad.subject.plain()),
        ("mex-chunk-range", bad.subject.plain()),
        ("content-digest", &*format!("sha-256=:{}:", bad.subject.plain())),
        ("mex-nothing", bad.subject.plain()),
        ("content-encoding", bad.subject.plain()),
    ] {
        let answer = submit(&with(name, value), bad.body(50)).await;
        if answer.status >= 400 {
            outputs.push(Output::new(format!("problem of {name}"), answer.body.to_vec()));
        }
    }
    marks.extend(bad.marks());

    // Who asks for a message is shown it; who asks badly, or for nothing that is there, is shown nothing of it.
    let local_id = good.local_id.plain();
    for path in [
        format!("/v1/messages?q={local_id}"),
        format!("/v1/messages/{relay_id}"),
        format!("/messages?q={local_id}"),
        format!("/messages/{relay_id}"),
        "/v1/messages".to_owned(),
        "/messages".to_owned(),
        "/".to_owned(),
        "/v1/mailboxes".to_owned(),
        "/v1/deeds".to_owned(),
        "/v1/reports/partners".to_owned(),
    ] {
        outputs.push(Output::new(format!("asked: {path}"), caller.get(&path).await.body.to_vec()));
    }
    let odd = bad.subject.plain();
    for path in [
        format!("/v1/messages/{odd}"),
        format!("/v1/messages?limit={odd}"),
        format!("/v1/messages?state={odd}"),
        format!("/v1/messages?direction={odd}"),
        format!("/v1/nothing/{odd}"),
        format!("/messages/{odd}"),
        format!("/{odd}"),
        "/metrics".to_owned(),
        "/healthz".to_owned(),
        "/readyz".to_owned(),
        "/sign-in".to_owned(),
        "/sign-in/openid".to_owned(),
    ] {
        outputs.push(Output::new(format!("{path}, by the console"), caller.get(&path).await.body.to_vec()));
    }
    let wrong = Mark::new(Kind::Secret, "a token that nobody has");
    let stranger = crate::caller::Caller::nobody(caller.address).with_token(&wrong.long());
    outputs.push(Output::new("an answer to a stranger", stranger.get("/v1/messages").await.body.to_vec()));
    let form = format!("token={}", wrong.long());
    let typed = [("content-type", "application/x-www-form-urlencoded")];
    let answer = crate::caller::Caller::nobody(caller.address).call("POST", "/sign-in", &typed, form).await;
    outputs.push(Output::new("an answer to a stranger who signs in", answer.body.to_vec()));
    for path in [format!("/v1/messages/{relay_id}/resend"), format!("/v1/messages/{odd}/park")] {
        let answer = caller.post(&path, &json!({ "note": odd, "why": odd })).await;
        outputs.push(Output::new(format!("asked: {path}"), answer.body.to_vec()));
    }
    marks.push(wrong);
    assert!(fs::metadata(scene.path("journal.db")).is_ok());
    marks
}
