//! The journal from the command line.

use mesh_sandbox::Sandbox;
use relay_testkit::pairs::Control;
use relay_testkit::wait::eventually;
use serde_json::Value;

use crate::process::{ALICE, BOB, Site, command};

/// Runs a command on the site's journal; its exit code, its output and its errors.
fn ask(site: &Site, arguments: &[&str]) -> (i32, String, String) {
    let config = site.path("relay.toml");
    let mut all = arguments.to_vec();
    all.extend(["--config", config.to_str().expect("a path")]);
    let output = command(&all);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("an exit"), text(&output.stdout), text(&output.stderr))
}

fn json(site: &Site, arguments: &[&str]) -> Value {
    let (code, out, error) = ask(site, &[arguments, &["--json"]].concat());
    assert_eq!((code, error.as_str()), (0, ""), "{arguments:?}");
    serde_json::from_str(&out).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_found_shown_and_vouched_for() {
    let sandbox = Sandbox::loopback().await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    let relay = site.run().await;
    for number in 0..3 {
        let control = Control::new(ALICE, BOB).local_id(&format!("LAB-{number}"));
        site.alice.drop_pair(&format!("letter{number}"), &control, b"a letter");
    }
    site.alice.drop_pair("bad", &Control::new(ALICE, "NOSUCHBOX").local_id("LAB-9"), b"a letter");
    eventually("all is carried", || {
        site.bob.controls("IN") == 3 && site.alice.controls("SENT") == 3 && site.alice.controls("FAILED") == 1
    })
    .await;

    // Beside the running relay.
    let all = json(&site, &["messages"]);
    assert_eq!(all["messages"].as_array().expect("a list").len(), 7);
    let sent = json(&site, &["messages", "--direction", "outbound", "--state", "accepted", "lab"]);
    assert_eq!(sent["messages"].as_array().expect("a list").len(), 3);
    let one = json(&site, &["messages", "LAB-1", "--direction", "outbound"]);
    let relay_id = one["messages"][0]["relay_id"].as_str().expect("an id").to_owned();
    let shown = json(&site, &["show", &relay_id]);
    let states: Vec<&str> = shown["history"]
        .as_array()
        .expect("a history")
        .iter()
        .filter_map(|entry| entry["state"].as_str())
        .collect();
    assert_eq!(states, ["received", "sending", "accepted"]);
    assert_eq!(shown["message"]["local_id"], "LAB-1");
    let (code, out, _) = ask(&site, &["show", &relay_id]);
    assert!(code == 0 && out.contains("letter1.dat") && out.contains("sending"), "{out}");
    let partners = json(&site, &["report", "partners"]);
    let row = &partners["partners"]
        .as_array()
        .expect("rows")
        .iter()
        .find(|row| row["partner"] == BOB)
        .expect("Bob")["uncollected"];
    assert_eq!(row, 3);
    assert!(relay.stop().await.0.success());

    // And without one.
    let (code, _, error) = ask(&site, &["show", "NOTHING"]);
    assert!(code == 6 && error.contains("older than the journal keeps"), "{error}");
    let (code, _, error) = ask(&site, &["show", "letter"]);
    assert!(code == 1 && error.contains("several messages"), "{error}");
    assert_eq!(json(&site, &["audit", "verify"])["sound"], true);

    let file = rusqlite::Connection::open(site.path("journal.db")).expect("the journal");
    file.execute("UPDATE event SET note = 'all was well' WHERE number = 2", []).expect("changed");
    drop(file);
    let (code, out, error) = ask(&site, &["audit", "verify"]);
    assert!(code == 1 && error.contains("not sound") && out.contains("link 2 was changed"), "{out}{error}");
}

#[test]
fn a_journal_that_is_not_there_is_not_made() {
    let site = Site::new("http://127.0.0.1:9", "");
    let (code, _, error) = ask(&site, &["messages"]);
    assert!(code == 1 && error.contains("journal.db"), "{error}");
    assert!(!site.path("journal.db").exists());
}
