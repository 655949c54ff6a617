//! The page for a developer's browser, and who may use the controls beside it.

use mesh_api::MailboxId;
use mesh_sandbox::{Effect, Fault, Rule};
use serde_json::json;

use crate::{ONE, Server, TWO};

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// What a page says, without the marks of HTML between the words.
fn words(html: &str) -> String {
    let parts = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    let text = parts.collect::<Vec<_>>().join(" ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The row of a table that begins with this, in words.
fn row<'a>(words_of_rows: &'a [String], begin: &str) -> &'a str {
    words_of_rows.iter().find(|row| row.starts_with(begin)).map_or("", String::as_str)
}

impl Server {
    async fn page(&self, path: &str) -> String {
        let got = self.open("GET", path, &[], b"").await;
        assert_eq!((got.status, got.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
        String::from_utf8(got.body.to_vec()).expect("UTF-8")
    }

    /// The rows of all tables of a page, in words.
    async fn rows(&self, path: &str) -> Vec<String> {
        let page = self.page(path).await;
        let rows = page.split("<tr").skip(1).filter_map(|row| row.split("</tr>").next());
        rows.map(|row| words(&format!("<tr{row}"))).collect()
    }
}

#[tokio::test]
async fn a_message_is_shown_with_all_that_happened_to_it() {
    let server = Server::start().await;
    let id = server.send(&[], b"a,b\n").await;
    let message = format!("{TWO}/inbox/{id}");
    assert_eq!(server.get(&message, &[]).await.status, 200);
    let acknowledged = server.call("PUT", &format!("{message}/status/acknowledged"), &[], b"").await;
    assert_eq!(acknowledged.status, 200);

    let page = server.page("/").await;
    assert!(words(&page).contains("Base address http://localhost Clock (UTC)"), "{page}");
    let rows = server.rows("/").await;
    let shown = row(&rows, &id);
    assert!(shown.ends_with("X26ABC1 X26ABC2 TEST_WORKFLOW DATA acknowledged 1 of 1 4"), "{shown}");
    assert!(row(&rows, "3 ").contains(&format!("acknowledge PUT X26ABC2 {id} 200")), "{rows:?}");

    let detail = server.page(&format!("/?message={}", id.to_lowercase())).await;
    let said = words(&detail);
    let events: Vec<_> = said.split(" Events ").nth(1).into_iter().flat_map(|rest| rest.split(' ')).collect();
    let place = |state: &str| events.iter().position(|word| *word == state).expect("a state");
    assert!(place("accepted") < place("acknowledged"), "{said}");
    for call in ["send POST", "download GET", "acknowledge PUT"] {
        assert!(said.contains(call), "{call} is not in: {said}");
    }
    assert!(said.contains("Inbox expiry"), "{said}");

    let gone = server.open("GET", "/?message=20260101000000000000_ABCDEF", &[], b"").await;
    assert_eq!(gone.status, 404);
    server.sandbox.shutdown().await;
}

#[tokio::test]
async fn a_mailbox_narrows_messages_and_requests() {
    let server = Server::start().await;
    let id = server.send(&[], b"x").await;
    server.get(&format!("{TWO}/count"), &[]).await;
    let two = server.rows("/?mailbox=x26abc2").await;
    assert!(!row(&two, &id).is_empty() && row(&two, "1 ").is_empty(), "{two:?}");
    assert!(row(&two, "2 ").contains("count GET X26ABC2"), "{two:?}");
    let three = server.rows("/?mailbox=X26ABC3").await;
    assert!(row(&three, &id).is_empty() && row(&three, "2 ").is_empty(), "{three:?}");
    assert_eq!(server.open("GET", "/?mailbox=NOBODY", &[], b"").await.status, 404);
}

#[tokio::test]
async fn faults_and_rules_that_spoke_up_are_marked() {
    let server = Server::start().await;
    server.sandbox.rules().switch(Rule::PollRate, true);
    let busy: MailboxId = "X26ABC1".parse().expect("a mailbox");
    let status = Effect::Status { status: 503, retry_after_seconds: None, body: mesh_sandbox::Page::Empty };
    let fault = Fault { mailbox: Some(busy), times: Some(1), ..Fault::new("busy gateway", status) };
    server.sandbox.faults().add(fault).expect("a fault");
    assert_eq!(server.get(&format!("{ONE}/count"), &[]).await.status, 503);
    for _ in 0..2 {
        assert_eq!(server.get(&format!("{TWO}/inbox"), &[]).await.status, 200);
    }

    let rows = server.rows("/").await;
    let said = rows.join("\n");
    assert!(
        said.contains("busy gateway X26ABC1 any status (body empty, status 503) 1 1 of 1 (used up)"),
        "{said}"
    );
    assert!(said.contains("busy gateway X26ABC1 count status"), "the last strikes: {said}");
    for (begin, asked, note) in [
        ("1 ", " count GET X26ABC1 – 503 ", " fault busy gateway"),
        ("3 ", " list GET X26ABC2 – 200 ", " rule poll-rate"),
    ] {
        let shown = row(&rows, begin);
        assert!(shown.contains(asked) && shown.ends_with(note), "{shown}");
    }
    assert!(row(&rows, "X26ABC2").ends_with("1 too soon"), "{said}");
    assert!(row(&rows, "X26ABC1").ends_with(" 0"), "{said}");
}

#[tokio::test]
async fn what_may_be_private_or_harmful_is_not_on_the_page() {
    let server = Server::start().await;
    let canaries = [
        ("mex-workflowid", "<b>x</b>\"'"),
        ("mex-localid", "canary-local"),
        ("mex-subject", "canary-subject"),
        ("mex-filename", "canary-file"),
    ];
    let headers = [&[("mex-to", "X26ABC2")], &canaries[..]].concat();
    let sent = server.call("POST", &format!("{ONE}/outbox"), &headers, b"canary-payload").await;
    let id = sent.json()["messageID"].as_str().expect("an id").to_owned();
    server.get(&format!("{ONE}/outbox/tracking/canary-local"), &[]).await;
    server.get(&format!("{TWO}/inbox/canary-local"), &[]).await;
    let pages = ["/", "/?mailbox=X26ABC1", &format!("/?message={id}"), "/?mailbox=X26ABC2"];
    for path in pages {
        let page = server.page(path).await;
        assert!(page.contains(&id), "{path}");
        assert!(!page.to_lowercase().contains("canary"), "{path}");
        assert!(!page.contains("<b>x") && page.contains("&#60;b&#62;x"), "{path}");
    }
    let page = server.page("/").await;
    assert!(page.contains("not an id of this server"), "{page}");
    for query in ["/?mailbox=%3Cscript%3Ealert", "/?message=%22%3E%3Cscript%3Ealert"] {
        let got = server.open("GET", query, &[], b"").await;
        assert!(got.status == 404 && !String::from_utf8_lossy(&got.body).to_lowercase().contains("alert"));
    }
}

#[tokio::test]
async fn the_page_is_closed_to_all_but_its_own_parts() {
    let server = Server::start().await;
    for (path, media_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/sandbox/page/page.css", "text/css; charset=utf-8"),
        ("/sandbox/page/page.js", "text/javascript; charset=utf-8"),
    ] {
        let got = server.open("GET", path, &[], b"").await;
        assert_eq!((got.status, got.header("content-type")), (200, media_type));
        assert_eq!(got.header("content-security-policy"), POLICY);
        assert_eq!(
            (got.header("x-content-type-options"), got.header("cache-control")),
            ("nosniff", "no-store")
        );
        let text = String::from_utf8(got.body.to_vec()).expect("UTF-8");
        for inside in ["=\"http", "=\"//", "style=", "onclick", "url(", "@import", "import("] {
            assert!(!text.contains(inside), "{path} has {inside}");
        }
        for method in ["HEAD", "POST", "PUT", "DELETE"] {
            let got = server.open(method, path, &[], b"").await;
            assert_eq!((got.status, got.header("allow")), (405, "GET"), "{method} {path}");
        }
    }
    assert_eq!(server.open("GET", "/sandbox/page/page.rs", &[], b"").await.status, 404);
    let seen = server.sandbox.requests();
    assert!(seen.iter().all(|request| request.call == "none"), "looking is not among what is looked at");
}

#[tokio::test]
async fn pages_of_other_origins_change_nothing() {
    let server = Server::start().await;
    let report = json!({"mailbox_id": "X26ABC1", "code": "21", "description": "d", "workflow_id": "W"});
    let report = report.to_string();
    let id = server.send(&[], b"x").await;
    let event = format!("/admin/message/{id}/event");
    let calls: [(&str, &str, &[u8]); 10] = [
        ("POST", "/sandbox/clock", br#"{"advance": "1 day"}"#),
        ("PUT", "/sandbox/rules", br#"{"read-once": true}"#),
        ("POST", "/sandbox/faults", br#"{"name": "n", "effect": "lose-answer"}"#),
        ("DELETE", "/sandbox/faults/n", b""),
        ("PUT", "/sandbox/faults", br#"{"seed": 1}"#),
        ("DELETE", "/sandbox/faults", b""),
        ("PUT", "/sandbox/mailboxes/X26ABC1", br#"{"active": true}"#),
        ("POST", "/messageexchange/admin/report", report.as_bytes()),
        ("POST", &event, br#"{"status": "error"}"#),
        ("DELETE", "/admin/reset", b""),
    ];
    let foreign =
        ["http://evil.example", "null", "https://localhost", "http://localhost:81", "http://localhost.x", ""];
    for (method, path, body) in calls {
        let typed = ("content-type", "application/json");
        for origin in foreign {
            let got = server.open(method, path, &[typed, ("origin", origin)], body).await;
            assert_eq!(got.status, 403, "{method} {path} from {origin}");
            assert!(
                got.json()["error"].as_str().is_some_and(|text| text.contains("another origin")),
                "{path}"
            );
        }
        let both = [typed, ("origin", "http://localhost"), ("origin", "http://evil.example")];
        assert_eq!(server.open(method, path, &both, body).await.status, 403, "{method} {path}");
    }
    let before = server.sandbox.requests().len();
    assert!(server.sandbox.faults().standing().is_empty() && !server.sandbox.rules().hold(Rule::ReadOnce));
    for (method, path, body) in calls {
        let own = [("content-type", "application/json"), ("origin", "http://LOCALHOST")];
        let got = server.open(method, path, &own, body).await;
        assert_eq!(got.status, 200, "{method} {path}");
    }
    assert!(server.sandbox.rules().hold(Rule::ReadOnce) && server.sandbox.requests().len() > before);
    let reading = server.open("GET", "/sandbox/clock", &[("origin", "http://evil.example")], b"").await;
    assert_eq!(reading.status, 200);
    assert_eq!(reading.header("access-control-allow-origin"), "", "no other page may read it");
}
