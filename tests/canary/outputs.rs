//! What comes out of a relay, and what of it may hold what.

use std::fs;
use std::path::Path;

use crate::marks::{Kind, Mark, Searcher};

/// The only places where a mark may stand, by what the name of an output begins with: what, and why. The first that fits
/// counts; what fits none may hold nothing.
const ALLOWED: &[(&str, &[Kind], &str)] = &[
    (
        "file journal.db",
        &[Kind::LocalId, Kind::FileName, Kind::MessageName, Kind::Recipient],
        "what people search by, as the design says; readable by its owner alone. No subject, no payload, no secret",
    ),
    (
        "asked: stdout of get",
        &[Kind::Subject, Kind::LocalId, Kind::FileName, Kind::MessageName],
        "somebody asked for that very message",
    ),
    (
        "asked: ",
        &[Kind::LocalId, Kind::FileName, Kind::MessageName, Kind::Recipient],
        "somebody asked for that message, or named it",
    ),
    (
        "status event",
        &[Kind::LocalId, Kind::MessageName, Kind::Recipient],
        "the sender's own reference goes back to the sender's system",
    ),
    (
        "a copy of a message for the sender's system",
        &[Kind::Payload, Kind::Subject, Kind::LocalId, Kind::FileName, Kind::MessageName, Kind::Recipient],
        "what could not be sent goes back to where it came from, whole",
    ),
];

/// Something that came out.
pub struct Output {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Output {
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }

    fn may_hold(&self, kind: Kind) -> bool {
        let rule = ALLOWED.iter().find(|(name, ..)| self.name.starts_with(name));
        rule.is_some_and(|(_, kinds, _)| kinds.contains(&kind))
    }
}

/// Fails where a mark stands that may not.
pub fn hold(marks: Vec<Mark>, outputs: &[Output]) {
    let searcher = Searcher::new(marks);
    let mut leaks = Vec::new();
    for output in outputs {
        for found in searcher.find(&output.bytes).filter(|found| !output.may_hold(found.mark.kind)) {
            leaks.push(format!("{}, {}, in {}:\n    {}", found.mark, found.form, output.name, found.around));
        }
    }
    let searched: usize = outputs.iter().map(|output| output.bytes.len()).sum();
    println!("{} outputs with {searched} bytes were searched", outputs.len());
    let shown: Vec<_> = leaks.iter().take(40).cloned().collect();
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), shown.join("\n"));
}

/// Every file beneath a folder, without those beneath what is left out: names of files and folders count as output, too.
pub fn files(folder: &Path, left_out: &[&str]) -> Vec<Output> {
    let mut outputs = Vec::new();
    let mut names = Vec::new();
    let mut due = vec![folder.to_owned()];
    while let Some(next) = due.pop() {
        for entry in fs::read_dir(&next).expect("a folder").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(folder).expect("beneath").display().to_string();
            if left_out.contains(&name.as_str()) {
                continue;
            }
            names.extend(format!("{name}\n").into_bytes());
            if path.is_dir() {
                due.push(path);
            } else if let Ok(bytes) = fs::read(&path) {
                outputs.push(Output::new(format!("file {name}"), bytes));
            }
        }
    }
    outputs.push(Output::new("names of files", names));
    outputs
}
