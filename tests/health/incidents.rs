//! One alert when trouble begins and one when it ends.

use mesh_sandbox::{Call, Effect, Page};
use relay_testkit::wait::eventually;

use crate::probes::ready;
use crate::receiver::{KEY, Receiver};
use crate::scene::{Running, Scene};
use crate::stalls::{alerts, lines};

const QUICK: &str = "look = \"50ms\"\nclear = \"200ms\"\n[alerts.after]\nmesh-unreachable = \"200ms\"\ncredentials-refused = \"200ms\"\n";

async fn scene(told: &Receiver) -> (Scene, Running) {
    let scene = Scene::with("", &alerts(told, QUICK)).await;
    scene.site.write("alerts.secret", KEY);
    let running = scene.run().await;
    ready(&running).await;
    (scene, running)
}

fn away(scene: &Scene, status: u16) {
    let body = if status == 403 { Page::Mesh } else { Page::Html };
    let trouble = Effect::Status { status, retry_after_seconds: None, body };
    let calls = Call::ALL.into_iter().filter(|call| *call != Call::Report).collect();
    scene.fail("away", calls, trouble, None);
}

#[tokio::test]
async fn many_failures_of_one_cause_are_told_once_and_over_once() {
    let told = Receiver::open().await;
    let (scene, running) = scene(&told).await;
    for number in 0..20 {
        scene.drop_pair(&format!("L{number}"), b"payload");
    }
    away(&scene, 503);
    eventually("its beginning is told", || told.told("mesh-unreachable") == ["opened"]).await;
    let failures = || {
        let requests = scene.sandbox.requests();
        requests
            .iter()
            .filter(|request| request.status == Some(503))
            .map(|request| request.number)
            .max()
            .unwrap_or(0)
    };
    let before = failures();
    eventually("it fails on and on", || failures() > before + 30).await;
    scene.mend("away");
    eventually("its end is told", || told.told("mesh-unreachable") == ["opened", "cleared"]).await;
    eventually("all pairs arrive", || scene.site.bob.controls("IN") == 20).await;
    let alerts = told.posts();
    let first =
        alerts.iter().map(|post| post.json()).find(|alert| alert["data"]["kind"] == "mesh-unreachable");
    let first = first.expect("the alert");
    assert_eq!(
        (&first["type"], &first["data"]["about"]),
        (&"mesh-relay.incident.opened".into(), &"X26ABC1".into())
    );
    assert!(alerts.iter().all(|post| post.is_signed() && post.header("webhook-id") == post.json()["id"]));
    assert_eq!(lines(&running.relay.log(), "mesh-unreachable"), (1, 1));
    running.ends_well().await;
}

#[tokio::test]
async fn refused_credentials_are_an_incident_of_their_own() {
    let told = Receiver::open().await;
    let (scene, running) = scene(&told).await;
    away(&scene, 403);
    eventually("its beginning is told", || told.told("credentials-refused") == ["opened"]).await;
    assert_eq!(told.told("mesh-unreachable"), Vec::<String>::new());
    scene.mend("away");
    eventually("its end is told", || told.told("credentials-refused") == ["opened", "cleared"]).await;
    running.ends_well().await;
}

#[tokio::test]
async fn what_is_open_at_a_stop_or_a_crash_is_not_told_again() {
    let told = Receiver::open().await;
    let (scene, mut running) = scene(&told).await;
    away(&scene, 503);
    eventually("its beginning is told", || told.told("mesh-unreachable") == ["opened"]).await;
    for crash in [false, true] {
        if crash {
            running.relay.kill();
        } else {
            running.ends_well().await;
        }
        running = scene.run().await;
        ready(&running).await;
        // Long enough for a new one to open: its bound, many looks, and then some.
        let looks = || running.relay.log().matches("cannot be read").count();
        eventually("MESH is seen to be away", || looks() > 0).await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(told.told("mesh-unreachable"), ["opened"], "after a crash: {crash}");
    }
    scene.mend("away");
    eventually("its end is told", || told.told("mesh-unreachable") == ["opened", "cleared"]).await;
    assert_eq!(lines(&running.relay.log(), "mesh-unreachable"), (0, 1));
    running.ends_well().await;
}

#[tokio::test]
async fn an_alert_that_is_not_taken_is_told_again_by_the_next_run_under_the_same_id() {
    let told = Receiver::silent().await;
    let (scene, mut running) = scene(&told).await;
    away(&scene, 503);
    eventually("it is posted", || !told.posts().is_empty()).await;
    running.relay.kill();
    told.answer();
    let _again = scene.run().await;
    eventually("it is posted again", || told.told("mesh-unreachable").len() > 1).await;
    let ids: std::collections::BTreeSet<String> =
        told.posts().iter().map(|post| post.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
}
