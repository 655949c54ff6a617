//! The API under schemathesis, which makes calls up from the API's own document: the right ones, those at the edges, and
//! wrong ones of every kind. Whatever they are, no answer is a 500, each is as the document says, and the relay goes on.

use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::json;

use crate::process::{ALICE, BOB, python};
use crate::scene::{CAROL, OPERATOR, Running, SENDER, Scene, VIEWER, letter, relay_id, token};

/// With the same seed the same calls are made.
const SEED: &str = "20260329";
/// Calls made up for each operation beside those at the edges: a run takes some twenty seconds.
const EXAMPLES: &str = "15";
/// Not looked at in answers: whether whatever fits the document is taken. A mailbox, a date or a place in a list is just a
/// text there.
const NOT_LOOKED_AT: &str = "positive_data_acceptance";
/// It never ends, so that nobody could wait for its body; `events.rs` has it.
const ENDLESS: &str = "/v1/events";
/// Operations that the document has at least, so that none is left out unseen.
const OPERATIONS_MIN: u32 = 18;
/// Longest wait for one answer, in seconds.
const ANSWER_WITHIN: &str = "20";
/// Names the interpreter's environment to programs beside it.
const PROGRAM: &str = "schemathesis";

/// Lets it loose. `parameters`: parts of paths that it does not make up.
async fn exercised(
    running: &Running,
    folder: &Path,
    who: Option<&str>,
    parameters: &[(&str, &str)],
) -> Output {
    let program = python().with_file_name(PROGRAM);
    let url = format!("http://{}/openapi.json", running.address);
    let config = folder.join("schemathesis.toml");
    let mut text = String::new();
    if !parameters.is_empty() {
        text += "[parameters]\n";
        for (name, value) in parameters {
            text += &format!("\"path.{name}\" = \"{value}\"\n");
        }
    }
    write(&config, &text);
    let mut command = tokio::process::Command::new(&program);
    command
        .arg("--config-file")
        .arg(&config)
        .args(["run", &url, "--phases", "examples,coverage,fuzzing"])
        .args(["--checks", "all", "--exclude-checks", NOT_LOOKED_AT])
        .args(["--seed", SEED, "--max-examples", EXAMPLES, "--exclude-path", ENDLESS])
        .args(["--request-timeout", ANSWER_WITHIN, "--continue-on-failure", "--warnings", "off"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(name) = who {
        command.arg("--header").arg(format!("Authorization: Bearer {}", token(name)));
    }
    command.output().await.unwrap_or_else(|error| panic!("{}: {error}; run `make test`", program.display()))
}

#[expect(clippy::disallowed_methods, reason = "a test's own file")]
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file written");
}

async fn is_true_to_its_document(running: &Running, who: Option<&str>, parameters: &[(&str, &str)]) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = exercised(running, folder.path(), who, parameters).await;
    let told = String::from_utf8_lossy(&output.stdout);
    println!("schemathesis with seed {SEED} as {}:\n{told}", who.unwrap_or("nobody"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "as {who:?}, with seed {SEED}:\n{told}\n{error}");
    let tested = told.lines().find_map(|line| line.trim().strip_prefix("Tested: ")?.parse::<u32>().ok());
    assert!(tested.is_some_and(|tested| tested >= OPERATIONS_MIN), "{told}");
}

/// The relay goes on, and nothing failed in it.
async fn is_well(scene: &Scene, running: Running) {
    let operator = running.operator();
    for path in [ALICE, BOB, CAROL].map(|mailbox| format!("/v1/mailboxes/{mailbox}/resume")) {
        operator.post(&path, &json!({})).await.good(200);
    }
    for path in ["alice", "bob"].map(|adapter| format!("/v1/adapters/{adapter}/resume")) {
        operator.post(&path, &json!({})).await.good(200);
    }
    scene.carries("afterwards").await;
    running.ends_well().await;
}

#[tokio::test]
async fn no_call_of_an_operator_makes_it_fail() {
    let (scene, running) = Scene::running().await;
    is_true_to_its_document(&running, Some(OPERATOR), &[]).await;
    is_well(&scene, running).await;
}

/// With mailboxes and messages that there are, so that calls get through to what they are for.
#[tokio::test]
async fn no_call_of_an_operator_about_what_there_is_makes_it_fail() {
    let (scene, running) = Scene::running().await;
    let mut control = letter("known");
    CAROL.clone_into(&mut control.to);
    scene.site.alice.drop_pair("known", &control, b"payload");
    let known = running.in_state("known", "accepted").await;
    let given = json!({"mailbox": CAROL, "adapter": "alice", "relay_id": relay_id(&known),
        "message_id": known["message_id"]});
    let given = given.as_object().expect("an object").iter();
    let given: Vec<_> = given.map(|(name, value)| (name.as_str(), value.as_str().expect("a text"))).collect();
    is_true_to_its_document(&running, Some(OPERATOR), &given).await;
    is_well(&scene, running).await;
}

#[tokio::test]
async fn no_call_of_others_makes_it_fail_or_changes_anything() {
    let (scene, running) = Scene::running().await;
    for who in [Some(VIEWER), None] {
        is_true_to_its_document(&running, who, &[("mailbox", ALICE), ("adapter", "alice")]).await;
    }
    is_true_to_its_document(&running, Some(SENDER), &[]).await;
    let deeds = running.operator().ask("/v1/deeds").await;
    let done = deeds["deeds"].as_array().expect("deeds").iter();
    let done: Vec<_> = done.filter(|deed| deed["kind"] != "sign-in-refused").collect();
    assert!(done.is_empty(), "{done:?}");
    is_well(&scene, running).await;
}
