//! 24 to 26: what a reset empties, and what it leaves.

use std::fs;
use std::path::Path;

use mesh_sandbox::{SandboxConfig, StoreKind};
use serde_json::{Value, json};

use super::{both_versions, send};
use crate::{ONE, Server, TWO, V1};

/// One message each way between one and two.
async fn one_each_way(server: &Server, accept: &str) -> [String; 2] {
    let there = send(server, accept, &[], b"there").await;
    let headers = [("mex-to", "X26ABC1"), ("mex-workflowid", "TEST_WORKFLOW_ACK")];
    let got = server.call("POST", &format!("{TWO}/outbox"), &headers, b"back").await;
    [there, super::sent_id(V1, &got)]
}

async fn delete(server: &Server, path: &str) -> (u16, Value) {
    let got = server.open("DELETE", path, &[], b"").await;
    (got.status, got.json())
}

async fn rich_inbox(server: &Server, mailbox: &str) -> usize {
    let rich = server.get(&format!("{mailbox}/inbox/rich"), &[]).await.json();
    rich["messages"].as_array().expect("messages").len()
}

async fn full_reset(accept: &str) {
    let server = Server::start().await;
    let [there, back] = one_each_way(&server, accept).await;
    assert_eq!((server.inbox(TWO).await, server.inbox(ONE).await), (vec![there.clone()], vec![back.clone()]));
    let done = delete(&server, "/messageexchange/admin/reset").await;
    assert_eq!(done, (200, json!({"message": "all mailboxes reset"})));
    assert_eq!((server.inbox(TWO).await.len(), server.inbox(ONE).await.len()), (0, 0));
    for (sender, id) in [(ONE, there), (TWO, back)] {
        let path = format!("{sender}/outbox/tracking?messageID={id}");
        assert_eq!(server.get(&path, &[("accept", accept)]).await.status, 404);
    }
}
both_versions!(full_reset: s24_a_full_reset_empties_all_v1, s24_a_full_reset_empties_all_v2);

#[tokio::test]
async fn s24_a_full_reset_removes_no_files_and_empties_once_they_are_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = on_disk(folder.path()).await;
    let [there, back] = one_each_way(&server, V1).await;
    assert_eq!(delete(&server, "/admin/reset").await.0, 200);
    assert_eq!((server.inbox(ONE).await, server.inbox(TWO).await), (vec![back.clone()], vec![there.clone()]));
    for mailbox in ["X26ABC1", "X26ABC2"] {
        fs::remove_dir_all(folder.path().join(mailbox)).expect("the files were left");
    }
    assert_eq!(delete(&server, "/admin/reset").await.0, 200);
    assert_eq!((server.inbox(ONE).await.len(), server.inbox(TWO).await.len()), (0, 0));
    for (sender, id) in [(ONE, there), (TWO, back)] {
        assert_eq!(server.get(&format!("{sender}/outbox/tracking?messageID={id}"), &[]).await.status, 404);
    }
}

#[tokio::test]
async fn s25_a_reset_of_one_mailbox_leaves_the_others() {
    let server = Server::start().await;
    let [_, back] = one_each_way(&server, V1).await;
    let done = delete(&server, "/messageexchange/admin/reset/X26ABC2").await;
    assert_eq!(done, (200, json!({"message": "mailbox X26ABC2 reset"})));
    assert_eq!((server.inbox(ONE).await, server.inbox(TWO).await), (vec![back], Vec::new()));
    assert_eq!((rich_inbox(&server, ONE).await, rich_inbox(&server, TWO).await), (1, 0));
}

async fn on_disk(folder: &Path) -> Server {
    let store = StoreKind::Folder(folder.to_owned());
    Server::with(SandboxConfig { store, ..SandboxConfig::loopback() }).await
}

#[tokio::test]
async fn s25_a_reset_of_one_mailbox_leaves_the_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = on_disk(folder.path()).await;
    let [there, back] = one_each_way(&server, V1).await;
    assert_eq!(delete(&server, "/admin/reset/X26ABC2").await.0, 200);
    assert_eq!((server.inbox(ONE).await, server.inbox(TWO).await), (vec![back.clone()], Vec::new()));
    for (mailbox, id) in [("X26ABC1", back), ("X26ABC2", there)] {
        let inbox = folder.path().join(mailbox).join("in");
        assert!(inbox.join(format!("{id}.json")).is_file() && inbox.join(&id).join("1").is_file());
    }
}

#[tokio::test]
async fn s26_a_reset_works_before_any_folder_exists() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = on_disk(folder.path()).await;
    assert!(!folder.path().join("X26ABC1").exists());
    assert_eq!(delete(&server, "/messageexchange/admin/reset").await.0, 200);
    assert_eq!(delete(&server, "/messageexchange/admin/reset/X26ABC1").await.0, 200);
}

#[tokio::test]
async fn s26_an_unknown_query_parameter_is_ignored() {
    let server = Server::start().await;
    one_each_way(&server, V1).await;
    assert_eq!(delete(&server, "/messageexchange/admin/reset?clear_disk=true").await.0, 200);
    assert_eq!((server.inbox(ONE).await.len(), server.inbox(TWO).await.len()), (0, 0));
}
