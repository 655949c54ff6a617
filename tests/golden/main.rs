//! The golden set: what becomes of some hundreds of control files, good, bad and odd, when a real relay carries them to
//! a real sandbox. The cases and their expected outcomes stand in `cases/`; `cases.rs` says how they are written.
//!
//! `MESH_RELAY_GOLDEN=write cargo test -p mesh-relay-tests --test golden` writes what happens into the cases. Read every
//! change that it makes against `dts-file-interface.md` before it is committed: the files say what must happen.

mod cases;
mod outcome;
mod run;

use std::collections::HashMap;

use cases::{Case, Group};

/// Set to `write`, the outcomes are written into the cases.
const VARIABLE: &str = "MESH_RELAY_GOLDEN";
/// The number of cases never goes below this.
const CASES_MIN: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn every_control_file_ends_as_its_case_says() {
    let mut groups = Group::all();
    let cases: Vec<_> = groups.iter().flat_map(|group| &group.cases).collect();
    assert!(cases.len() >= CASES_MIN, "there are {} cases", cases.len());
    let outcomes = run::outcomes(&cases).await;
    lint_foretells(&cases, &outcomes);

    if std::env::var(VARIABLE).is_ok_and(|what| what == "write") {
        let mut outcomes = outcomes.into_iter();
        for group in &mut groups {
            for (case, outcome) in group.cases.iter_mut().zip(&mut outcomes) {
                case.expected = outcome;
            }
            group.write();
        }
        return;
    }
    let differences: Vec<String> = cases
        .iter()
        .zip(outcomes)
        .filter(|(case, outcome)| case.expected != *outcome)
        .map(|(case, outcome)| {
            format!("=== {}: {}\nexpected:\n{}\nbut was:\n{outcome}\n", case.stem, case.title, case.expected)
        })
        .collect();
    assert!(differences.is_empty(), "{} case(s) differ\n{}", differences.len(), differences.join("\n"));
}

/// What `lint` calls an error is what the relay refuses, and in the words of the report; where `lint` finds none, only
/// MESH refuses.
fn lint_foretells(cases: &[&Case], outcomes: &[String]) {
    let names: HashMap<Vec<u8>, usize> =
        cases.iter().filter_map(|case| case.data()).map(|(name, content)| (name, content.len())).collect();
    for (case, outcome) in cases.iter().zip(outcomes) {
        let name = &case.stem;
        match outcome::foretold(case, &names) {
            Some(words) => assert!(outcome.contains(&words), "{name}: {words} was foretold:\n{outcome}"),
            None => {
                let by_mesh = ["12 Unregistered to address", "06 String should have at most"];
                let refused = by_mesh.iter().any(|words| outcome.contains(words));
                let unseen = String::from_utf8(case.control()).is_err();
                assert!(
                    outcome.starts_with("SENT") || refused || unseen,
                    "{name}: nothing was foretold:\n{outcome}"
                );
            }
        }
    }
}
