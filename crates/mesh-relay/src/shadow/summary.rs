//! What was seen, counted: bounded, however many files there are.

use std::collections::BTreeMap;

use dts_folder::shadow::{Judged, Kind, Place, Verdict};
use serde_json::{Value, json};

use super::show::{self, Grade};
use crate::hand::show::{plain, table};

/// Kinds of reports that have a row of their own; others share one.
const ROWS_MAX: usize = 200;
/// Kinds of differences that are told apart; others are counted together.
const KINDS_MAX: usize = 200;

/// Files of one folder and kind.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    files: u64,
    same: u64,
    layout: u64,
    different: u64,
    not_known: u64,
}

/// One kind of difference.
#[derive(Debug, Default)]
struct Group {
    count: u64,
    examples: Vec<String>,
}

/// The counts.
pub(super) struct Summary {
    examples: usize,
    rows: BTreeMap<(String, Place, String), Row>,
    kinds: BTreeMap<(Grade, String), Group>,
    total: Row,
}

impl Summary {
    /// Names that many files for each kind of difference.
    pub(super) fn new(examples: usize) -> Self {
        Self { examples, rows: BTreeMap::new(), kinds: BTreeMap::new(), total: Row::default() }
    }

    /// Takes a file in.
    pub(super) fn add(&mut self, mailbox: &str, place: Place, name: &str, judged: &Judged) {
        let kind = match &judged.kind {
            Kind::Data => "data".to_owned(),
            Kind::Report { event, status, code } => format!("report {event} {status} {code}"),
            Kind::Unknown => "not readable".to_owned(),
        };
        let label = format!("{place} {}", if kind == "data" { "data" } else { kind.as_str() });
        let full = self.rows.len() >= ROWS_MAX;
        let mut key = (mailbox.to_owned(), place, kind);
        if full && !self.rows.contains_key(&key) {
            key.2 = "others".to_owned();
        }
        for row in [self.rows.entry(key).or_default(), &mut self.total] {
            row.files += 1;
            match &judged.verdict {
                _ if judged.differs() => row.different += 1,
                Verdict::Compared(comparison) if comparison.is_same() => row.same += 1,
                Verdict::Compared(_) => row.layout += 1,
                _ => row.not_known += 1,
            }
        }
        for (grade, told) in show::told(judged) {
            let mut key = (grade, format!("{label}: {told}"));
            if self.kinds.len() >= KINDS_MAX && !self.kinds.contains_key(&key) {
                key.1 = "of other kinds".to_owned();
            }
            let group = self.kinds.entry(key).or_default();
            group.count += 1;
            if group.examples.len() < self.examples {
                group.examples.push(show::file(mailbox, place, name));
            }
        }
    }

    /// Whether an application could notice anything.
    pub(super) fn differs(&self) -> bool {
        self.total.different > 0
    }

    /// The kinds of a grade, the most frequent first.
    fn kinds(&self, grade: Grade) -> Vec<(&str, &Group)> {
        let of_grade = self.kinds.iter().filter(|((its, _), _)| *its == grade);
        let mut kinds: Vec<_> = of_grade.map(|((_, told), group)| (told.as_str(), group)).collect();
        kinds.sort_by_key(|(_, group)| std::cmp::Reverse(group.count));
        kinds
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let header = ["MAILBOX", "FOLDER", "KIND", "FILES", "SAME", "LAYOUT ONLY", "DIFFERENT", "NOT KNOWN"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        for ((mailbox, place, kind), row) in &self.rows {
            let counts = [row.files, row.same, row.layout, row.different, row.not_known];
            let names = [mailbox.clone(), place.to_string(), plain(kind)];
            rows.push(names.into_iter().chain(counts.map(|count| count.to_string())).collect());
        }
        let mut text = table(&rows);
        for (grade, title) in [
            (Grade::Value, "Differences in values"),
            (Grade::Layout, "Differences in layout"),
            (Grade::Note, "No differences, but to be known"),
        ] {
            let kinds = self.kinds(grade);
            if kinds.is_empty() {
                continue;
            }
            text += &format!("\n\n{title}:");
            for (told, group) in kinds {
                text += &format!("\n{:>7} x {}", group.count, plain(told));
                for example in &group.examples {
                    text += &format!("\n          {example}");
                }
            }
        }
        format!("{text}\n\n{}", self.verdict())
    }

    fn verdict(&self) -> String {
        let Row { files, same, layout, different, not_known } = self.total;
        let compared = files - not_known;
        let unknown = match not_known {
            0 => String::new(),
            count => format!("; of {count} more it cannot be known"),
        };
        match different {
            0 if files == 0 => "There are no control files.".to_owned(),
            0 => format!(
                "No difference in values: of {compared} control files, the relay would have written {same} to the letter \
                 and {layout} in another layout{unknown}."
            ),
            _ => format!(
                "{different} of {compared} control files differ in what an application can see; {same} are the same to \
                 the letter, {layout} but for layout{unknown}."
            ),
        }
    }

    /// For programs.
    pub(super) fn document(&self) -> Value {
        let counts = |row: &Row| {
            json!({
                "files": row.files, "same": row.same, "layout": row.layout, "different": row.different,
                "not_known": row.not_known,
            })
        };
        let rows = self.rows.iter().map(|((mailbox, place, kind), row)| {
            json!({ "mailbox": mailbox, "folder": place.as_str(), "kind": kind, "counts": counts(row) })
        });
        let kinds = [(Grade::Value, "value"), (Grade::Layout, "layout"), (Grade::Note, "note")];
        let kinds = kinds.into_iter().flat_map(|(grade, name)| {
            self.kinds(grade).into_iter().map(move |(told, group)| {
                json!({ "grade": name, "what": told, "count": group.count, "examples": group.examples })
            })
        });
        json!({
            "type": "summary", "differs": self.differs(), "counts": counts(&self.total),
            "rows": rows.collect::<Vec<_>>(), "kinds": kinds.collect::<Vec<_>>(), "verdict": self.verdict(),
        })
    }
}
