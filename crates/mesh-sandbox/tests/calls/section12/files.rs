//! 16 and 17: chunks, and where they stand.

use std::fs;

use mesh_sandbox::{SandboxConfig, StoreKind};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{both_versions, send, status};
use crate::{ONE, Server, TWO, V2};

async fn on_disk(folder: &TempDir) -> Server {
    let store = StoreKind::Folder(folder.path().to_owned());
    Server::with(SandboxConfig { store, ..SandboxConfig::loopback() }).await
}

async fn chunk_file(accept: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = on_disk(&folder).await;
    let sent: Vec<u8> = (0..=255).collect();
    let id = send(&server, accept, &[], &sent).await;
    let file = folder.path().join("X26ABC2").join("in").join(id).join("1");
    assert_eq!(fs::read(file).expect("the chunk's file"), sent);
}
both_versions!(chunk_file: s16_the_chunk_file_holds_the_bytes_sent_v1, s16_the_chunk_file_holds_the_bytes_sent_v2);

/// The first line of the sender's rich outbox.
async fn rich(server: &Server) -> Value {
    server.get(&format!("{ONE}/outbox/rich"), &[]).await.json()["messages"][0].clone()
}

async fn two_chunks(server: &Server, accept: &str) {
    let v = ("accept", accept);
    let id = send(server, accept, &[("mex-chunk-range", "1:2")], b"first ").await;
    assert_eq!(server.track(&id, accept).await.json()["status"], json!(status(accept, "uploading")));
    let path = format!("{TWO}/inbox/{id}");
    assert_eq!(server.call("HEAD", &path, &[v], b"").await.status, 410);
    assert_eq!(server.inbox(TWO).await, Vec::<String>::new());

    let got = server.chunk(&id, "2:2", &[v], b"second").await;
    let body = match accept {
        V2 => json!({"message_id": id}),
        _ => json!({"messageID": id, "blockID": 2}),
    };
    assert_eq!((got.status, got.json()), (202, body));
    let head = server.call("HEAD", &path, &[v], b"").await;
    assert_eq!((head.status, head.header("mex-chunk-range")), (200, "1:2"));
    let first = server.get(&path, &[v]).await;
    assert_eq!((first.status, first.body.as_ref()), (206, &b"first "[..]));
    let second = server.get(&format!("{path}/2"), &[v]).await;
    assert_eq!((second.status, second.body.as_ref()), (200, &b"second"[..]));

    let line = rich(server).await;
    assert_eq!((&line["status"], &line["total_chunks"]), (&json!("accepted"), &json!(2)));
    assert_eq!(server.acknowledge(TWO, &id, &[v]).await.status, 200);
    assert_eq!(rich(server).await["status"], json!("acknowledged"));
}

async fn two_chunks_in_memory(accept: &str) {
    two_chunks(&Server::start().await, accept).await;
}
both_versions!(two_chunks_in_memory: s17_two_chunks_in_memory_v1, s17_two_chunks_in_memory_v2);

async fn two_chunks_in_a_folder(accept: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    two_chunks(&on_disk(&folder).await, accept).await;
}
both_versions!(two_chunks_in_a_folder: s17_two_chunks_in_a_folder_v1, s17_two_chunks_in_a_folder_v2);
