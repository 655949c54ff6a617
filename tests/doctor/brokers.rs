//! Faults of brokers.

use crate::amqp_broker::Broker;
use crate::house::{House, free_port};
use crate::kafka_broker::Kafka;
use crate::process::BOB;

/// A house with Bob's messages on queues of its own.
async fn with_queues() -> (House, Broker, String) {
    let (house, broker) = (House::new().await, Broker::shared().await);
    let name = format!("doctor.{}.{}", std::process::id(), house.console);
    broker.queue(&format!("{name}.outbound")).await;
    for exchange in ["inbound", "parked"] {
        broker.exchange(&format!("{name}.{exchange}")).await;
    }
    house.secret("broker.url", &broker.url);
    house.bobs_adapter(&format!(
        "[[adapter]]\nname = \"bob\"\nkind = \"amqp\"\nmailbox = \"{BOB}\"\nurl = {{ file = \"broker.url\" }}\n\
         outbound = {{ queue = \"{name}.outbound\" }}\ninbound = {{ exchange = \"{name}.inbound\" }}\n\
         parked = \"{name}.parked\"\n"
    ));
    (house, broker, name)
}

#[tokio::test]
async fn a_broker_that_is_right_is_well_and_keeps_its_messages() {
    let (house, broker, name) = with_queues().await;
    let queue = format!("{name}.outbound");
    broker.put(&queue, "one", &[("mesh_to", "X26ABC1")], b"payload").await;
    let report = house.doctor().await;
    assert_eq!((report.code, report.verdict("amqp.queue")), (Some(0), "ok"), "{:#}", report.json);
    let taken = broker.take(&queue).await.expect("the message");
    assert!(!taken.redelivered, "nobody took it before");
}

#[tokio::test]
async fn a_broker_that_refuses_our_login_is_named() {
    let (house, broker, _) = with_queues().await;
    let (_, host) = broker.url.rsplit_once('@').expect("a login");
    house.secret("broker.url", &format!("amqp://guest:wrong-password@{host}"));
    let report = house.doctor().await;
    report.blames("amqp.broker", &["adapter bob", "refuses the login"]);
    assert!(!String::from_utf8_lossy(&report.output.stdout).contains("wrong-password"));
}

#[tokio::test]
async fn a_broker_that_nobody_finds_is_named() {
    let (house, ..) = with_queues().await;
    let port = free_port();
    house.secret("broker.url", &format!("amqp://guest:guest@127.0.0.1:{port}/%2f"));
    house.doctor().await.blames("amqp.broker", &["adapter bob", &format!("127.0.0.1:{port}")]);
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_named_and_not_made() {
    let (house, _, name) = with_queues().await;
    house.reword(&format!("{name}.outbound"), &format!("{name}.elsewhere"));
    for _ in 0..2 {
        house
            .doctor()
            .await
            .blames("amqp.queue", &["adapter bob", &format!("{name}.elsewhere"), "not there"]);
    }
}

/// A house with Bob's messages on topics of its own.
async fn with_topics() -> (House, String) {
    let (house, kafka) = (House::new().await, Kafka::shared());
    let name = format!("doctor.{}.{}", std::process::id(), house.console);
    for topic in ["outbound", "inbound", "parked"] {
        kafka.topic(&format!("{name}.{topic}"), 3, &[]).await;
    }
    house.bobs_adapter(&format!(
        "[[adapter]]\nname = \"bob\"\nkind = \"kafka\"\nmailbox = \"{BOB}\"\nbrokers = \"{}\"\n\
         outbound = {{ topic = \"{name}.outbound\", group = \"{name}\" }}\ninbound = {{ topic = \"{name}.inbound\" }}\n\
         parked = \"{name}.parked\"\n",
        kafka.address
    ));
    (house, name)
}

#[tokio::test]
async fn topics_that_are_right_are_well() {
    let (house, _) = with_topics().await;
    let report = house.doctor().await;
    assert_eq!((report.code, report.verdict("kafka.group")), (Some(0), "ok"), "{:#}", report.json);
    let topics =
        report.checks().iter().filter(|check| check["check"] == "kafka.topic" && check["verdict"] == "ok");
    assert_eq!(topics.count(), 3);
    assert!(report.json.to_string().contains("3 partition(s)"));
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_named_and_not_made() {
    let (house, name) = with_topics().await;
    house.reword(&format!("{name}.outbound"), &format!("{name}.elsewhere"));
    for _ in 0..2 {
        house
            .doctor()
            .await
            .blames("kafka.topic", &["adapter bob", &format!("{name}.elsewhere"), "not there"]);
    }
}

#[tokio::test]
async fn brokers_that_nobody_finds_are_named() {
    let (house, _) = with_topics().await;
    let (port, kafka) = (free_port(), Kafka::shared());
    house.reword(&kafka.address, &format!("127.0.0.1:{port}"));
    house.doctor().await.blames("kafka.brokers", &["adapter bob", &format!("127.0.0.1:{port}")]);
}
