//! What a person decides on the command line: on a running relay, or on the journal of one that does not run.

use std::net::TcpListener;

use mesh_sandbox::Sandbox;
use relay_testkit::pairs::Control;
use relay_testkit::wait::eventually;
use serde_json::Value;

use crate::process::{ALICE, BOB, Site, command};

/// Runs a command on the site's configuration; its exit code, its output and its errors.
fn ask(site: &Site, arguments: &[&str]) -> (i32, String, String) {
    let config = site.path("relay.toml");
    let mut all = arguments.to_vec();
    if !arguments.contains(&"--relay") {
        all.extend(["--config", config.to_str().expect("a path")]);
    }
    let output = command(&all);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("an exit"), text(&output.stdout), text(&output.stderr))
}

fn json(site: &Site, arguments: &[&str]) -> Value {
    let (code, out, error) = ask(site, &[arguments, &["--json"]].concat());
    assert_eq!((code, error.as_str()), (0, ""), "{arguments:?}");
    serde_json::from_str(&out).expect("JSON")
}

/// The relay's id of the one outbound message with this local id.
fn outbound(site: &Site, local_id: &str) -> String {
    let found = json(site, &["messages", local_id, "--direction", "outbound"]);
    let found = found["messages"].as_array().expect("a list").clone();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0]["relay_id"].as_str().expect("an id").to_owned()
}

