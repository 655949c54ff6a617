//! Whoever reads a large payload slowly costs the relay no memory, and nobody else their answers.

use std::time::Duration;

use relay_testkit::wait::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::{Instant, timeout};

use crate::scene::{CAROL, OPERATOR, Scene, letter, token};

const PAYLOAD_BYTES: usize = 30 * 1024 * 1024;
/// What eight readers may cost together: buffers of theirs, far less than one payload.
const GROWTH_MAX_KIB: u64 = 20 * 1024;
const READERS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_of_a_large_payload_do_not_make_the_relay_grow() {
    let (scene, running) = Scene::running().await;
    let mut control = letter("LARGE");
    CAROL.clone_into(&mut control.to);
    control.allow_chunking = true;
    scene.site.alice.drop_pair("LARGE", &control, &vec![7; PAYLOAD_BYTES]);
    let mut id = String::new();
    eventually("it waits at MESH", || {
        let found = scene.at_mesh(CAROL);
        id = found
            .first()
            .filter(|one| one.status == "accepted")
            .map(|one| one.message_id.to_string())
            .unwrap_or_default();
        !id.is_empty()
    })
    .await;
    let path = format!("/v1/mailboxes/{CAROL}/inbox/{id}/payload");
    // Once whole, so that what the first call costs is not counted.
    let whole = running.operator().get(&path).await;
    assert_eq!(whole.body.len(), PAYLOAD_BYTES);
    drop(whole);
    let before = running.relay.peak_kib();

    let mut readers = Vec::new();
    for _ in 0..READERS {
        let socket = TcpSocket::new_v4().expect("a socket");
        // So that it is the relay which waits, and not the system's buffers that hold it.
        socket.set_recv_buffer_size(16 * 1024).expect("a small buffer");
        let mut stream = socket.connect(running.address).await.expect("a connection");
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\r\n",
            running.address,
            token(OPERATOR)
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        readers.push(stream);
    }
    // A trickle, for as long as the whole of it would take to be read into memory several times over.
    let (mut piece, mut read) = ([0; 2_048], 0);
    let until = Instant::now() + Duration::from_secs(8);
    while Instant::now() < until {
        for reader in &mut readers {
            let taken = timeout(Duration::from_secs(30), reader.read(&mut piece)).await.expect("it goes on");
            read += taken.expect("the payload");
        }
        assert_eq!(running.nobody().get("/v1/overview").await.status, 200, "others are answered");
        tokio::task::yield_now().await;
        if read > 4 * 1024 * 1024 {
            break;
        }
    }
    scene.carries("MEANWHILE").await;
    let after = running.relay.peak_kib();
    println!("peak memory {before} KiB before, {after} KiB after {READERS} slow readers took {read} bytes");
    assert!(after - before < GROWTH_MAX_KIB, "{before} KiB before, {after} KiB after");
    drop(readers);
    assert_eq!(running.operator().get(&path).await.body.len(), PAYLOAD_BYTES, "their places are free again");
    running.ends_well().await;
}
