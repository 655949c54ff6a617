//! Changes as they happen, and how many may watch them.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::{Bytes, Incoming};
use relay_testkit::wait::DEADLINE;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::caller::Caller;
use crate::scene::{Running, SENDER, Scene, until};

/// Most who watch at a time, as the console has it.
const WATCHERS_MAX: usize = 200;

/// A stream of changes.
struct Stream {
    body: Incoming,
    text: String,
}

impl Stream {
    async fn open(caller: &Caller, path: &str) -> Self {
        let answer: Response<Incoming> = caller.open("GET", path, &[], Bytes::new()).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { body: answer.into_body(), text: String::new() }
    }

    /// The next event: its name, its id and what it says.
    async fn next(&mut self) -> (String, String, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let lines = event.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                    lines.map(str::trim).collect::<String>()
                };
                let (name, id, data) = (field("event"), field("id"), field("data"));
                self.text = rest.to_owned();
                if !name.is_empty() {
                    return (name, id, serde_json::from_str(&data).expect("JSON"));
                }
                continue;
            }
            let frame = timeout(DEADLINE, self.body.frame()).await.expect("an event in time");
            let frame = frame.expect("the stream goes on").expect("a frame");
            let data = frame.into_data().expect("text");
            self.text += std::str::from_utf8(&data).expect("UTF-8");
        }
    }
}

#[tokio::test]
async fn each_change_is_told_once_and_in_order() {
    let (scene, running) = Scene::running().await;
    let mut stream = Stream::open(&running.nobody(), "/v1/events").await;
    // It may begin between two looks into the journal; what is dropped after the first event is told whole.
    scene.carries("FIRST").await;
    stream.next().await;
    scene.drop_pair("WATCHED", b"payload");
    let message = running.in_state("WATCHED", "accepted").await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(_, state)| state != "accepted") {
        let (name, id, change) = stream.next().await;
        assert_eq!(name, "change");
        assert_eq!(id, format!("{}:{}", change["relay_id"].as_str().expect("an id"), change["sequence"]));
        if change["relay_id"] == message["relay_id"] {
            assert_eq!(change["direction"], "outbound");
            seen.push((change["sequence"].clone(), change["state"].as_str().expect("a state").to_owned()));
        }
    }
    let sequence: Vec<_> = seen.iter().map(|(sequence, _)| sequence.clone()).collect();
    let expected: Vec<Value> = (1..=seen.len()).map(Value::from).collect();
    assert_eq!(sequence, expected, "{seen:?}");
    running.ends_well().await;
}

#[tokio::test]
async fn changes_of_one_message_alone_are_told_to_whoever_asks_for_them() {
    let (scene, running) = Scene::running().await;
    let operator = running.operator();
    operator.post("/v1/mailboxes/X26ABC1/pause", &serde_json::json!({})).await.good(200);
    scene.drop_pair("ONE", b"payload");
    scene.drop_pair("OTHER", b"payload");
    let one = running.in_state("ONE", "received").await;
    running.in_state("OTHER", "received").await;
    let id = one["relay_id"].as_str().expect("an id").to_owned();
    let mut all = Stream::open(&running.nobody(), "/v1/events").await;
    let mut stream = Stream::open(&running.nobody(), &format!("/v1/events?relay_id={id}")).await;
    operator.post("/v1/mailboxes/X26ABC1/resume", &serde_json::json!({})).await.good(200);
    loop {
        let (_, _, change) = stream.next().await;
        assert_eq!(change["relay_id"], id.as_str(), "{change}");
        if change["state"] == "accepted" {
            break;
        }
    }
    let mut others = false;
    while !others {
        others = all.next().await.2["relay_id"] != id.as_str();
    }
    running.nobody().get("/v1/events?relay_id=rubbish").await.refused(404, "not-found");
    running.as_(SENDER).get("/v1/events").await.refused(403, "not-allowed");
    running.ends_well().await;
}

/// Asks for a stream on a connection of its own, and reads how that is answered.
async fn watch(running: &Running) -> (u16, TcpStream, String) {
    let mut stream = TcpStream::connect(running.address).await.expect("a connection");
    let request = format!("GET /v1/events HTTP/1.1\r\nhost: {}\r\n\r\n", running.address);
    // One that is turned away may be closed already.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut head = Vec::new();
    let reading = async {
        let mut piece = [0; 4096];
        while !head.windows(4).any(|four| four == b"\r\n\r\n") {
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(length) => head.extend_from_slice(&piece[..length]),
            }
        }
    };
    timeout(Duration::from_secs(30), reading).await.expect("an answer in time");
    let head = String::from_utf8_lossy(&head).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, stream, head)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_watch_leave_room_for_others_and_give_their_places_back() {
    const ALL: usize = 1_000;
    let (scene, running) = Scene::running().await;
    let mut held = Vec::new();
    let mut told = 0;
    for number in 0..ALL {
        let (status, stream, head) = watch(&running).await;
        match status {
            200 => held.push(stream),
            503 => {
                assert!(head.to_ascii_lowercase().contains("retry-after:"), "{head}");
                assert!(head.contains("application/problem+json"), "{head}");
                told += 1;
            }
            // Closed without a word, as there were too many to tell.
            0 => {}
            other => panic!("{number}: {other}\n{head}"),
        }
    }
    assert_eq!(held.len(), WATCHERS_MAX, "so many are served");
    assert!(told > 0, "others are told to come again");
    assert_eq!(running.nobody().get("/v1/overview").await.status, 200, "the API goes on");
    scene.carries("MEANWHILE").await;
    drop(held);
    until("places are free again", async || {
        let (status, ..) = watch(&running).await;
        status == 200
    })
    .await;
    let mut again = Vec::new();
    until("all places are free again", async || {
        let (status, stream, _) = watch(&running).await;
        if status == 200 {
            again.push(stream);
        }
        again.len() == WATCHERS_MAX
    })
    .await;
    running.ends_well().await;
}

/// Connections that are held open without a word, up to the bound of those.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_bound_are_told_so_and_places_come_back() {
    let (scene, running) = Scene::running().await;
    let mut held = Vec::new();
    for _ in 0..600 {
        held.push(TcpStream::connect(running.address).await.expect("a connection"));
    }
    let (status, _, head) = watch(&running).await;
    assert!(status == 503 || status == 0, "{head}");
    scene.carries("MEANWHILE").await;
    drop(held);
    until("others are served", async || watch(&running).await.0 == 200).await;
    running.ends_well().await;
}
