//! Listings that are not what they should be: `duplicate-entries`, `clog-inbox`.

use serde_json::json;

use super::{fault, fired, strike};
use crate::section12::both_versions;
use crate::{Server, TWO, V2, texts};

async fn duplicates(accept: &str) {
    let server = Server::start().await;
    let ids = [server.send(&[], b"one").await, server.send(&[], b"two").await];
    fault(&server, "twice", json!({"effect": "duplicate-entries", "copies": 3, "times": 1})).await;
    let got = server.get(&format!("{TWO}/inbox"), &[("accept", accept)]).await;
    let [one, two] = &ids;
    assert_eq!(texts(&got.json()["messages"]), [one, one, one, two, two, two].map(String::clone));
    assert_eq!(got.note(), "fault twice");
    assert_eq!(server.inbox(TWO).await, ids, "there were never more");
    assert_eq!(fired(&server).await, [strike("twice", "list", "X26ABC2", "duplicate-entries")]);
}
both_versions!(duplicates: duplicate_entries_stand_beside_each_other_v1, duplicate_entries_stand_beside_each_other_v2);

#[tokio::test]
async fn clog_inbox_puts_real_messages_of_strangers_before_all_others() {
    let server = Server::start().await;
    let mine = server.send(&[], b"mine").await;
    let keys = json!({"effect": "clog-inbox", "messages": 600, "workflow_id": "OTHER_FLOW", "times": 1});
    fault(&server, "clogged", keys).await;

    let page = server.get(&format!("{TWO}/inbox"), &[("accept", V2)]).await;
    assert_eq!((page.status, page.note()), (200, "fault clogged"));
    let page = page.json();
    let strangers = texts(&page["messages"]);
    assert_eq!((strangers.len(), strangers.contains(&mine)), (500, false));
    assert_eq!(page["approx_inbox_count"], json!(601));
    let next = page["links"]["next"].as_str().expect("a next page");
    let rest = texts(&server.get(next, &[("accept", V2)]).await.json()["messages"]);
    assert_eq!((rest.len(), rest.last()), (101, Some(&mine)));
    let filtered = server.get(&format!("{TWO}/inbox?workflow_filter=TEST_WORKFLOW"), &[]).await;
    assert_eq!(filtered.json(), json!({"messages": [mine]}));

    let stranger = &strangers[0];
    let got = server.get(&format!("{TWO}/inbox/{stranger}"), &[]).await;
    assert_eq!(
        (got.status, got.header("mex-workflowid"), got.header("mex-from")),
        (200, "OTHER_FLOW", "SANDBOX")
    );
    assert!(!got.body.is_empty());
    assert_eq!(server.acknowledge(TWO, stranger, &[]).await.status, 200);
    let page = server.get(&format!("{TWO}/inbox"), &[("accept", V2)]).await.json();
    assert_eq!(
        (texts(&page["messages"])[0].as_str(), &page["approx_inbox_count"]),
        (&strangers[1][..], &json!(600))
    );
    assert_eq!(fired(&server).await, [strike("clogged", "list", "X26ABC2", "clog-inbox")]);
}