/// A site with a console. Says where it will answer.
fn site(mesh_url: &str) -> (Site, String) {
    let site = Site::new(mesh_url, "");
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let console = format!(
        "[console]\nlisten = \"127.0.0.1:{port}\"\n[[console.caller]]\nname = \"jane\"\nrole = \"operator\"\n\
         token = {{ file = \"jane.token\" }}\n"
    );
    site.write("jane.token", "t".repeat(40));
    let whole = site.configuration(mesh_url, "") + &console;
    site.write("relay.toml", whole);
    (site, format!("http://127.0.0.1:{port}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_sent_again_once_and_only_when_that_is_meant() {
    let sandbox = Sandbox::loopback().await.expect("a sandbox");
    let (site, url) = site(&sandbox.base_url());
    let relay = site.run().await;
    site.alice.drop_pair("letter", &Control::new(ALICE, BOB).local_id("LAB-1"), b"a letter");
    eventually("it arrives", || site.bob.controls("IN") == 1 && site.alice.controls("SENT") == 1).await;
    let id = outbound(&site, "LAB-1");

    let (code, _, error) = ask(&site, &["resend", &id]);
    assert!(code == 2 && error.contains("1 message, partner: X26ABC2 (1)"), "{error}");
    let (code, out, error) = ask(&site, &["resend", &id, "--yes"]);
    assert!(code == 0 && out.contains("put into OUT once more"), "{out}{error}");
    eventually("it arrives again", || site.bob.controls("IN") == 2).await;
    assert_eq!(site.bob.received(), [b"a letter", b"a letter"]);
    let (code, _, error) = ask(&site, &["resend", &id, "--yes"]);
    assert!(code == 1 && error.contains("it was sent again 0 minutes ago by jane"), "{error}");

    let shown = json(&site, &["show", &id]);
    let deed = &shown["deeds"][0];
    assert_eq!((&deed["kind"], &deed["who"]), (&"resend".into(), &"jane".into()), "{shown}");
    assert!(deed["note"].as_str().is_some_and(|note| note.contains("command line")), "{shown}");

    // From elsewhere, as anybody who has a token.
    let token = site.path("jane.token");
    let there = ["--relay", &url, "--token", token.to_str().expect("a path")];
    let all = json(&site, &[&["messages", "LAB-1"], &there[..]].concat());
    assert_eq!(all["messages"].as_array().expect("a list").len(), 4);
    let partners = json(&site, &[&["report", "partners"], &there[..]].concat());
    assert_eq!(partners["partners"].as_array().expect("a list").len(), 2);
    let (code, _, error) = ask(&site, &["messages", "--relay", "http://relay.example:8710"]);
    assert!(code == 1 && error.contains("only https"), "{error}");
    assert!(relay.stop().await.0.success());
    let (code, _, error) = ask(&site, &[&["messages"], &there[..]].concat());
    assert!(code == 1 && error.contains("no relay answers"), "{error}");
    assert_eq!(json(&site, &["audit", "verify"])["sound"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_was_cancelled_is_put_aside_and_never_sent() {
    let sandbox = Sandbox::loopback().await.expect("a sandbox");
    // Nobody answers there yet.
    let (site, _) = site("http://127.0.0.1:9");
    let relay = site.run().await;
    site.alice.drop_pair("wrong", &Control::new(ALICE, BOB).local_id("LAB-1"), b"the wrong letter");
    site.alice.drop_pair("right", &Control::new(ALICE, BOB).local_id("LAB-2"), b"the right letter");
    eventually("both wait", || site.outbound("received") == 2).await;
    let id = outbound(&site, "LAB-1");
    let (code, out, error) = ask(&site, &["cancel", &id, "--yes"]);
    assert!(code == 0 && out.contains("nothing of it is sent"), "{out}{error}");
    eventually("it is put aside", || site.alice.controls("FAILED") == 1 && site.alice.controls("OUT") == 1)
        .await;
    let reports = site.alice.reports();
    let told = |report: &&String| report.contains("an operator cancelled the sending");
    assert_eq!(reports.iter().filter(told).count(), 1, "{reports:?}");
    let (code, _, error) = ask(&site, &["cancel", &id, "--yes"]);
    assert!(code == 1 && error.contains("it has ended: it is cancelled"), "{error}");
    assert!(relay.stop().await.0.success());

    site.write("relay.toml", site.configuration(&sandbox.base_url(), ""));
    let relay = site.run().await;
    eventually("the other one arrives", || !site.bob.received().is_empty()).await;
    assert_eq!(site.bob.received(), [b"the right letter"]);
    assert!(relay.stop().await.0.success());
    assert_eq!(site.outbound("cancelled"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_running_relay_the_journal_itself_takes_what_is_decided() {
    let sandbox = Sandbox::loopback().await.expect("a sandbox");
    let (site, _) = site(&sandbox.base_url());
    let relay = site.run().await;
    site.alice.drop_pair("letter", &Control::new(ALICE, BOB).local_id("LAB-1"), b"a letter");
    eventually("it arrives", || site.bob.controls("IN") == 1 && site.alice.controls("SENT") == 1).await;
    assert!(relay.stop().await.0.success());
    let sent = outbound(&site, "LAB-1");

    site.write("relay.toml", site.configuration("http://127.0.0.1:9", ""));
    let relay = site.run().await;
    site.alice.drop_pair("doubt", &Control::new(ALICE, BOB).local_id("LAB-2"), b"another letter");
    eventually("it waits", || site.outbound("received") == 1).await;
    // It has no console, and the journal is its own.
    let waits = outbound(&site, "LAB-2");
    let (code, _, error) = ask(&site, &["park", &waits, "--yes"]);
    assert!(code == 1 && error.contains("journal.db"), "{error}");
    assert!(relay.stop().await.0.success());

    let (code, out, error) = ask(&site, &["park", &waits, "--reason", "not ready", "--yes"]);
    assert!(code == 0 && out.contains("your system is told when the relay runs"), "{out}{error}");
    let (code, out, error) = ask(&site, &["resend", &sent, "--yes"]);
    assert!(code == 0 && out.contains("put into OUT once more"), "{out}{error}");
    site.write("relay.toml", site.configuration(&sandbox.base_url(), ""));
    let relay = site.run().await;
    eventually("both are dealt with", || site.bob.controls("IN") == 2 && site.alice.controls("FAILED") == 1)
        .await;
    let shown = json(&site, &["show", &waits]);
    assert_eq!(shown["deeds"][0]["note"], "not ready");
    assert!(shown["deeds"][0]["who"].as_str().is_some_and(|who| who.starts_with("(command line")), "{shown}");
    let reports = site.alice.reports();
    assert!(
        reports.iter().all(|report| !report.contains("not ready")),
        "what was typed stays here: {reports:?}"
    );
    assert!(relay.stop().await.0.success());
}
