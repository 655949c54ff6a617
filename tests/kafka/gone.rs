//! Topics and rights that go away while the relay runs, and come back.

use std::process::Command;
use std::time::Duration;

use relay_testkit::wait::eventually;

use crate::broker::{Kafka, OwnBroker};
use crate::process::python;
use crate::scene::{Says, Scene, TO_BOB};
use crate::security::broker;

/// Gives or takes the rights of the login `relay`, of one kind or all.
const RIGHTS: &str = r#"
import sys
from confluent_kafka.admin import *
admin = AdminClient({"bootstrap.servers": sys.argv[1]})
kinds = [ResourceType[name] for name in sys.argv[3:]]
if sys.argv[2] == "give":
    rights = [AclBinding(kind, "*", ResourcePatternType.LITERAL, "User:relay", "*", AclOperation.ALL,
                         AclPermissionType.ALLOW) for kind in kinds]
    answers = admin.create_acls(rights)
else:
    rights = [AclBindingFilter(kind, "*", ResourcePatternType.LITERAL, "User:relay", None, AclOperation.ANY,
                               AclPermissionType.ANY) for kind in kinds]
    answers = admin.delete_acls(rights)
for answer in answers.values():
    answer.result()
"#;

async fn rights(kafka: &Kafka, what: &str, kinds: &[&str]) {
    let mut program = Command::new(python());
    program.args(["-c", RIGHTS, &kafka.address, what]).args(kinds);
    let done = tokio::task::spawn_blocking(move || program.output()).await.expect("it runs").expect("Python");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn rights_that_come_late_or_go_for_a_while_need_no_new_start() {
    let (own, address) = broker(
        "SASL_PLAINTEXT",
        "sasl.enabled.mechanisms=PLAIN\n\
        listener.name.sasl_plaintext.plain.sasl.jaas.config=\
        org.apache.kafka.common.security.plain.PlainLoginModule required user_relay=\"secret-of-the-test\";\n\
        authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
        super.users=User:ANONYMOUS",
    );
    let scene = Scene::on(Kafka::at(&own.start()), 1).await;
    scene.site.write("kafka.pass", "secret-of-the-test\n");
    let plain = "login = { mechanism = \"PLAIN\", user = \"relay\", password = { file = \"kafka.pass\" } }";
    scene.configure_with(&Says { kafka: plain, brokers: &address, ..scene.says() });
    let relay = scene.site.run().await;
    let named = [scene.name("outbound"), scene.name("inbound"), scene.name("parked")];
    eventually("each topic is named", || {
        let log = relay.log();
        named.iter().all(|name| log.contains(name.as_str())) && log.contains("may not use a topic")
    })
    .await;
    // A producer that was refused gives up for good.
    eventually("it is told", || relay.log().contains("write idempotently")).await;
    rights(&scene.kafka, "give", &["TOPIC", "GROUP"]).await;
    let topic = scene.name("outbound");
    scene.put("A", b"payload").await;
    scene.kafka.put(&topic, Some("bad"), &[TO_BOB[0]], Some(b"payload")).await;
    scene.done(2).await;
    scene.kafka.reader(&scene.name("parked")).take(1).await;
    scene.kafka.reader(&scene.name("inbound")).take(1).await;
    scene.kafka.reader(&scene.name("status")).take(4).await;

    for (kind, says) in [("TOPIC", "may not use a topic"), ("GROUP", "may not use the consumer group")] {
        let before = relay.log().matches(says).count();
        rights(&scene.kafka, "take", &[kind]).await;
        scene.put(kind, b"payload").await;
        eventually("it is told", || relay.log().matches(says).count() > before).await;
        rights(&scene.kafka, "give", &[kind]).await;
        eventually("it is sent", || scene.for_bob().iter().any(|message| message.local_id == kind)).await;
    }
    scene.done(4).await;
    eventually("all are delivered", || {
        let stored = scene.for_bob();
        stored.len() == 3 && stored.iter().all(|message| message.status == "acknowledged")
    })
    .await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_topic_that_is_made_anew_under_a_running_relay_is_read_from_its_beginning() {
    let scene = Scene::on(Kafka::shared(), 1).await;
    let relay = scene.site.run().await;
    let topic = scene.name("outbound");
    for number in 0..5 {
        scene.put(&format!("before-{number}"), b"payload").await;
    }
    scene.done(5).await;
    scene.kafka.delete(&topic).await;
    eventually("it is told", || relay.log().contains("a topic is not there")).await;
    while !scene.kafka.try_topic(&topic, 1).await {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // More than there were, so that the offset of before is one of the new ones, too.
    for number in 0..8 {
        scene.put(&format!("after-{number}"), b"payload").await;
    }
    eventually("all are sent", || scene.for_bob().len() == 13).await;
    scene.done(8).await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn nothing_comes_about_by_being_named() {
    let own = OwnBroker::new();
    let extra = own.path("extra");
    #[expect(clippy::disallowed_methods, reason = "a test sets its place up without ceremony")]
    std::fs::write(&extra, "auto.create.topics.enable=true\n").expect("written");
    own.extra(&extra);
    let scene = Scene::on(Kafka::at(&own.start()), 1).await;
    let (right, wrong) = (scene.name("inbound"), scene.name("inbuond"));
    let text = std::fs::read_to_string(scene.site.path("relay.toml")).expect("it");
    scene.site.write("relay.toml", text.replace(&format!("{right}\""), &format!("{wrong}\"")));
    let relay = scene.site.run().await;
    scene.put("A", b"payload").await;
    eventually("it is at MESH", || scene.for_bob().len() == 1).await;
    eventually("the topic is named", || {
        relay.log().contains(&format!("topic {wrong}: a topic is not there"))
    })
    .await;
    eventually("the delivery fails", || relay.log().contains("could not be seen yet")).await;
    assert_eq!(scene.for_bob()[0].status, "accepted", "it stays at MESH");
    assert!(!scene.kafka.has(&wrong));
    scene.kafka.topic(&wrong, 1, &[]).await;
    scene.kafka.reader(&wrong).take(1).await;
    // The same while it runs: gone, it is not made by the next message.
    scene.kafka.delete(&wrong).await;
    let told = || relay.log().matches("a topic is not there").count();
    let before = told();
    scene.put("B", b"payload").await;
    eventually("it is told", || told() > before).await;
    eventually("it is at MESH", || scene.for_bob().len() == 2).await;
    assert!(!scene.kafka.has(&wrong));
    assert_eq!(scene.for_bob()[1].status, "accepted", "it stays at MESH");
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn each_outage_is_told() {
    let own = OwnBroker::new();
    let scene = Scene::on(Kafka::at(&own.start()), 1).await;
    let relay = scene.site.run().await;
    for time in 1..=2 {
        scene.put(&format!("M{time}"), b"payload").await;
        eventually("it is carried", || {
            let stored = scene.for_bob();
            stored.len() == time && stored.iter().all(|message| message.status == "acknowledged")
        })
        .await;
        own.halt();
        let says = "no broker can be reached";
        eventually("it is told", || relay.log().matches(says).count() >= time).await;
        own.start();
    }
    scene.put("last", b"payload").await;
    eventually("it is carried", || scene.for_bob().len() == 3).await;
    assert!(relay.stop().await.0.success());
}
