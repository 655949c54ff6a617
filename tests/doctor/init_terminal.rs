//! `init` as a person meets it: on a terminal, question by question.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::process::{binary, command, python};

/// Types answers into a program on a pseudo-terminal, each once its question is shown, and prints what was shown.
const TYPIST: &str = r#"
import os, pty, select, sys, time
program, answers = sys.argv[1:sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1:]
child, terminal = pty.fork()
if child == 0:
    os.execv(program[0], program)
seen = b""
def read():
    global seen
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        return False
    # A program asks a terminal where its cursor is, and waits for the answer.
    for _ in range(piece.count(b"\x1b[6n")):
        os.write(terminal, b"\x1b[1;1R")
    seen += piece
    return bool(piece)
end = time.monotonic() + 60
for pair in answers:
    question, _, answer = pair.partition("=")
    start = len(seen)
    while question.encode() not in seen[start:]:
        left = end - time.monotonic()
        if left < 0 or not select.select([terminal], [], [], left)[0] or not read():
            sys.stderr.write("never asked: %s\n%s" % (question, seen.decode(errors="replace")))
            sys.exit(1)
    os.write(terminal, answer.encode() + b"\r")
while True:
    left = end - time.monotonic()
    if left < 0 or not select.select([terminal], [], [], left)[0]:
        sys.stderr.write("did not end\n%s" % seen.decode(errors="replace"))
        sys.exit(1)
    if not read():
        break
sys.stdout.write(seen.decode(errors="replace"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

#[test]
fn a_person_is_asked_and_the_secrets_are_not_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(python())
        .args(["-c", TYPIST])
        .arg(binary())
        .args(["init", "--config", "relay.toml", "--"])
        .args([
            "What is the relay for=",
            "Which MESH=http://127.0.0.1:8700",
            "mailbox's id=a b",
            "not allowed there=\u{7f}\u{7f}\u{7f}X26ABC1",
        ])
        .args([
            "mailbox's password=pass-canary",
            "shared key=key-canary",
            "holds IN=folders",
            "Make the folders now=y",
        ])
        .current_dir(folder.path())
        .env("TERM", "xterm")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .expect("Python");
    let (shown, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}{shown}");
    assert!(!shown.contains("canary"), "{shown}");
    for (name, secret) in [("x26abc1.pass", "pass-canary\n"), ("shared.key", "key-canary\n")] {
        let path = folder.path().join(name);
        assert_eq!(fs::read_to_string(&path).expect("a secret"), secret);
        assert_eq!(fs::metadata(&path).expect("a secret").permissions().mode() & 0o777, 0o600);
    }
    for name in ["IN", "OUT", "SENT", "FAILED", "TEMP"] {
        assert!(folder.path().join("folders").join(name).is_dir(), "{name}");
    }
    let config = folder.path().join("relay.toml");
    let checked = command(&["check", "--config", config.to_str().expect("a path")]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
