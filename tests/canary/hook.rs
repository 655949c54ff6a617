//! What a panic says: this program breaks as the relay's would, in a process of its own.

use std::process::Command;

use crate::marks::{Kind, Mark};
use crate::outputs::{Output, hold};

/// Names the text at which the process is to break.
const VARIABLE: &str = "MESH_RELAY_TEST_BREAK_AT";

/// Does nothing unless it is told to; then it breaks, with the text in the words of each of its panics.
#[test]
fn breaks_when_told() {
    let Ok(text) = std::env::var(VARIABLE) else { return };
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    mesh_relay::broken::tell_without_words();
    for way in 0..4 {
        let text = text.clone();
        let broken = std::thread::spawn(move || match way {
            // In the midst of a character: the words of such a panic have the whole text.
            0 => text[..1].len(),
            1 => text.parse::<usize>().map_err(|error| format!("{error}: {text}")).expect("a number"),
            2 => panic!("the payload was {text}"),
            _ => panic!("these words are the program's own"),
        });
        assert!(broken.join().is_err());
    }
}

#[test]
fn a_panic_says_where_and_nothing_of_what_was_worked_on() {
    let mark = Mark::new(Kind::Subject, "panic");
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "hook::breaks_when_told", "--nocapture"])
        .env(VARIABLE, mark.odd())
        .env("RUST_BACKTRACE", "1")
        .output()
        .expect("this program");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("the program broke at").count(), 4, "{said}");
    assert!(said.contains("these words are the program's own") && said.contains("hook.rs:"), "{said}");
    hold(vec![mark], &[Output::new("stderr", output.stderr), Output::new("stdout", output.stdout)]);
}
