//! A collector that is not there, or does not answer.

use std::net::SocketAddr;

use relay_testkit::wait::eventually;
use tokio::net::{TcpListener, TcpStream};

use crate::scene::Scene;

const COMPLAINT: &str = "the OpenTelemetry collector takes nothing";

async fn carries_beside(collector: SocketAddr) {
    let section = format!("[telemetry]\nendpoint = \"http://{collector}\"\n");
    let scene = Scene::with("", &section).await;
    let running = scene.run().await;
    scene.carries("one").await;
    eventually("it is told", || running.relay.log().contains(COMPLAINT)).await;
    for number in 0..10 {
        scene.carries(&format!("more-{number}")).await;
    }
    running.received(11).await;
    let (status, log) = running.relay.stop().await;
    assert!(status.success(), "{log}");
    assert!(log.contains("the relay has stopped"), "{log}");
    assert_eq!(log.matches(COMPLAINT).count(), 1, "{log}");
}

#[tokio::test]
async fn one_that_is_away_keeps_nothing_from_being_carried() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    carries_beside(address).await;
}

#[tokio::test]
async fn one_that_hangs_keeps_nothing_from_being_carried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut held: Vec<TcpStream> = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    carries_beside(address).await;
}
