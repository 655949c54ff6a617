//! What is not as it must be is refused clearly, and what somebody else wrote is never more than data.

use relay_testkit::wait::eventually;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::{ALICE, BOB};
use crate::scene::{CAROL, Running, SENDER, Scene, hand_in, letter, token};

#[tokio::test]
async fn a_question_that_cannot_be_meant_is_refused_in_words() {
    let (_scene, running) = Scene::running().await;
    let long = "x".repeat(400);
    for (query, word) in [
        ("q=ab", "letters"),
        ("q=%25%25%25", "letters"),
        (&*format!("q={long}"), "characters"),
        ("q=abc%20abd%20abe%20abf%20abg%20abh%20abi%20abj%20abk%20abl%20abm", "words"),
        ("direction=up", "direction"),
        ("mailbox=no%20mailbox", "mailbox"),
        (&*format!("partner={long}"), "partner"),
        ("workflow=a%00b", "workflow"),
        ("state=lost", "accepted"),
        ("from=yesterday", "from"),
        ("until=2026-02-30", "until"),
        ("after=rubbish", "after"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=-1", "query"),
        ("limit=1e3", "query"),
    ] {
        let detail = running.nobody().get(&format!("/v1/messages?{query}")).await.refused(400, "bad-request");
        assert!(detail.contains(word), "{query}: {detail}");
    }
    for path in ["/v1", "/v1/", "/v1/nothing", "/v1/messages/a/b/c/d", "/v1/%2e%2e/%2e%2e/etc/passwd"] {
        running.nobody().get(path).await.refused(404, "not-found");
    }
    for (method, path) in [
        ("DELETE", "/v1/messages"),
        ("PUT", "/v1/overview"),
        ("PATCH", "/v1/mailboxes/X26ABC1/pause"),
        ("GET", "/v1/mailboxes/X26ABC1/pause"),
        ("POST", "/openapi.json"),
    ] {
        let answer = running.operator().call(method, path, &[], "").await;
        answer.refused(405, "no-such-method");
        assert!(!answer.header("allow").is_empty(), "{method} {path} says which there are");
    }
    running.ends_well().await;
}

/// Messages of another mailbox, put into a stopped relay's journal as years would.
fn fill(scene: &Scene, messages: u32) {
    let file = rusqlite::Connection::open(scene.site.path("journal.db")).expect("the journal");
    let filled = file.execute(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?1)
         INSERT INTO outbound (relay_id, adapter, source_key, mailbox, received_at, state_name, state, version,
             updated_at, settled_at, local_id)
         SELECT randomblob(16), 'pathology', n, iif(n % 2, 'X26ABC1', 'X26ABC9'), 1700000000000000 + n * 1000000,
             iif(n % 2, 'expired', 'cancelled'), '{}', 1, 0, 1, 'COMMON-' || n FROM number",
        [messages],
    );
    assert_eq!(filled.expect("a full journal"), messages as usize);
    let words = "INSERT INTO outbound_words (rowid, text) SELECT rowid, concat_ws(' ', mailbox, local_id) FROM outbound";
    assert_eq!(file.execute(words, []).expect("their words"), messages as usize);
}

/// Over many messages: an answer is a page of a bounded length, or says that the question is to be narrowed.
#[tokio::test]
async fn a_search_that_would_look_at_everything_is_bounded_with_a_clear_answer() {
    const MESSAGES: u32 = 100_000;
    let (scene, running) = Scene::running().await;
    running.ends_well().await;
    fill(&scene, MESSAGES);
    let running = scene.run().await;
    let nobody = running.nobody();
    for (query, found) in [
        ("", Some(50)),
        ("limit=500", Some(500)),
        ("limit=500&q=common", Some(500)),
        // Half of all have the one and half the other, and none has both.
        ("limit=500&mailbox=X26ABC1&state=cancelled", Some(0)),
        ("limit=500&q=common&mailbox=X26ABC1&state=cancelled", None),
        ("q=common%2099999", Some(1)),
    ] {
        let answer = nobody.get(&format!("/v1/messages?{query}")).await;
        if answer.status == 400 {
            let detail = answer.refused(400, "too-broad");
            assert!(detail.contains("narrow it"), "{query}: {detail}");
            continue;
        }
        let page = answer.good(200);
        let length = page["messages"].as_array().map(Vec::len).expect("messages");
        assert!(length <= 500 && found.is_none_or(|found| found == length), "{query}: {length}");
        assert_eq!(page["next"].is_string(), length == 50 || length == 500, "{query}: {}", page["next"]);
    }
    let deep = nobody.ask("/v1/messages?until=2023-11-15&limit=500").await;
    assert_eq!(deep["messages"].as_array().map(Vec::len), Some(500));
    running.ends_well().await;
}

