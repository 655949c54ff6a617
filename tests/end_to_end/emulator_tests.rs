//! The official emulator as the measure of our sandbox: its own tests, and its answers call by call.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::process::{binary, python};

/// The modules of the emulator's tests that speak HTTP. The others try its Python, or need the Java client or a
/// container.
const MODULES: [&str; 6] = ["handshake", "inbox", "outbox", "admin", "lookup", "mesh_client_tests"];

/// How many tests those modules have in the version of the emulator that `requirements.txt` names.
const TESTS: u32 = 176;

/// Runs Python in the folder of the conformance scripts, against the relay's program.
fn conformance(arguments: &[&str]) -> Output {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    Command::new(python())
        .args(arguments)
        .current_dir(&folder)
        .env("PYTHONPATH", &folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("MESH_RELAY_BINARY", binary())
        .stdin(Stdio::null())
        .output()
        .expect("Python")
}

fn said(output: &Output) -> String {
    let (text, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{text}{error}")
}

#[test]
fn the_official_emulators_own_http_tests_pass_against_our_sandbox() {
    let modules = MODULES.map(|module| format!("mesh_sandbox.tests.{module}"));
    // Without warnings, which are about the tests' own code, the last line is the count alone. Without a cache,
    // nothing is written among the sources.
    let mut arguments = vec!["-m", "pytest", "-p", "against_sandbox", "--noconftest", "--quiet"];
    arguments.extend(["-p", "no:warnings", "-p", "no:cacheprovider", "--rootdir", ".", "--pyargs"]);
    arguments.extend(modules.iter().map(String::as_str));
    let output = conformance(&arguments);
    let text = said(&output);
    assert!(output.status.success(), "{text}");

    let summary = String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned();
    let (counts, _time) = summary.split_once(" in ").expect("a count and a time");
    let passed = counts.strip_suffix(" passed").and_then(|number| number.parse::<u32>().ok());
    assert!(passed.is_some_and(|passed| passed >= TESTS), "skipped or lost tests: {summary}\n{text}");
}

#[test]
fn our_sandbox_answers_every_call_as_the_official_emulator_does() {
    let output = conformance(&["differential.py"]);
    assert!(output.status.success(), "{}", said(&output));
}
