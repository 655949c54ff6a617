//! What was seen, counted: bounded, however many files there are.

use std::collections::BTreeMap;

use dts_folder::shadow::{Judged, Kind, Place, Verdict};
use serde_json::{Value, json};

use super::show::{self, Grade, Told};
use crate::hand::show::{plain, table};

/// Kinds of reports that have a row of their own; others share one.
const ROWS_MAX: usize = 200;
/// Kinds of differences that are told apart; others are counted together.
const KINDS_MAX: usize = 200;

/// Pairs of values of one element that are told apart; others count as another text.
const VARIANTS_MAX: usize = 5;

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
    /// How many pairs of values of an element are told apart already.
    variants: BTreeMap<(Grade, String), usize>,
    total: Row,
}

impl Summary {
    /// Names that many files for each kind of difference.
    pub(super) fn new(examples: usize) -> Self {
        let (rows, kinds, variants) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { examples, rows, kinds, variants, total: Row::default() }
    }

    /// Takes a file in.
    pub(super) fn add(&mut self, mailbox: &str, place: Place, name: &str, judged: &Judged) {
        let kind = match &judged.kind {
            Kind::Data => "data".to_owned(),
            Kind::Report { event, status, code } => format!("report {event} {status} {code}"),
            Kind::Unknown => "not readable".to_owned(),
        };
        let (label, examples) = (format!("{place} {kind}"), self.examples);
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
        for told in show::told(judged) {
            let group = self.group(&label, told);
            group.count += 1;
            if group.examples.len() < examples {
                group.examples.push(show::file(mailbox, place, name));
            }
        }
    }

    /// Where something is counted: by its words, unless there are too many like it.
    fn group(&mut self, label: &str, told: Told) -> &mut Group {
        let mut key = (told.grade, format!("{label}: {}", told.words));
        if !self.kinds.contains_key(&key) {
            if let Some(general) = told.general {
                let general = (told.grade, format!("{label}: {general}"));
                let variants = self.variants.entry(general.clone()).or_default();
                if *variants >= VARIANTS_MAX {
                    key = general;
                } else {
                    *variants += 1;
                }
            }
            if self.kinds.len() >= KINDS_MAX && !self.kinds.contains_key(&key) {
                key.1 = "of other kinds".to_owned();
            }
        }
        self.kinds.entry(key).or_default()
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

#[cfg(test)]
mod tests {
    use super::*;
    use dts_control::compare::{Comparison, Difference, How, Lay};
    use dts_folder::shadow::Note;

    fn judged(verdict: Verdict, notes: &[Note]) -> Judged {
        Judged { kind: Kind::Data, verdict, notes: notes.to_vec() }
    }

    fn described(theirs: &str) -> Judged {
        let how = How::Shown { theirs: theirs.to_owned(), ours: "words".to_owned() };
        let values = vec![Difference { element: "StatusRecord/Description", how }];
        judged(Verdict::Compared(Comparison { values, ..Comparison::default() }), &[])
    }

    #[test]
    fn files_are_counted_and_a_few_of_them_named() {
        let mut summary = Summary::new(2);
        assert_eq!(summary.text().lines().last(), Some("There are no control files."));
        let same = judged(Verdict::Compared(Comparison::default()), &[]);
        let layout = [Lay::Order].into_iter().collect();
        let layout = Comparison { layout, ..Comparison::default() };
        for number in 0..5 {
            summary.add("A", Place::Sent, &format!("{number}.ctl"), &same);
            let layout = judged(Verdict::Compared(layout.clone()), &[Note::NoData]);
            summary.add("A", Place::Sent, &format!("x{number}.ctl"), &layout);
        }
        summary.add("A", Place::Inbox, "y.ctl", &judged(Verdict::NotDerivable, &[]));
        assert!(!summary.differs());
        let text = summary.text();
        assert!(text.contains(
            "5 x SENT data: order of the elements\n          A/SENT/x0.ctl\n          A/SENT/x1.ctl\n\n"
        ));
        assert!(text.contains("5 x SENT data: there is no data file beside it"), "{text}");
        assert!(text.ends_with(
            "No difference in values: of 10 control files, the relay would have written 5 to the letter and 5 in another \
             layout; of 1 more it cannot be known."
        ));
        summary.add("A", Place::Inbox, "z.ctl", &judged(Verdict::Untold, &[Note::OtherName]));
        assert!(summary.differs());
        assert_eq!(summary.document()["counts"]["different"], 1);
    }

    #[test]
    fn values_are_told_apart_up_to_a_bound() {
        let mut summary = Summary::new(1);
        for number in 0..10_000 {
            summary.add("A", Place::Sent, "x.ctl", &described(&format!("text {number}")));
            summary.add("A", Place::Sent, "x.ctl", &described("text 1"));
        }
        assert_eq!(summary.kinds.len(), VARIANTS_MAX + 1);
        let most = summary.kinds(Grade::Value)[0].1.count;
        assert_eq!(most, 10_001);
        let text = summary.text();
        assert!(text.contains("9995 x SENT data: StatusRecord/Description is another text"), "{text}");
    }

    #[test]
    fn kinds_of_reports_and_differences_are_bounded() {
        let mut summary = Summary::new(1);
        for number in 0..1_000 {
            let (event, status) = ("SEND".to_owned(), "ERROR".to_owned());
            let kind = Kind::Report { event, status, code: format!("\u{1b}{number}") };
            let verdict = Verdict::NotDerivable;
            summary.add("A", Place::Inbox, "x.ctl", &Judged { kind, verdict, notes: Vec::new() });
        }
        assert!(summary.rows.len() <= ROWS_MAX + 1 && summary.kinds.len() <= KINDS_MAX + 1);
        assert!(!summary.text().contains('\u{1b}'));
        assert_eq!(summary.total.not_known, 1_000);
    }
}