#[tokio::test]
async fn what_a_sender_wrote_is_data_and_never_a_page() {
    let (scene, running) = Scene::running().await;
    let html = "<script>alert(1)</script>";
    let escaped = html.replace('<', "&lt;").replace('>', "&gt;");
    let mut control = letter(&escaped);
    control.workflow = format!("<b>{html}").replace('<', "&lt;").replace('>', "&gt;");
    scene.site.alice.drop_pair("HTML", &control, html.as_bytes());
    let message = running.message(html, "accepted", |message| message["state"] == "accepted");
    // What a search cannot be given as it is.
    drop(message);
    eventually("it is delivered", || scene.site.bob.controls("IN") == 1).await;
    let operator = running.operator();
    let answer = operator.get("/v1/messages").await;
    let found = answer.good(200);
    let found = found["messages"].as_array().expect("messages");
    assert!(
        found.iter().any(|one| one["local_id"] == html && one["workflow"] == format!("<b>{html}")),
        "{found:?}"
    );
    let mut paths =
        vec!["/v1/messages".to_owned(), "/v1/reports/partners".to_owned(), "/v1/overview".to_owned()];
    paths
        .extend(found.iter().map(|one| format!("/v1/messages/{}", one["relay_id"].as_str().expect("an id"))));
    for path in paths {
        let answer = operator.get(&path).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
    }
    // Nor is it repeated in refusals, or taken as markup by the pages.
    let query = "%3Cscript%3Ealert(1)%3C/script%3E";
    for path in [
        format!("/v1/messages?state={query}"),
        format!("/v1/lookup?ods={query}&workflow=A"),
        format!("/v1/{query}"),
    ] {
        let answer = operator.get(&path).await;
        assert!(answer.status >= 400 && !answer.text().contains("<script"), "{path}: {}", answer.text());
    }
    for path in
        ["/messages".to_owned(), "/partners".to_owned(), format!("/messages?q={query}"), format!("/{query}")]
    {
        let page = operator.get(&path).await.text();
        assert!(!page.contains("<script>alert"), "{path}: {page}");
    }
    running.ends_well().await;
}

/// The head of a request that hands a message in.
fn head(running: &Running, key: &str, length: usize) -> String {
    format!(
        "POST /v1/messages HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\nidempotency-key: {key}\r\n\
         mex-from: {ALICE}\r\nmex-to: {BOB}\r\nmex-workflowid: TEST_WORKFLOW\r\n\
         content-type: application/octet-stream\r\ncontent-length: {length}\r\n\r\n",
        running.address,
        token(SENDER)
    )
}

