//! A store in a folder, by calls from outside: restarts, large bodies, the files (`mesh-api.md` 11.2).

use std::fs;
use std::path::Path;

use jiff::SignedDuration;
use mesh_sandbox::{Clock, SandboxConfig, StoreKind};
use serde_json::{Value, json};

use crate::{Got, ONE, Server, TWO, V1, V2, gunzip, gzip, mailbox, strict};

async fn on_disk(folder: &Path) -> Server {
    let store = StoreKind::Folder(folder.to_owned());
    Server::with(SandboxConfig { store, ..SandboxConfig::loopback() }).await
}

async fn restarted(server: Server, folder: &Path) -> Server {
    server.sandbox.shutdown().await;
    on_disk(folder).await
}

/// Five megabytes that do not shrink.
fn large() -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..5 * 1024 * 1024 / 8).flat_map(|_| next()).collect()
}

#[tokio::test]
async fn states_and_order_survive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = on_disk(folder.path()).await;
    let mut ids = Vec::new();
    for number in 0..12 {
        ids.push(server.send(&[("mex-localid", "ref-1")], format!("{number}").as_bytes()).await);
    }
    server.acknowledge(TWO, &ids[3], &[]).await;
    let event = json!({"status": "undeliverable"});
    let path = format!("/messageexchange/admin/message/{}/event", ids[5]);
    assert_eq!(server.json("POST", &path, &event).await.status, 200);
    let waiting: Vec<_> = ids.iter().filter(|id| **id != ids[3] && **id != ids[5]).cloned().collect();
    assert_eq!(server.inbox(TWO).await, waiting);

    let server = restarted(server, folder.path()).await;
    assert_eq!(server.inbox(TWO).await, waiting);
    let mut states = Vec::new();
    for id in [&ids[0], &ids[3], &ids[5]] {
        states.push(server.track(id, V2).await.json()["status"].clone());
    }
    assert_eq!(states, ["accepted", "acknowledged", "undeliverable"]);
    let bodies: Vec<_> = server.sandbox.messages(&mailbox(TWO)).iter().map(|stored| stored.body()).collect();
    assert_eq!(bodies, (0..12).map(|number| number.to_string().into_bytes()).collect::<Vec<_>>());
    let ambiguous = server.get(&format!("{ONE}/outbox/tracking/ref-1"), &[]).await;
    assert_eq!(ambiguous.status, 300, "local ids are known again");

    let new = server.send(&[], b"new").await;
    assert!(!ids.contains(&new));
    assert_eq!(server.inbox(TWO).await.last(), Some(&new));
}

#[tokio::test]
async fn a_report_survives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = on_disk(folder.path()).await;
    let body = json!({"mailbox_id": "X26ABC1", "code": "21", "description": "lost", "workflow_id": "W",
        "status": "error", "linked_message_id": "20260329234512345_0A1B2C"});
    let got = server.json("POST", "/messageexchange/admin/report", &body).await.json();
    let path = format!("{ONE}/inbox/{}", got["message_id"].as_str().expect("an id"));
    let facts = |got: &Got| {
        ["mex-messagetype", "mex-statuscode", "mex-statusdescription", "mex-linkedmsgid", "mex-chunk-range"]
            .map(|name| got.header(name).to_owned())
    };
    let before = facts(&server.get(&path, &[]).await);
    assert_eq!(before, ["REPORT", "21", "lost", "20260329234512345_0A1B2C", "1:0"]);
    let server = restarted(server, folder.path()).await;
    assert_eq!(facts(&server.get(&path, &[]).await), before);
}

