//! The compatibility checklist of `dts-file-interface.md` section 10, item by item: `c01` to `c50`. Each runs the relay's
//! program between an application's folders and the embedded sandbox, and looks at nothing but files, as an application
//! does. Items about the text of control files (12 to 16) have their many cases in the golden set.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

mod folders;
mod operation;
mod pickup;
#[path = "../end_to_end/process.rs"]
#[expect(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
mod process;
mod receiving;
mod reports;
mod scene;
mod sent;

/// What is written here and in the golden set.
const SOURCES: [&str; 6] = [
    include_str!("folders.rs"),
    include_str!("operation.rs"),
    include_str!("pickup.rs"),
    include_str!("receiving.rs"),
    include_str!("reports.rs"),
    include_str!("sent.rs"),
];

#[test]
fn every_item_of_the_checklist_has_its_test() {
    let missing: Vec<u32> = (1..=50)
        .filter(|item| !SOURCES.iter().any(|source| source.contains(&format!("fn c{item:02}_"))))
        .collect();
    assert!(missing.is_empty(), "no test names {missing:?}");
}
