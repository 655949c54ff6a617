//! What `mesh-relay check` says of mistakes: each has its file, its line and a hint, and shows no secret.

use serde_json::Value;

use crate::cases::{Case, Subject};
use crate::place::Place;
use crate::place::{CONFIG, SECRET, base};

/// Asks for what is said to be written anew: `write`.
const SNAPSHOT: &str = "MESH_RELAY_SNAPSHOT";
/// Fewer mistakes than this would not be a fair sample.
const CASES_MIN: usize = 150;
/// What is written in the place of a secret in the mistakes themselves.
const WRITTEN: &str = "hunter2";

/// What is printed of a case, once it was seen to be right.
fn said(case: &Case) -> String {
    let place = case.place();
    let plain = place.run(&["check", "--config", CONFIG]);
    let name = &case.name;
    let told = place.told(&plain.stderr);
    assert_eq!(plain.status.code(), Some(2), "{name}: {told}{}", place.told(&plain.stdout));
    assert!(plain.stdout.is_empty(), "{name}: faults are errors");

    let json = place.run(&["check", "--config", CONFIG, "--json"]);
    assert_eq!(json.status.code(), Some(2), "{name}");
    for output in [&plain.stdout, &plain.stderr, &json.stdout, &json.stderr] {
        let text = place.told(output);
        assert!(!text.contains(SECRET) && !text.contains(WRITTEN), "{name} shows a secret: {text}");
    }
    let faults: Vec<Value> = serde_json::from_slice(&json.stdout).expect("a list");
    assert!(!faults.is_empty(), "{name}");
    for fault in &faults {
        assert_eq!((&fault["file"], &fault["severity"]), (&CONFIG.into(), &"error".into()), "{name}");
        for key in ["line", "column"] {
            assert!(fault[key].as_u64().expect("a number") > 0, "{name}: {fault}");
        }
        for key in ["message", "hint"] {
            let text = place.told(fault[key].as_str().expect("a text").as_bytes());
            assert!(!text.is_empty() && told.contains(&text), "{name}: {fault}");
        }
    }
    // The last line counts them, which the snapshot need not.
    told.rsplit_once("\n\n").expect("a count").0.to_owned()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the snapshots are written for people")]
fn every_mistake_has_its_file_its_line_and_a_hint_and_shows_no_secret() {
    let write = std::env::var_os(SNAPSHOT).is_some_and(|asked| asked == "write");
    let (mut count, mut differ) = (0, Vec::new());
    for subject in Subject::all() {
        count += subject.cases.len();
        let told = subject.text(said);
        let kept = std::fs::read_to_string(&subject.path).expect("cases");
        if write {
            std::fs::write(&subject.path, &told).expect("written");
        } else if kept != told {
            let line = kept.lines().zip(told.lines()).position(|(kept, told)| kept != told);
            let at = line.unwrap_or_else(|| kept.lines().count().min(told.lines().count())) + 1;
            let now = told.lines().nth(at - 1).unwrap_or_default();
            differ.push(format!("{}:{at}: now {now:?}", subject.path.display()));
        }
    }
    assert!(count >= CASES_MIN, "{count} mistakes");
    assert!(
        differ.is_empty(),
        "not what is said now: {differ:#?}; if the change is meant, run this test with {SNAPSHOT}=write, read what changed, \
         and commit it"
    );
}

#[test]
fn without_the_mistakes_nothing_is_wrong() {
    for name in ["folder", "secure", "amqp", "kafka", "http", "console", "shared"] {
        let place = Place::new(base(name).as_bytes());
        let checked = place.run(&["check", "--config", CONFIG]);
        assert_eq!(checked.status.code(), Some(0), "{name}: {}", place.told(&checked.stderr));
    }
}

#[test]
fn a_file_that_is_not_there_is_told_so_at_the_line_0() {
    let place = Place::new(b"");
    let missing = place.run(&["check", "--config", "other.toml", "--json"]);
    assert_eq!(missing.status.code(), Some(2));
    let faults: Vec<Value> = serde_json::from_slice(&missing.stdout).expect("a list");
    let [fault] = &faults[..] else { panic!("{faults:?}") };
    assert_eq!((&fault["file"], &fault["line"]), (&"other.toml".into(), &0.into()));
    assert!(fault["hint"].as_str().expect("a hint").contains("check the path"), "{fault}");
}
