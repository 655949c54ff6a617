//! What is asked of the relay is answered as it is.

use std::collections::HashSet;

use relay_testkit::wait::eventually;
use serde_json::Value;

use crate::process::{ALICE, BOB};
use crate::scene::{OPERATOR, Scene, letter, relay_id};

#[tokio::test]
async fn pages_of_a_search_hold_every_message_once() {
    const PAIRS: usize = 23;
    let (scene, running) = Scene::running().await;
    for number in 0..PAIRS {
        scene.drop_pair(&format!("PAGE{number:02}"), b"payload");
    }
    eventually("all are sent", || scene.site.outbound("accepted") as usize == PAIRS).await;
    running.received(PAIRS).await;
    let nobody = running.nobody();
    for (filter, expected) in
        [("q=PAGE&direction=outbound", PAIRS), ("", 2 * PAIRS), ("direction=inbound&mailbox=X26ABC2", PAIRS)]
    {
        let (mut seen, mut times, mut pages, mut after) = (HashSet::new(), Vec::new(), 0, String::new());
        loop {
            let page = nobody.ask(&format!("/v1/messages?{filter}&limit=5{after}")).await;
            let messages = page["messages"].as_array().expect("messages");
            for message in messages {
                assert!(seen.insert(relay_id(message).to_owned()), "{message} stands there twice");
                times.push(message["received_at"].as_str().expect("a time").to_owned());
            }
            pages += 1;
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
            assert_eq!(messages.len(), 5, "a page before the last is full");
        }
        assert_eq!(seen.len(), expected, "{filter}");
        assert!(pages > 2, "{filter}: {pages}");
        // Times are written with as many digits as they need.
        let times: Vec<std::time::SystemTime> =
            times.iter().map(|time| time.parse::<jiff::Timestamp>().expect("a time").into()).collect();
        assert!(times.is_sorted_by(|newer, older| newer >= older), "newest first");
    }
    running.ends_well().await;
}

#[tokio::test]
async fn a_search_finds_by_each_thing_that_it_can_be_narrowed_by() {
    let (scene, running) = Scene::running().await;
    scene.drop_pair("HAYSTACK", b"payload");
    scene.drop_pair("NEEDLE", b"payload");
    let needle = running.in_state("NEEDLE", "accepted").await;
    running.in_state("HAYSTACK", "accepted").await;
    running.received(2).await;
    let nobody = running.nobody();
    let message_id = needle["message_id"].as_str().expect("an id");
    for filter in
        ["q=needle", "q=NEEDLE%20x26abc2&direction=outbound", &format!("q={message_id}&direction=outbound")]
    {
        let found = nobody.ask(&format!("/v1/messages?{filter}")).await;
        let found = found["messages"].as_array().expect("messages");
        assert!(found.iter().any(|one| one["relay_id"] == needle["relay_id"]), "{filter}: {found:?}");
        assert!(found.iter().all(|one| one["local_id"] == "NEEDLE"), "{filter}: {found:?}");
    }
    for (filter, count) in [
        ("mailbox=X26ABC1", 2),
        ("partner=X26ABC2&direction=outbound", 2),
        ("workflow=TEST_WORKFLOW", 4),
        ("workflow=ANOTHER", 0),
        ("state=accepted&direction=outbound", 2),
        ("state=parked", 0),
        ("from=2020-01-01&until=2020-12-31", 0),
        ("from=2020-01-01", 4),
        ("q=nowhere", 0),
    ] {
        let found = nobody.ask(&format!("/v1/messages?{filter}")).await;
        assert_eq!(found["messages"].as_array().map(Vec::len), Some(count), "{filter}: {found}");
    }
    running.ends_well().await;
}

#[tokio::test]
async fn a_message_has_its_history_in_order_and_in_words() {
    let (scene, running) = Scene::running().await;
    scene.drop_pair("HISTORY", b"payload");
    let message = running.in_state("HISTORY", "accepted").await;
    let whole = running.nobody().ask(&format!("/v1/messages/{}", relay_id(&message))).await;
    assert_eq!(whole["message"], message);
    assert_eq!(message["mailbox"], ALICE);
    assert_eq!(message["partner"], BOB);
    assert_eq!(message["adapter"], "alice");
    assert_eq!(message["length"], 7);
    let history = whole["history"].as_array().expect("a history");
    let states: Vec<_> = history.iter().map(|entry| entry["state"].as_str().expect("a state")).collect();
    assert_eq!((states.first(), states.last()), (Some(&"received"), Some(&"accepted")), "{states:?}");
    for (index, entry) in history.iter().enumerate() {
        assert_eq!(entry["sequence"], index + 1, "{entry}");
        assert!(entry["words"].as_str().is_some_and(|words| words.len() > 10), "{entry}");
        assert!(entry["evidence"].is_object() || entry["evidence"].is_string(), "{entry}");
    }
    let accepted = history.iter().find(|entry| entry["state"] == "accepted").expect("accepted");
    let id = message["message_id"].as_str().expect("an id");
    assert!(accepted["words"].as_str().is_some_and(|words| words.contains(id)), "{accepted}");
    assert_eq!(whole["deeds"].as_array().map(Vec::len), Some(0));
    running.nobody().get("/v1/messages/00000000-0000-0000-0000-000000000000").await.refused(404, "not-found");
    running.ends_well().await;
}

