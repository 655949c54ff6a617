//! A stop under load between a queue and MESH.

use std::collections::BTreeSet;

use mesh_sandbox::{Call, Effect, Fault};
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB};

#[path = "../amqp/broker.rs"]
#[expect(dead_code, reason = "the tests of queues use the rest")]
mod broker;
#[path = "../amqp/scene.rs"]
#[expect(dead_code, reason = "the tests of queues use the rest")]
mod scene;

use scene::{Scene, TO_BOB};

const MESSAGES: usize = 150;

#[tokio::test]
async fn a_stop_under_load_loses_and_doubles_nothing_of_a_queue_and_tells_all_that_was_sent() {
    let scene = Scene::new().await;
    scene.make().await;
    let fault = Fault {
        mailbox: Some(ALICE.parse().expect("a mailbox")),
        calls: vec![Call::Send],
        ..Fault::new("slow", Effect::Delay { millis: 100 })
    };
    scene.sandbox.faults().add(fault).expect("a fault");
    for number in 0..MESSAGES {
        let id = format!("M{number:03}");
        scene.broker.put(&scene.outbound, &id, &TO_BOB, id.as_bytes()).await;
    }
    let at_mesh = || scene.sandbox.messages(&BOB.parse().expect("a mailbox"));
    for part in [1, 2] {
        let relay = scene.site.run().await;
        eventually("some have gone", || at_mesh().len() >= MESSAGES * part / 4).await;
        let (status, log) = relay.stop().await;
        assert!(status.success(), "{log}");
        assert_eq!(
            scene.site.outbound("in_doubt") + scene.site.outbound("sending"),
            0,
            "a stop makes no doubt"
        );
        let untold = "SELECT count(*) FROM event WHERE untold IS NOT NULL";
        let journal = rusqlite::Connection::open(scene.site.path("journal.db")).expect("the journal");
        let untold: i64 = journal.query_row(untold, [], |row| row.get(0)).expect("a count");
        assert_eq!(untold, 0, "what was sent was told before the end: {log}");
    }
    let relay = scene.site.run().await;
    eventually("all have gone", || at_mesh().len() >= MESSAGES).await;
    let taken = scene.broker.take_all(&scene.inbound, MESSAGES).await;
    let arrived: BTreeSet<Vec<u8>> = taken.into_iter().map(|message| message.body).collect();
    assert_eq!(arrived.len(), MESSAGES, "each has arrived");
    assert_eq!(at_mesh().len(), MESSAGES, "and was sent once");
    assert!(relay.stop().await.0.success());
}
