//! What producers may put into a topic beside good records, and what is done with it.

use std::process::Command;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureRecord, Producer};
use relay_testkit::wait::{DEADLINE, eventually};

use crate::broker::Kafka;
use crate::process::python;
use crate::scene::{Scene, TO_BOB};

/// Puts a record with a header whose name is not UTF-8, as producers in C can: by the library's own interface.
const PUTS_A_NAME_THAT_IS_NO_TEXT: &str = r#"
import ctypes, glob, os, sys, confluent_kafka
folder = os.path.join(os.path.dirname(os.path.dirname(confluent_kafka.__file__)), "confluent_kafka.libs")
lib = ctypes.CDLL(glob.glob(os.path.join(folder, "librdkafka*"))[0])
for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_topic_new", "rd_kafka_headers_new"):
    getattr(lib, name).restype = ctypes.c_void_p
conf = ctypes.c_void_p(lib.rd_kafka_conf_new())
lib.rd_kafka_conf_set(conf, b"bootstrap.servers", sys.argv[1].encode(), None, 0)
rk = ctypes.c_void_p(lib.rd_kafka_new(0, conf, None, 0))
headers = ctypes.c_void_p(lib.rd_kafka_headers_new(1))
name = b"caf\xe9"
assert lib.rd_kafka_header_add(headers, name, ctypes.c_ssize_t(len(name)), b"x", ctypes.c_ssize_t(1)) == 0
TOPIC, VALUE, HEADERS, END = 1, 4, 10, 0
value = b"payload"
error = lib.rd_kafka_producev(rk, TOPIC, ctypes.c_char_p(sys.argv[2].encode()),
    VALUE, ctypes.c_char_p(value), ctypes.c_size_t(len(value)), HEADERS, headers, END)
assert error == 0, error
assert lib.rd_kafka_flush(rk, 30000) == 0
"#;

#[tokio::test]
async fn a_header_whose_name_is_no_text_costs_its_own_record_alone() {
    let scene = Scene::on(Kafka::shared(), 1).await;
    let relay = scene.site.run().await;
    let mut program = Command::new(python());
    program.args(["-c", PUTS_A_NAME_THAT_IS_NO_TEXT, &scene.kafka.address, &scene.name("outbound")]);
    let done = tokio::task::spawn_blocking(move || program.output()).await.expect("it runs").expect("Python");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    scene.put("good", b"payload").await;
    scene.done(2).await;
    assert_eq!(scene.for_bob().len(), 1);
    assert_eq!(scene.site.outbound("rejected"), 1);
    // Its copy has the header as it came, so that this test could not read it.
    assert_eq!(scene.kafka.end(&scene.name("parked")), 1);
    assert!(relay.log().contains("reason=not-text"));
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn batches_are_read_however_they_are_compressed() {
    let scene = Scene::on(Kafka::shared(), 1).await;
    let relay = scene.site.run().await;
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    for codec in codecs {
        let producer = scene.kafka.producer(&[("compression.type", codec), ("linger.ms", "200")]);
        let (topic, value) = (scene.name("outbound"), vec![b'x'; 5_000]);
        let headers = TO_BOB.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(*value) })
        });
        let sent = (0..3).map(|_| {
            let record = FutureRecord::<(), _>::to(&topic).payload(&value).headers(headers.clone());
            producer.send_result(record).map_err(|(error, _)| error).expect("queued")
        });
        for report in sent.collect::<Vec<_>>() {
            report.await.expect("a report").map_err(|(error, _)| error).expect("published");
        }
    }
    scene.done(3 * codecs.len() as i64).await;
    assert_eq!(scene.for_bob().len(), 3 * codecs.len());
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn of_transactions_only_what_was_committed_is_sent() {
    let scene = Scene::on(Kafka::shared(), 1).await;
    let relay = scene.site.run().await;
    let (topic, id) = (scene.name("outbound"), scene.name("producer"));
    let put = async |committed: bool, value: &'static str| {
        let producer = scene.kafka.producer(&[("transactional.id", &id)]);
        let topic = topic.clone();
        let work = move || {
            producer.init_transactions(DEADLINE).expect("begun");
            producer.begin_transaction().expect("begun");
            let headers = TO_BOB.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header { key, value: Some(*value) })
            });
            let record = FutureRecord::<(), _>::to(&topic).payload(value).headers(headers);
            let _report = producer.send_result(record).map_err(|(error, _)| error).expect("queued");
            producer.flush(DEADLINE).expect("published");
            match committed {
                true => producer.commit_transaction(DEADLINE).expect("committed"),
                false => producer.abort_transaction(DEADLINE).expect("aborted"),
            }
        };
        tokio::task::spawn_blocking(work).await.expect("done");
    };
    put(true, "first").await;
    put(false, "never").await;
    put(true, "second").await;
    put(false, "never").await;
    eventually("both are sent", || scene.for_bob().len() == 2).await;
    let bodies: Vec<_> = scene.for_bob().iter().map(|message| message.body().to_vec()).collect();
    assert!(bodies.contains(&b"first".to_vec()) && bodies.contains(&b"second".to_vec()));
    assert!(relay.stop().await.0.success());
    // Marks of transactions stand at the end: nothing is missing there, and nothing is said to be.
    let relay = scene.site.run().await;
    scene.put("third", b"payload").await;
    eventually("it is sent", || scene.for_bob().len() == 3).await;
    assert!(!relay.log().contains("out of range"));
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_record_without_an_id_is_found_again_by_its_events() {
    let scene = Scene::on(Kafka::shared(), 1).await;
    let relay = scene.site.run().await;
    let topic = scene.name("outbound");
    let (partition, offset) = scene.kafka.put(&topic, None, &TO_BOB, Some(b"payload")).await;
    let (_, bad) = scene.kafka.put(&topic, None, &[("mesh_to", b"\xff")], Some(b"payload")).await;
    let events = scene.kafka.reader(&scene.name("status")).take(4).await;
    let named = |state: &str| {
        let of = |json: &serde_json::Value| json["data"]["state"] == state;
        let event = events.iter().map(crate::broker::Taken::json).find(of).expect("an event");
        event["data"]["submission_id"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(named("accepted"), format!("{topic}:{partition}:{offset}"));
    assert_eq!(named("rejected"), format!("{topic}:{partition}:{bad}"));
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn the_same_id_of_another_source_is_another_record() {
    let (scene, relay) = Scene::running().await;
    for (source, value) in [("/lab", b"one"), ("/ward", b"two"), ("/lab", b"one")] {
        let headers = [TO_BOB[0], TO_BOB[1], ("ce_id", b"7".as_slice()), ("ce_source", source.as_bytes())];
        scene.kafka.put(&scene.name("outbound"), Some("k"), &headers, Some(value)).await;
    }
    scene.done(3).await;
    assert_eq!(scene.for_bob().len(), 2);
    assert_eq!(scene.kafka.end(&scene.name("parked")), 0);
    assert!(relay.stop().await.0.success());
}