#[tokio::test]
async fn the_overview_mailboxes_and_adapters_are_told() {
    let (scene, running) = Scene::running().await;
    scene.carries("SEEN").await;
    let nobody = running.nobody();
    let overview = nobody.ask("/v1/overview").await;
    assert_eq!(overview["mesh"], scene.sandbox.base_url());
    let names = |list: &Value, key: &str| -> Vec<String> {
        let list = list.as_array().expect("a list").iter();
        list.map(|one| one[key].as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(
        names(&nobody.ask("/v1/mailboxes").await["mailboxes"], "id"),
        ["X26ABC1", "X26ABC2", "X26ABC3"]
    );
    let adapters = nobody.ask("/v1/adapters").await;
    assert_eq!(names(&adapters["adapters"], "name"), ["alice", "bob"]);
    assert_eq!(adapters["adapters"][0]["ready"], true);
    running.ends_well().await;
}

#[tokio::test]
async fn who_receives_a_workflow_is_looked_up_at_mesh() {
    let (_scene, running) = Scene::running().await;
    let nobody = running.nobody();
    let all = nobody.ask("/v1/lookup?workflow=TEST_WORKFLOW2").await;
    let mut all: Vec<_> = all["endpoints"].as_array().expect("endpoints").clone();
    all.sort_by_key(|one| one["mailbox"].to_string());
    assert_eq!(
        all.iter().map(|one| one["mailbox"].clone()).collect::<Vec<_>>(),
        ["X26ABC1", "X26ABC2", "X26ABC3"]
    );
    let of_one = nobody.ask("/v1/lookup?workflow=TEST_WORKFLOW2&ods=X27").await;
    assert_eq!(of_one["endpoints"][0]["mailbox"], "X26ABC3", "{of_one}");
    assert_eq!(of_one["endpoints"].as_array().map(Vec::len), Some(1), "{of_one}");
    assert_eq!(nobody.ask("/v1/lookup?workflow=NOBODYS").await["endpoints"], serde_json::json!([]));
    nobody.get("/v1/lookup?workflow=TEST_WORKFLOW2&ods=X%2027").await.refused(400, "bad-request");
    running.ends_well().await;
}

/// Reads comma-separated values as RFC 4180 has them.
fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(one) = chars.next() {
        match one {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted => {
                assert_eq!(chars.next(), Some('\n'), "a row ends in both");
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            other => field.push(other),
        }
    }
    assert!(!quoted && row.is_empty() && field.is_empty(), "the last row is whole");
    rows
}

#[tokio::test]
async fn partners_are_reported_as_json_and_as_a_table_without_formulas() {
    let (scene, running) = Scene::running().await;
    let formula = "=HYPERLINK(\"http://evil.example\",\"A,B\")";
    let mut control = letter("FORMULA");
    control.workflow = formula.replace('"', "&quot;");
    scene.site.alice.drop_pair("FORMULA", &control, b"payload");
    scene.drop_pair("PLAIN", b"payload");
    let sent = running.in_state("FORMULA", "accepted").await;
    assert_eq!(sent["workflow"], formula);
    running.in_state("PLAIN", "accepted").await;
    running.received(2).await;
    let nobody = running.nobody();
    let told = nobody.ask("/v1/reports/partners").await;
    let partners = told["partners"].as_array().expect("partners");
    assert_eq!(partners.len(), 4, "two workflows, each way: {told}");
    let answer = nobody.get("/v1/reports/partners?format=csv&days=2").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert!(answer.header("content-disposition").starts_with("attachment"), "it is saved, not shown");
    let rows = rows(&answer.text());
    assert_eq!(rows.len(), 5, "{rows:?}");
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{rows:?}");
    let column = |name: &str| rows[0].iter().position(|column| column == name).expect("a column");
    for (row, partner) in rows[1..].iter().zip(partners) {
        for name in ["direction", "mailbox", "partner"] {
            assert_eq!(row[column(name)], partner[name].as_str().expect("a text"), "{row:?}");
        }
        for name in ["messages", "collected", "failed"] {
            assert_eq!(row[column(name)], partner[name].to_string(), "{row:?}");
        }
        for field in row {
            assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r']), "{field:?} would be a formula");
        }
    }
    assert_eq!(rows.iter().filter(|row| row[column("workflow")] == format!("'{formula}")).count(), 2);
    for bad in ["days=0", "days=3661", "days=x", "format=xml"] {
        nobody.get(&format!("/v1/reports/partners?{bad}")).await.refused(400, "bad-request");
    }
    running.ends_well().await;
}

#[tokio::test]
async fn deeds_are_told_by_page_with_who_did_them() {
    let (_scene, running) = Scene::running().await;
    let operator = running.operator();
    for number in 0..105 {
        let reason = serde_json::json!({ "reason": format!("number {number}") });
        operator.post("/v1/adapters/bob/pause", &reason).await.good(200);
    }
    let first = operator.ask("/v1/deeds").await;
    let next = first["next"].as_str().expect("there is more");
    let second = operator.ask(&format!("/v1/deeds?before={next}")).await;
    assert_eq!(second["next"], Value::Null);
    let deeds: Vec<_> =
        [&first, &second].iter().flat_map(|page| page["deeds"].as_array().expect("deeds")).collect();
    assert!(deeds.iter().all(|deed| deed["who"] == OPERATOR && deed["kind"] == "pause"), "{deeds:?}");
    let notes: Vec<_> = deeds.iter().map(|deed| deed["note"].as_str().expect("a note").to_owned()).collect();
    let expected: Vec<_> = (0..105).rev().map(|number| format!("adapter bob: number {number}")).collect();
    assert_eq!(notes, expected, "each once, newest first");
    running.ends_well().await;
}
