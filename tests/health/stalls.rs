//! Pumps that really stand still, and the relay saying so.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;

use relay_testkit::pairs::Control;
use relay_testkit::wait::eventually;
use serde_json::Value;

use crate::probes::ready;
use crate::process::ALICE;
use crate::receiver::{KEY, Receiver};
use crate::scene::{CAROL, Running, Scene, until};

/// How long a pump may stand still here. The usual two minutes are for brokers that do not answer.
const STALL: &str = "stall = \"1s\"\nlook = \"100ms\"\nclear = \"300ms\"\n";

/// `[alerts]` with somebody who is told.
pub fn alerts(receiver: &Receiver, more: &str) -> String {
    format!("[alerts]\nurl = \"{}\"\nsecret = {{ file = \"alerts.secret\" }}\n{more}\n", receiver.url)
}

/// The pump of a kind, as the relay says where it is.
async fn pump(running: &Running, kind: &str, of: &str) -> Value {
    let told: Value = serde_json::from_slice(&running.nobody().get("/readyz").await.body).expect("JSON");
    let pumps = told["pumps"].as_array().expect("pumps").clone();
    pumps.into_iter().find(|pump| pump["kind"] == kind && pump["of"] == of).unwrap_or_default()
}

/// How many lines of the log begin and end an incident of a kind.
pub fn lines(log: &str, kind: &str) -> (usize, usize) {
    let of_kind = || log.lines().filter(move |line| line.contains(&format!("kind={kind}")));
    let begins = of_kind().filter(|line| line.contains("incident: ")).count();
    (begins, of_kind().filter(|line| line.contains("incident is over")).count())
}

#[tokio::test]
async fn a_sink_that_hangs_is_found_and_told_once_and_its_end_once() {
    let (sink, told) = (Receiver::silent().await, Receiver::open().await);
    let carol = format!(
        "[[adapter]]\nname = \"carol\"\nkind = \"http\"\nmailbox = \"{CAROL}\"\n\
         inbound = {{ url = \"{}\", secret = {{ file = \"alerts.secret\" }}, timeout = \"1h\" }}\n{}",
        sink.url,
        alerts(&told, STALL)
    );
    let scene = Scene::with("", &carol).await;
    scene.site.write("alerts.secret", KEY);
    let running = scene.run().await;
    ready(&running).await;
    scene.site.alice.drop_pair("stuck", &Control::new(ALICE, CAROL).local_id("stuck"), b"payload");
    eventually("the webhook has the message", || sink.posts().len() == 1).await;

    until("the stall is found", async || running.nobody().get("/readyz").await.status == 503).await;
    let stalled = pump(&running, "inbox", CAROL).await;
    assert_eq!(stalled["stalled"], true, "{stalled}");
    let state = stalled["state"].as_str().expect("words");
    assert!(state.contains("it was handing a message to the adapter"), "{state}");
    assert_eq!(pump(&running, "inbox", ALICE).await["stalled"], false, "others go on");
    scene.carries("meanwhile").await;
    assert_eq!(running.nobody().get("/healthz").await.status, 200, "it lives");
    until("people see it", async || {
        let troubles = running.nobody().ask("/v1/overview").await["troubles"].to_string();
        troubles.contains(&format!("The inbox of mailbox {CAROL} has not moved since"))
            && troubles.contains("it was handing a message to the adapter")
    })
    .await;
    eventually("its beginning is told", || told.told("pump-stalled") == ["opened"]).await;

    sink.answer();
    ready(&running).await;
    eventually("its end is told", || told.told("pump-stalled") == ["opened", "cleared"]).await;
    assert!(told.posts().iter().all(crate::receiver::Post::is_signed));
    assert_eq!(lines(&running.relay.log(), "pump-stalled"), (1, 1), "{}", running.relay.log());
    running.ends_well().await;
}

/// A pipe that is full: whoever writes to it waits until somebody reads.
struct Pipe(File);

impl Pipe {
    fn make(path: &std::path::Path) -> Self {
        assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
        const O_NONBLOCK: i32 = 0o4000;
        let file = OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open(path);
        Self(file.expect("a pipe"))
    }

    fn fill(&mut self) {
        for size in [4096, 1] {
            while self.0.write(&vec![b'x'; size]).is_ok() {}
        }
    }

    /// Reads what there is.
    fn empty(&mut self) {
        let mut bytes = vec![0; 1 << 20];
        loop {
            match self.0.read(&mut bytes) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test]
async fn an_adapter_whose_file_lets_nothing_come_back_is_found() {
    let scene = Scene::with("", &format!("[log]\ntransfers = \"transfers\"\n[alerts]\n{STALL}")).await;
    let mut pipe = Pipe::make(&scene.site.path("transfers"));
    let running = scene.run().await;
    ready(&running).await;
    pipe.fill();
    until("the stall is found", async || pump(&running, "inbox", ALICE).await["stalled"] == true).await;
    let stalled = pump(&running, "inbox", ALICE).await;
    let state = stalled["state"].as_str().expect("words");
    assert!(state.contains("it was telling the adapter how the look went"), "{state}");
    assert_eq!(running.nobody().get("/readyz").await.status, 503);
    until("it goes on once somebody reads", async || {
        pipe.empty();
        running.nobody().get("/readyz").await.status == 200
    })
    .await;
    // Read on, so that it may end.
    let reading = async {
        loop {
            pipe.empty();
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = running.ends_well() => {}
        () = reading => {}
    }
}