#[tokio::test]
async fn a_chunked_upload_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = on_disk(folder.path()).await;
    let id = server.send(&[("mex-chunk-range", "1:3"), ("content-encoding", "gzip")], &gzip(b"one ")).await;
    let packed = [("content-encoding", "gzip")];
    assert_eq!(server.chunk(&id, "2:3", &packed, &gzip(b"two ")).await.status, 202);

    let server = restarted(server, folder.path()).await;
    assert_eq!(server.track(&id, V2).await.json()["status"], "uploading");
    assert_eq!(server.get(&format!("{TWO}/inbox/{id}"), &[]).await.status, 410);
    assert_eq!(server.chunk(&id, "3:3", &[], b"three").await.status, 417, "the encoding is remembered");
    assert_eq!(server.chunk(&id, "3:3", &packed, &gzip(b"three")).await.status, 202);
    assert_eq!(server.inbox(TWO).await, [id.as_str()]);
    let mut joined = Vec::new();
    for (number, status) in [(1, 206), (2, 206), (3, 200)] {
        let got = server.get(&format!("{TWO}/inbox/{id}/{number}"), &[]).await;
        assert_eq!(got.status, status);
        joined.extend_from_slice(&got.body);
    }
    assert_eq!(joined, b"one two three");
}

#[tokio::test]
async fn a_large_body_goes_to_disk_and_back_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = on_disk(folder.path()).await;
    let sent = large();
    let id = server.send(&[], &sent).await;
    let file = folder.path().join(format!("X26ABC2/in/{id}/1"));
    assert!(fs::read(file).expect("the chunk's file") == sent);
    let server = restarted(server, folder.path()).await;
    for accept in [V1, V2] {
        let got = server.get(&format!("{TWO}/inbox/{id}"), &[("accept", accept)]).await;
        assert_eq!(
            (got.status, got.header("content-length"), got.header("content-encoding")),
            (200, "5242880", "")
        );
        assert!(got.body == sent);
    }
    assert_eq!(server.track(&id, V1).await.json()["fileSize"], 5_242_880);
}

#[tokio::test]
async fn a_large_gzipped_body_leaves_as_it_came_or_decompressed() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = on_disk(folder.path()).await;
    let plain = large();
    let packed = gzip(&plain);
    let id = server.send(&[("content-encoding", "gzip")], &packed).await;
    let path = format!("{TWO}/inbox/{id}");
    for accept in [V1, V2] {
        let got = server.get(&path, &[("accept", accept), ("accept-encoding", "gzip")]).await;
        assert_eq!((got.header("content-encoding"), got.header("mex-content-compressed")), ("gzip", "Y"));
        assert!(got.body == packed);
        let got = server.get(&path, &[("accept", accept)]).await;
        assert_eq!((got.header("content-encoding"), got.header("mex-content-compressed")), ("", ""));
        assert!(got.body == plain);
    }
    assert_eq!(server.track(&id, V1).await.json()["fileSize"], packed.len());
}

#[tokio::test]
async fn a_large_plain_body_leaves_gzipped_in_version_2_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = on_disk(folder.path()).await;
    let plain = large();
    let id = server.send(&[], &plain).await;
    let path = format!("{TWO}/inbox/{id}");
    let got = server.get(&path, &[("accept", V2), ("accept-encoding", "gzip")]).await;
    assert_eq!((got.status, got.header("content-encoding")), (200, "gzip"));
    assert!(gunzip(&got.body) == plain);
    let got = server.get(&path, &[("accept", V1), ("accept-encoding", "gzip")]).await;
    assert_eq!((got.status, got.header("content-encoding")), (200, ""));
    assert!(got.body == plain);
}