#[tokio::test]
async fn a_message_whose_body_is_cut_off_reaches_nobody_until_it_is_repeated() {
    let (scene, running) = Scene::running().await;
    let payload: Vec<u8> = (0..300_000_u32).map(|number| (number % 253) as u8).collect();
    let first =
        [("idempotency-key", "first"), ("mex-from", ALICE), ("mex-to", CAROL), ("mex-workflowid", "W")];
    hand_in(&running.as_(SENDER), &first, b"the relay takes messages").await.good(202);
    for (key, sent) in [("short", 10_usize), ("long", 200_000)] {
        // One that fits into one request to MESH, and one that goes there in several.
        let whole = if key == "short" { &payload[..20_000] } else { &payload[..] };
        let before = scene.at_mesh(BOB).iter().filter(|message| message.status != "uploading").count();
        let mut stream = TcpStream::connect(running.address).await.expect("a connection");
        stream.write_all(head(&running, key, whole.len()).as_bytes()).await.expect("sent");
        stream.write_all(&whole[..sent]).await.expect("sent");
        stream.shutdown().await.expect("no more comes");
        let mut answer = String::new();
        // The relay may close without a word, since nobody is there.
        let _ = stream.read_to_string(&mut answer).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
        drop(stream);
        let accepted = scene.at_mesh(BOB).iter().filter(|message| message.status != "uploading").count();
        assert!(accepted <= before, "nothing of it is delivered: {:?}", scene.at_mesh(BOB));

        let headers = [
            ("idempotency-key", key),
            ("mex-from", ALICE),
            ("mex-to", BOB),
            ("mex-workflowid", "TEST_WORKFLOW"),
            ("content-type", "application/octet-stream"),
        ];
        let sender = running.as_(SENDER);
        let mut done = None;
        // The first request may not have noticed yet that its caller has gone.
        crate::scene::until("a repetition is taken", async || {
            let answer = sender.call("POST", "/v1/messages", &headers, whole.to_vec()).await;
            assert!([202, 400, 409, 503].contains(&answer.status), "{}", answer.text());
            done = (answer.status == 202).then(|| answer.json());
            done.is_some()
        })
        .await;
        let again = sender.call("POST", "/v1/messages", &headers, whole.to_vec()).await.good(202);
        assert_eq!(Some(again), done, "the same answer, however often");
        eventually("it arrives whole", || scene.site.bob.received().iter().any(|got| got == whole)).await;
        scene.site.bob.names("IN").iter().for_each(|name| {
            std::fs::remove_file(scene.site.bob.folder("IN").join(name)).expect("taken from IN");
        });
    }
    eventually("MESH is told of both", || {
        scene.at_mesh(BOB).iter().filter(|message| message.status == "acknowledged").count() == 2
    })
    .await;
    let whole = scene.at_mesh(BOB).iter().filter(|message| message.status != "uploading").count();
    assert_eq!(whole, 2, "each once: {:?}", scene.at_mesh(BOB));
    running.ends_well().await;
}

#[tokio::test]
async fn a_message_that_is_not_as_it_must_be_is_not_sent() {
    let (scene, running) = Scene::running().await;
    let good = [("idempotency-key", "k"), ("mex-from", ALICE), ("mex-to", BOB), ("mex-workflowid", "W")];
    let without = |name: &str| good.iter().copied().filter(|(other, _)| *other != name).collect::<Vec<_>>();
    let with = |more: (&'static str, &'static str)| {
        let mut headers = without(more.0);
        headers.push(more);
        headers
    };
    let sender = running.as_(SENDER);
    for (headers, status, kind) in [
        (without("idempotency-key"), 400, "bad-request"),
        (without("mex-to"), 400, "bad-request"),
        (without("mex-workflowid"), 400, "bad-request"),
        (without("mex-from"), 400, "bad-request"),
        (with(("mex-from", "X26ABC9")), 404, "no-such-mailbox"),
        (with(("mex-to", "no mailbox")), 422, "rejected"),
        (with(("mex-shoesize", "44")), 400, "bad-request"),
        (with(("content-encoding", "gzip")), 415, "content-encoding"),
        (with(("content-digest", "sha-256=:AAAA:")), 400, "bad-request"),
    ] {
        hand_in(&sender, &headers, b"payload").await.refused(status, kind);
    }
    hand_in(&sender, &good, b"").await.refused(411, "no-length");
    hand_in(&sender, &with(("content-length", "0")), b"").await.refused(400, "empty");
    let mut wrong = with(("content-digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"));
    wrong[0].1 = "another";
    hand_in(&sender, &wrong, b"payload").await.refused(400, "digest-mismatch");
    let accepted = scene.at_mesh(BOB);
    assert!(accepted.is_empty(), "{accepted:?}");
    let nothing = running.nobody().ask("/v1/messages?state=accepted").await;
    assert_eq!(nothing["messages"], json!([]));
    running.ends_well().await;
}
