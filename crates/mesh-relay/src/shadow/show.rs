//! How one file is told: in words, or as a JSON document.

use dts_control::ReadError;
use dts_control::compare::{Difference, How, Lay};
use dts_folder::Profile;
use dts_folder::shadow::{Judged, Kind, Note, Place, Shadow, Verdict};
use serde_json::{Value, json};

use crate::hand::show::plain;

/// How bad a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    /// An application can see it.
    Value,
    /// Only who reads bytes sees it.
    Layout,
    /// It is no difference.
    Note,
}

/// Something that is to be said of a file, in words that are the same for all files with it.
pub(super) struct Told {
    pub(super) grade: Grade,
    pub(super) words: String,
    /// The same without values, for when there are too many of them.
    pub(super) general: Option<String>,
}

impl Told {
    fn new(grade: Grade, words: impl Into<String>) -> Self {
        Self { grade, words: words.into(), general: None }
    }
}

/// Which folders are looked at, and as whose habits.
pub(super) fn looked_at(shadow: &Shadow) -> String {
    let config = shadow.config();
    let folders = Place::ALL.into_iter().filter_map(|place| shadow.places().folder(place));
    let folders: Vec<_> = folders.map(|folder| plain(&folder.display().to_string())).collect();
    let profile = match config.profile {
        Profile::Mesh => "mesh",
        Profile::Dts => "dts",
    };
    format!("mailbox {}, profile {profile}: {}", config.mailbox, folders.join(", "))
}

/// `X26ABC1/SENT/x.ctl: what; what`.
pub(super) fn line(mailbox: &str, place: Place, name: &str, judged: &Judged) -> String {
    let told = told(judged).into_iter().filter(|told| told.grade == Grade::Value).map(|told| told.words);
    format!("{}: {}", file(mailbox, place, name), told.collect::<Vec<_>>().join("; "))
}

/// A file as it is named in words.
pub(super) fn file(mailbox: &str, place: Place, name: &str) -> String {
    format!("{mailbox}/{place}/{}", plain(name))
}

/// Everything that is to be said of a file.
pub(super) fn told(judged: &Judged) -> Vec<Told> {
    let mut told = Vec::new();
    match &judged.verdict {
        Verdict::Compared(comparison) => {
            told.extend(comparison.values.iter().map(|value| Told {
                grade: Grade::Value,
                words: difference(value),
                general: matches!(value.how, How::Shown { .. }).then(|| another(value.element)),
            }));
            told.extend(comparison.layout.iter().map(|lay| Told::new(Grade::Layout, layout(*lay))));
        }
        verdict => {
            let grade = if verdict_differs(verdict) { Grade::Value } else { Grade::Note };
            told.extend(reason(verdict).map(|reason| Told::new(grade, reason)));
        }
    }
    told.extend(judged.notes.iter().map(|note| match note {
        Note::NoData => Told::new(Grade::Note, "there is no data file beside it"),
        Note::OtherName => Told::new(Grade::Value, "its name is not its DTSId; the relay's would be"),
    }));
    told
}

/// That an element has another value.
fn another(element: &str) -> String {
    format!("{element} is another text")
}

fn verdict_differs(verdict: &Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Refused(_) | Verdict::NotWritten(_) | Verdict::Unreadable(_) | Verdict::Unopened(_)
    )
}

/// Why there is nothing to compare, in words.
fn reason(verdict: &Verdict) -> Option<String> {
    Some(match verdict {
        Verdict::Compared(_) => return None,
        Verdict::Refused(fault) => {
            let (event, code, description) = (&fault.event, fault.code, &fault.description);
            format!("the relay would put the pair into FAILED: {event} {code}, {description}")
        }
        Verdict::NotWritten(why) => format!("the relay would write no such file: {why}"),
        Verdict::Untold => {
            "the relay would send it: neither the file nor a report in IN says why it failed".to_owned()
        }
        Verdict::NotDerivable => {
            "what the relay would write cannot be known from the files that are there".to_owned()
        }
        Verdict::Unreadable(error) => format!("it cannot be read: {}", ReadError::reason(error)),
        Verdict::Unopened(error) => format!("it cannot be opened: {error}"),
        Verdict::Unfinished => "it is just being written".to_owned(),
    })
}