/// Every file under a folder, by its path from there, sorted.
pub(crate) fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(root).expect("inside").display().to_string()),
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn the_files_are_those_of_the_official_emulator() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = on_disk(folder.path()).await;
    let headers = [
        ("mex-chunk-range", "1:2"),
        ("content-encoding", "gzip"),
        ("mex-localid", "ref-1"),
        ("mex-subject", "Results"),
        ("mex-content-checksum", "md5 0a1b"),
        ("mex-content-type", "text/csv"),
    ];
    let chunks = [gzip(b"one "), gzip(b"two")];
    let id = server.send(&headers, &chunks[0]).await;
    assert_eq!(server.chunk(&id, "2:2", &[("content-encoding", "gzip")], &chunks[1]).await.status, 202);
    server.acknowledge(TWO, &id, &[]).await;

    let inbox = "X26ABC2/in";
    let mut wanted = [format!("{inbox}/{id}.json"), format!("{inbox}/{id}/1"), format!("{inbox}/{id}/2")];
    wanted.sort();
    assert_eq!(files(folder.path()), wanted);
    for (number, chunk) in (1..).zip(&chunks) {
        let bytes = fs::read(folder.path().join(format!("{inbox}/{id}/{number}"))).expect("a chunk");
        assert_eq!(&bytes, chunk, "as received");
    }
    let text = fs::read(folder.path().join(format!("{inbox}/{id}.json"))).expect("metadata");
    let metadata: Value = serde_json::from_slice(&text).expect("JSON");
    let keys = |value: &Value| {
        let mut keys: Vec<_> = value.as_object().expect("an object").keys().cloned().collect();
        keys.sort();
        keys
    };
    let mut wanted = [
        "message_id",
        "recipient",
        "sender",
        "events",
        "metadata",
        "workflow_id",
        "message_type",
        "total_chunks",
        "file_size",
        "inbox_expiry_timestamp",
        "last_modified",
        "created_timestamp",
    ];
    wanted.sort_unstable();
    assert_eq!(keys(&metadata), wanted);
    let known = [
        "subject",
        "content_type",
        "content_encoding",
        "file_name",
        "local_id",
        "partner_id",
        "checksum",
        "encrypted",
        "compressed",
    ];
    assert!(keys(&metadata["metadata"]).iter().all(|key| known.contains(&key.as_str())), "{metadata}");
    let events: Vec<_> =
        metadata["events"].as_array().expect("events").iter().map(|e| &e["status"]).collect();
    assert_eq!(events, ["acknowledged", "accepted", "uploading"], "newest first");
    for (place, value) in [
        ("/message_id", json!(id)),
        ("/recipient/mailbox_id", json!("X26ABC2")),
        ("/sender/mailbox_id", json!("X26ABC1")),
        ("/workflow_id", json!("TEST_WORKFLOW")),
        ("/message_type", json!("DATA")),
        ("/total_chunks", json!(2)),
        ("/file_size", json!(chunks[0].len() + chunks[1].len())),
        ("/metadata/subject", json!("Results")),
        ("/metadata/content_type", json!("text/csv")),
        ("/metadata/content_encoding", json!("gzip")),
        ("/metadata/file_name", json!(format!("{id}.dat"))),
        ("/metadata/local_id", json!("ref-1")),
        ("/metadata/checksum", json!("md5 0a1b")),
    ] {
        assert_eq!(metadata.pointer(place), Some(&value), "{place}");
    }
}

#[tokio::test]
async fn what_expired_while_the_server_was_down_is_reported_when_it_is_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = |clock| SandboxConfig {
        store: StoreKind::Folder(folder.path().to_owned()),
        clock,
        ..SandboxConfig::strict()
    };
    let server = Server::with(config(Clock::new(strict::noon))).await;
    let id = server.send(&[], b"x").await;
    server.sandbox.shutdown().await;
    let later = Clock::new(strict::noon);
    later.advance(SignedDuration::from_hours(6 * 24)).expect("forward");
    let server = Server::with(config(later)).await;
    assert_eq!(server.inbox(TWO).await, Vec::<String>::new());
    let reports = server.inbox(ONE).await;
    assert_eq!(reports.len(), 1);
    let got = server.get(&format!("{ONE}/inbox/{}", reports[0]), &[]).await;
    assert_eq!((got.header("mex-statuscode"), got.header("mex-linkedmsgid")), ("14", &id[..]));
}

#[tokio::test]
async fn a_folder_that_was_put_there_becomes_a_mailbox() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("Y99NEW/in")).expect("a folder");
    let server = on_disk(folder.path()).await;
    let got = server.open("GET", "/admin/mailbox/Y99NEW", &[], b"").await;
    assert_eq!((got.status, got.json()["mailbox_name"].as_str()), (200, Some("Unknown")));
    assert_eq!(
        server.inbox("/messageexchange/Y99NEW").await,
        Vec::<String>::new(),
        "with the password `password`"
    );
}
