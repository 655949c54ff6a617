//! `mesh-relay lint`: the findings, the exit code, and that nothing private is printed.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::process::{ALICE, binary};

const GOOD: &str = "<DTSControl>\n<Version>1.0</Version><AddressType>DTS</AddressType><MessageType>Data</MessageType>\n\
                    <From_DTS>X26ABC1</From_DTS><To_DTS>X26ABC2</To_DTS>\n<Subject>Batch</Subject><LocalId>1</LocalId>\n\
                    <WorkflowId>TEST_WORKFLOW</WorkflowId>\n</DTSControl>\n";

/// Runs it in a folder; its exit code, its output and its errors.
fn lint(folder: &Path, arguments: &[&str], stdin: &str) -> (i32, String, String) {
    let mut child = Command::new(binary())
        .arg("lint")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the relay's program");
    child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("an end");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("an exit"), text(&output.stdout), text(&output.stderr))
}

#[expect(clippy::disallowed_methods, reason = "a test sets its place up without ceremony")]
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("a file written");
    }
    folder
}

#[test]
fn a_good_pair_has_no_findings() {
    let folder = folder(&[("x.ctl", GOOD), ("x.dat", "data")]);
    assert_eq!(lint(folder.path(), &["x.ctl", "--mailbox", ALICE], ""), (0, String::new(), String::new()));
    assert_eq!(lint(folder.path(), &["--json", "x.ctl"], ""), (0, "[]\n".to_owned(), String::new()));
    assert_eq!(lint(folder.path(), &["-"], GOOD), (0, String::new(), String::new()));
}

#[test]
fn warnings_do_not_fail_and_errors_do() {
    let folder = folder(&[("x.ctl", &GOOD.replace("Batch", "it's")), ("x.DAT", "data")]);
    let (code, out, error) = lint(folder.path(), &["x.ctl"], "");
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(out.contains("x.ctl:4:1: warning: Subject has an apostrophe"), "{out}");
    assert!(out.contains("x.ctl: warning: the extension is not in lower case"), "{out}");

    let (code, out, _) = lint(folder.path(), &["x.ctl", "--mailbox", "X26ABC3"], "");
    let says = "x.ctl:3:1: error: the sender is not the mailbox whose folder this is \
                (SEND 07, Invalid From Address in the control file); write that mailbox there";
    assert!(code == 1 && out.starts_with(says), "{out}");

    let (code, out, error) = lint(folder.path(), &["nothing.ctl", "x.ctl", "--mailbox", "X26ABC3"], "");
    assert!(code == 2 && error.contains("nothing.ctl cannot be read"), "{error}");
    assert!(out.contains("SEND 07"), "the others are looked at all the same: {out}");
    assert_eq!(lint(folder.path(), &[], "").0, 2, "no file is a wrong command line");
}

#[test]
fn every_fault_is_told_at_once_without_any_value() {
    let text = "<DTSControl>\n<MessageType>SECRET</MessageType><To_DTS>GPPROVIDER_SECRET\nx</To_DTS>\n\
                <Subject>SECRET:'é</Subject><WorkflowID>SECRET</WorkflowID><SECRET>SECRET</SECRET></DTSControl>";
    let folder =
        folder(&[("x.ctl", text), ("X.dat", "data"), ("y.ctl", "<DTSControl>\n<SECRET"), ("y.dat", "")]);
    let (code, out, error) = lint(folder.path(), &["--json", "x.ctl", "y.ctl"], "");
    assert_eq!((code, error.as_str()), (1, ""));
    assert!(!out.contains("SECRET"), "{out}");
    let findings: Value = serde_json::from_str(&out).expect("JSON");
    let found: Vec<_> = findings
        .as_array()
        .expect("a list")
        .iter()
        .filter(|finding| finding["severity"] == "error")
        .map(|finding| {
            let place = |name: &str| finding[name].as_u64();
            (finding["file"].as_str(), place("line"), place("column"), finding["code"].as_str())
        })
        .collect();
    let (x, y) = (Some("x.ctl"), Some("y.ctl"));
    assert_eq!(
        found,
        [
            (x, Some(2), Some(1), Some("11")),
            // Where the misspelt one stands.
            (x, Some(4), Some(29), Some("06")),
            (x, Some(2), Some(34), Some("06")),
            (x, None, None, Some("02")),
            (y, Some(2), Some(1), Some("01")),
            (y, None, None, Some("02")),
        ]
    );
    assert!(out.contains("differs in upper and lower case alone"), "{out}");
}
