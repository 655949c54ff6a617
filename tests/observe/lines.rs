//! Lines of the log for programs.

use serde_json::Value;

use crate::process::{ALICE, BOB, Relay};
use crate::scene::Scene;
use relay_testkit::pairs::Control;
use relay_testkit::wait::eventually;

#[tokio::test]
async fn every_line_is_json_and_what_is_about_a_message_says_which() {
    let scene = Scene::with("", "[log]\nformat = \"json\"\nlevel = \"debug\"\n").await;
    let relay: Relay = scene.site.run().await;
    scene.drop_pair("L1", b"payload of one");
    scene.site.alice.drop_pair("bad", &Control::new(ALICE, "X26NONE").local_id("bad"), b"to nobody");
    eventually("both have ended", || {
        scene.site.outbound("rejected") == 1 && scene.site.bob.received() == [b"payload of one".to_vec()]
    })
    .await;
    let (status, log) = relay.stop().await;
    assert!(status.success(), "{log}");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let said = |line: &Value| line["message"].as_str().unwrap_or_default().to_owned();
    for line in &lines {
        for key in ["timestamp", "level", "message"] {
            assert!(line[key].is_string(), "{line}");
        }
    }
    let about: Vec<&Value> = lines
        .iter()
        .filter(|line| {
            let said = said(line);
            ["pair accepted", "pair refused", "message delivered", "outbound message"]
                .iter()
                .any(|start| said.starts_with(start))
        })
        .collect();
    for what in ["pair accepted", "pair refused", "message delivered", "outbound message"] {
        assert!(about.iter().any(|line| said(line).starts_with(what)), "{what} in {log}");
    }
    for line in about {
        assert!(line["relay_id"].as_str().is_some_and(|id| id.len() == 36), "{line}");
    }
    // One message is followed by its id.
    let accepted = lines.iter().find(|line| said(line).starts_with("pair accepted")).expect("accepted");
    let states: Vec<&str> = lines
        .iter()
        .filter(|line| line["relay_id"] == accepted["relay_id"] && said(line) == "outbound message")
        .filter_map(|line| line["state"].as_str())
        .collect();
    assert_eq!(&states[..3], ["received", "sending", "accepted"], "{states:?}");
    for private in ["payload of one", "X26NONE", "L1.dat", "bad.ctl"] {
        assert!(!log.contains(private), "{private} in {log}");
    }
    assert!(log.contains(BOB), "mailboxes of ours are no secret");
}