/// A difference in words, with values where they may be shown and are the same for many files.
fn difference(difference: &Difference) -> String {
    let element = difference.element;
    match &difference.how {
        How::Absent { empty: false } => format!("{element} is absent; the relay writes one"),
        How::Absent { empty: true } => format!("{element} is absent; the relay writes an empty one"),
        How::Extra { empty: false } => format!("{element} is there; the relay writes none"),
        How::Extra { empty: true } => format!("{element} is there, empty; the relay writes none"),
        How::Empty => format!("{element} is empty; the relay writes a value"),
        How::Filled => format!("{element} has a value; the relay writes none"),
        How::Spelling => format!("{element} is spelt otherwise"),
        How::Shown { .. } if element.ends_with("/DateTime") => format!("{element} is another time"),
        How::Shown { theirs, ours } => {
            format!("{element} is \"{}\"; the relay writes \"{}\"", plain(theirs), plain(ours))
        }
        How::Case => format!("{element} differs in upper and lower case"),
        How::Length { .. } | How::Text => another(element),
    }
}

/// A kind of layout in words.
fn layout(lay: Lay) -> &'static str {
    match lay {
        Lay::Encoding => "encoding or byte-order mark",
        Lay::Declaration => "XML declaration",
        Lay::Order => "order of the elements",
        Lay::LineEnds => "line ends",
        Lay::EmptyForm => "empty elements as one tag or two",
        Lay::Blanks => "indentation and other white space",
        Lay::Repeats => "elements that are there more than once",
        Lay::Markup => "comments, attributes, references or other markup",
    }
}

/// One file as a document.
pub(super) fn document(mailbox: &str, place: Place, name: &str, judged: &Judged) -> Value {
    let (kind, report) = match &judged.kind {
        Kind::Data => (Some("data"), None),
        Kind::Report { event, status, code } => (Some("report"), Some((event, status, code))),
        Kind::Unknown => (None, None),
    };
    let (values, lays) = match &judged.verdict {
        Verdict::Compared(comparison) => (
            comparison.values.iter().map(difference_document).collect(),
            comparison.layout.iter().map(|lay| layout_name(*lay)).collect(),
        ),
        _ => (Vec::new(), Vec::new()),
    };
    let fault = match &judged.verdict {
        Verdict::Refused(fault) => Some(json!({
            "event": fault.event.as_str(), "code": fault.code, "description": fault.description,
        })),
        _ => None,
    };
    json!({
        "type": "file", "mailbox": mailbox, "folder": place.as_str(), "file": name, "kind": kind,
        "event": report.map(|(event, ..)| event), "status": report.map(|(_, status, _)| status),
        "code": report.map(|(.., code)| code), "verdict": verdict(&judged.verdict), "differs": judged.differs(),
        "values": values, "layout": lays, "refused": fault, "reason": reason(&judged.verdict),
        "notes": judged.notes.iter().map(|note| note_name(*note)).collect::<Vec<_>>(),
    })
}

/// A verdict in one word.
fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Compared(comparison) if comparison.is_same() => "same",
        Verdict::Compared(comparison) if comparison.values.is_empty() => "layout",
        Verdict::Compared(_) => "value",
        Verdict::Refused(_) => "refused",
        Verdict::NotWritten(_) => "not_written",
        Verdict::Untold => "untold",
        Verdict::NotDerivable => "not_derivable",
        Verdict::Unreadable(_) => "unreadable",
        Verdict::Unopened(_) => "unopened",
        Verdict::Unfinished => "unfinished",
    }
}

fn difference_document(difference: &Difference) -> Value {
    let (how, theirs, ours) = match &difference.how {
        How::Absent { empty } => ("absent", None, Some(json!({ "empty": empty }))),
        How::Extra { empty } => ("extra", Some(json!({ "empty": empty })), None),
        How::Empty => ("empty", None, None),
        How::Filled => ("filled", None, None),
        How::Spelling => ("spelling", None, None),
        How::Shown { theirs, ours } => ("value", Some(json!(theirs)), Some(json!(ours))),
        How::Case => ("case", None, None),
        How::Length { theirs, ours } => {
            ("length", Some(json!({ "characters": theirs })), Some(json!({ "characters": ours })))
        }
        How::Text => ("text", None, None),
    };
    json!({ "element": difference.element, "how": how, "theirs": theirs, "ours": ours })
}

fn layout_name(lay: Lay) -> &'static str {
    match lay {
        Lay::Encoding => "encoding",
        Lay::Declaration => "declaration",
        Lay::Order => "order",
        Lay::LineEnds => "line_ends",
        Lay::EmptyForm => "empty_form",
        Lay::Blanks => "blanks",
        Lay::Repeats => "repeats",
        Lay::Markup => "markup",
    }
}

fn note_name(note: Note) -> &'static str {
    match note {
        Note::NoData => "no_data",
        Note::OtherName => "other_name",
    }
}
