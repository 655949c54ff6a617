//! Measures the operator page and its searches as a browser meets them: the real program on a journal with a million
//! messages, one request after the other over one connection, every answer read whole.
//!
//! `MESH_RELAY_BENCH_RECORDS` says how many messages the journal has (default 1,000,000). Prints the median and the 95th
//! of a hundred of each page or question, and keeps them as JSON. Each asks for other messages than the one before.

#[path = "../journal/messages.rs"]
mod messages;
mod relay;
#[path = "../journal/writing.rs"]
#[expect(dead_code, reason = "the other measurement writes in more ways")]
mod writing;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use mesh_relay_benches::report;
use relay_core::Journal;
use relay_journal::SqliteJournal;
use serde::Serialize;
use tokio::net::TcpStream;

use crate::messages::{at, mesh_id, relay_id};
use crate::relay::Relay;

/// Messages in the journal unless told otherwise.
const RECORDS: u64 = 1_000_000;
/// How often each is asked for.
const TIMES: u64 = 100;
/// Times before that are not counted.
const WARM: u64 = 3;

/// How long one page or question took.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    p50_ms: f64,
    p95_ms: f64,
    longest_ms: f64,
    bytes: usize,
}

#[tokio::main]
async fn main() {
    let records = std::env::var("MESH_RELAY_BENCH_RECORDS").ok().and_then(|text| text.parse().ok());
    let records: u64 = records.unwrap_or(RECORDS);
    let folder = tempfile::tempdir().expect("a folder");
    let journal = SqliteJournal::open(&folder.path().join("journal.db")).expect("a journal");
    let writing: Arc<dyn Journal> = Arc::new(journal.clone());
    println!("filling a journal with {records} messages");
    let (_, time) = writing::fill(&writing, 0, records).await;
    println!("filled in {:.0} s", time.as_secs_f64());
    drop(writing);
    journal.close().await;
    let relay = Relay::start(folder.path()).await;
    let mut rows = Vec::new();
    println!("{:>9} {:>9} {:>9} {:>9}  of {TIMES} each", "p50 ms", "p95 ms", "max ms", "bytes");
    for (name, place) in questions(records) {
        let row = measure(&relay, name, &*place).await;
        println!("{:>9.1} {:>9.1} {:>9.1} {:>9}  {name}", row.p50_ms, row.p95_ms, row.longest_ms, row.bytes);
        rows.push(row);
    }
    println!("peak memory of the relay {} MiB", relay.peak_kib() / 1024);
    relay.stop().await;
    let kept = report::keep("console-load", &rows);
    println!("kept in {}", kept.display());
}

/// Where a question stands, the `n`-th time.
type Place = Box<dyn Fn(u64) -> String>;

fn questions(records: u64) -> Vec<(&'static str, Place)> {
    let some = move |n: u64| (records / 3 + n * 7_919) % records;
    let page = |text: &'static str| -> Place { Box::new(move |_| text.to_owned()) };
    let day = move |n: u64| at(some(n)).strftime("%Y-%m-%d").to_string();
    vec![
        ("page: overview", page("/")),
        ("page: newest messages", page("/messages")),
        ("page: one message", Box::new(move |n| format!("/messages/{}", relay_id(some(n))))),
        ("page: search by local id", Box::new(move |n| format!("/messages?q=LAB-{}", some(n)))),
        ("page: search by file name", Box::new(move |n| format!("/messages?q=report{}", some(n)))),
        ("page: search by MESH id", Box::new(move |n| format!("/messages?q={}", mesh_id(some(n))))),
        ("page: search by relay id", Box::new(move |n| format!("/messages?q={}", relay_id(some(n))))),
        ("page: search by mailbox", Box::new(|n| format!("/messages?mailbox=X26HC{:03}", n % 20))),
        ("page: search by partner", Box::new(|n| format!("/messages?partner=Y{:05}", n * 17 % 2_000))),
        ("page: search by rare workflow", page("/messages?workflow=RARE_WORKFLOW")),
        ("page: search by rare state", page("/messages?state=parked")),
        (
            "page: search by day",
            Box::new(move |n| {
                let day = day(n);
                format!("/messages?from={day}&until={day}")
            }),
        ),
        ("page: search by a word of every message", page("/messages?q=PATH_MEDRPT_V3")),
        ("page: search by a word of none", Box::new(|n| format!("/messages?q=nothing{n}"))),
        ("page: partners of all of them", page("/partners?days=3660")),
        ("API: newest messages", page("/v1/messages")),
        ("API: 500 messages", page("/v1/messages?limit=500")),
        ("API: one message", Box::new(move |n| format!("/v1/messages/{}", relay_id(some(n))))),
        ("API: search by local id", Box::new(move |n| format!("/v1/messages?q=LAB-{}", some(n)))),
    ]
}

async fn measure(relay: &Relay, name: &'static str, place: &dyn Fn(u64) -> String) -> Row {
    let mut connection = connect(relay).await;
    let mut times = Vec::new();
    let mut bytes = 0;
    for n in 0..TIMES + WARM {
        let began = Instant::now();
        bytes = ask(relay, &mut connection, &place(n)).await;
        if n >= WARM {
            times.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    times.sort_by(f64::total_cmp);
    let of = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    Row { name, p50_ms: of(0.5), p95_ms: of(0.95), longest_ms: of(1.0), bytes }
}

async fn connect(relay: &Relay) -> SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(relay.address()).await.expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    sender
}

/// Asks once, and says how long the answer was.
async fn ask(relay: &Relay, connection: &mut SendRequest<Empty<Bytes>>, place: &str) -> usize {
    let request = Request::get(place).header("host", relay.address().to_string());
    let request = request.body(Empty::new()).expect("a request");
    connection.ready().await.expect("a connection");
    let answer = connection.send_request(request).await.expect("an answer");
    assert_eq!(answer.status(), 200, "{place}");
    answer.into_body().collect().await.expect("a body").to_bytes().len()
}
