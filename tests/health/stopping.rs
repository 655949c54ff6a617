//! Stops: nothing is lost, nothing is doubled, in time, and each with an exit code of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use mesh_sandbox::{Call, Effect};
use relay_testkit::pairs::Control;
use relay_testkit::wait::eventually;

use crate::probes::ready;
use crate::process::{ALICE, BOB};
use crate::receiver::{KEY, Receiver};
use crate::scene::{CAROL, SENDER, Scene, token};

/// Messages under load.
const MESSAGES: usize = 150;

/// The answers to sends are slow, so that a stop meets many of them under way.
fn slow(scene: &Scene) {
    scene.fail("slow", vec![Call::Send], Effect::Delay { millis: 100 }, None);
}

/// How often each payload was sent to a mailbox.
fn sent(scene: &Scene, mailbox: &str) -> BTreeMap<String, usize> {
    let mut sent = BTreeMap::new();
    for message in scene.at_mesh(mailbox) {
        *sent.entry(message.local_id.clone()).or_default() += 1;
    }
    sent
}

fn is_each_once(sent: &BTreeMap<String, usize>) -> bool {
    sent.len() == MESSAGES && sent.values().all(|times| *times == 1)
}

#[tokio::test]
async fn a_stop_under_load_loses_and_doubles_no_pair() {
    let (scene, mut running) = Scene::running().await;
    slow(&scene);
    for number in 0..MESSAGES {
        scene.drop_pair(&format!("L{number:03}"), format!("payload {number}").as_bytes());
    }
    for part in [1, 2] {
        eventually("some have gone", || scene.at_mesh(BOB).len() >= MESSAGES * part / 4).await;
        running.ends_well().await;
        assert_eq!(
            scene.site.outbound("in_doubt") + scene.site.outbound("sending"),
            0,
            "a stop makes no doubt"
        );
        running = scene.run().await;
    }
    eventually("all are settled", || scene.site.alice.controls("OUT") == 0).await;
    eventually("all have arrived", || scene.site.bob.controls("IN") == MESSAGES).await;
    assert!(is_each_once(&sent(&scene, BOB)), "{:?}", sent(&scene, BOB));
    running.ends_well().await;
}

#[tokio::test]
async fn a_stop_under_load_loses_and_doubles_nothing_that_is_handed_in() {
    let submit =
        format!("[[adapter]]\nname = \"carol\"\nkind = \"http\"\nmailbox = \"{CAROL}\"\nsubmit = true\n");
    let scene = Scene::with("listen = \"127.0.0.1:0\"", &submit).await;
    let running = scene.run().await;
    ready(&running).await;
    let mailbox = Some(CAROL.parse().expect("a mailbox"));
    let fault = mesh_sandbox::Fault {
        mailbox,
        calls: vec![Call::Send],
        ..mesh_sandbox::Fault::new("slow", Effect::Delay { millis: 100 })
    };
    scene.sandbox.faults().add(fault).expect("a fault");
    // Callers keep at it until each is told that MESH has its message, wherever the relay answers meanwhile.
    let (address, now_at) = tokio::sync::watch::channel(running.address);
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..MESSAGES {
        let mut now_at = now_at.clone();
        callers.spawn(async move {
            let key = format!("key-{number:03}");
            let headers = [
                ("mex-from".to_owned(), CAROL.to_owned()),
                ("mex-to".to_owned(), BOB.to_owned()),
                ("mex-workflowid".to_owned(), "TEST_WORKFLOW".to_owned()),
                ("mex-localid".to_owned(), format!("L{number:03}")),
                ("idempotency-key".to_owned(), key),
                ("content-type".to_owned(), "application/octet-stream".to_owned()),
            ];
            loop {
                let at = *now_at.borrow_and_update();
                if post(at, &headers, format!("payload {number}")).await == Some(202) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
    }
    eventually("some have gone", || scene.at_mesh(BOB).len() >= MESSAGES / 4).await;
    running.ends_well().await;
    let running = scene.run().await;
    address.send_replace(running.address);
    let all = async {
        while let Some(done) = callers.join_next().await {
            done.expect("no panic")
        }
    };
    tokio::time::timeout(relay_testkit::wait::DEADLINE, all).await.expect("all are told 202");
    assert!(is_each_once(&sent(&scene, BOB)), "{:?}", sent(&scene, BOB));
    running.ends_well().await;
}

/// Hands a message in. `None`: nobody answered, or not to the end.
async fn post(address: std::net::SocketAddr, headers: &[(String, String)], body: String) -> Option<u16> {
    use http_body_util::Full;
    use hyper::body::Bytes;
    let stream = tokio::net::TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let mut request = hyper::Request::post("/v1/messages")
        .header("host", address.to_string())
        .header("authorization", format!("Bearer {}", token(SENDER)));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer =
        sender.send_request(request.body(Full::new(Bytes::from(body))).expect("a request")).await.ok()?;
    Some(answer.status().as_u16())
}

/// A relay with a message in a webhook that never answers.
async fn hung(drain: &str) -> (Scene, crate::scene::Running, Receiver) {
    let sink = Receiver::silent().await;
    let more = format!(
        "[[adapter]]\nname = \"carol\"\nkind = \"http\"\nmailbox = \"{CAROL}\"\n\
         inbound = {{ url = \"{}\", secret = {{ file = \"alerts.secret\" }}, timeout = \"1h\" }}\n\
         [stop]\ndrain = \"{drain}\"\n",
        sink.url
    );
    let scene = Scene::with("", &more).await;
    scene.site.write("alerts.secret", KEY);
    let running = scene.run().await;
    ready(&running).await;
    scene.site.alice.drop_pair("stuck", &Control::new(ALICE, CAROL).local_id("stuck"), b"payload");
    eventually("the webhook has the message", || sink.posts().len() == 1).await;
    (scene, running, sink)
}

#[tokio::test]
async fn a_stop_ends_at_its_deadline_and_says_that_not_everything_did() {
    let (scene, running, sink) = hung("2s").await;
    let asked = std::process::Command::new("kill").arg(running.relay.id().to_string()).status();
    assert!(asked.expect("kill").success());
    // Until the end people see that it stops.
    crate::scene::until("it says that it stops", async || {
        let told = running.nobody().get("/readyz").await;
        told.status == 503 && told.text().contains("is stopping")
    })
    .await;
    let (status, log) = running.relay.ended().await;
    assert_eq!(status.code(), Some(7), "{log}");
    assert!(log.contains("not everything ended in time"), "{log}");
    // What was broken off is taken up.
    sink.answer();
    let running = scene.run().await;
    eventually("it is delivered after all", || {
        scene.at_mesh(CAROL).iter().all(|message| message.status == "acknowledged")
    })
    .await;
    running.ends_well().await;
}

#[tokio::test]
async fn a_second_signal_ends_a_stop_at_once() {
    let (_scene, running, _sink) = hung("1h").await;
    let kill = || std::process::Command::new("kill").arg(running.relay.id().to_string()).status();
    assert!(kill().expect("kill").success());
    eventually("it stops", || running.relay.log().contains("the relay is stopping")).await;
    assert!(kill().expect("kill").success());
    let (status, log) = running.relay.ended().await;
    assert_eq!(status.code(), Some(8), "{log}");
}
