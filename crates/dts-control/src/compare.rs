//! Comparing a control file that a client wrote with the one that would be written in its place: element by element, and
//! byte by byte (`dts-file-interface.md` 3.1 to 3.4).
//!
//! What a reader that finds elements by name and trims their values can see is a difference of *values*; everything else
//! that makes the bytes differ is *layout*. Values of elements that may be private are compared and not repeated; those
//! that never are ([`How::Shown`]) are shown, because they are what has to be decided about.

use std::collections::BTreeSet;

use crate::decode::{self, Form};
use crate::read::{ELEMENTS, Layout, Placed, STATUS_PARTS, STATUS_RECORD, read_with_layout};
use crate::read_error::ReadError;
use crate::xml;

/// Longest value that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 120;

/// Elements whose values are the format's own words.
const SHOWN: [&str; 7] =
    ["Version", "AddressType", "MessageType", "Compress", "Encrypted", "IsCompressed", "AllowChunking"];

/// Stands for all elements that control files do not have; their names are the application's own.
const UNKNOWN: &str = "unknown element";
/// The same, inside the status record.
const UNKNOWN_PART: &str = "StatusRecord/unknown element";

/// How two control files differ. Holds no private value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// Elements whose value, presence or name differ, in canonical order.
    pub values: Vec<Difference>,
    /// What differs beside, for readers that do not read by element.
    pub layout: BTreeSet<Lay>,
}

/// An element that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its canonical name; the parts of the status record as `StatusRecord/Event`.
    pub element: &'static str,
    /// In what.
    pub how: How,
}

/// In what an element differs. `theirs` is the file that was found, `ours` the one that would be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// Theirs has no such element.
    Absent {
        /// Whether ours is an empty one.
        empty: bool,
    },
    /// Only theirs has the element.
    Extra {
        /// Whether it is an empty one.
        empty: bool,
    },
    /// Theirs has no value there, ours has one.
    Empty,
    /// Theirs has a value there, ours has none.
    Filled,
    /// Theirs is spelt otherwise, as `DataCheckSum` is.
    Spelling,
    /// Another value, of an element that holds nothing private.
    Shown {
        /// As found, cut to a bounded length.
        theirs: String,
        /// As it would be written, cut to a bounded length.
        ours: String,
    },
    /// Another value: only upper and lower case differ.
    Case,
    /// Another value, of another length.
    Length {
        /// In characters, as found.
        theirs: usize,
        /// In characters, as it would be written.
        ours: usize,
    },
    /// Another value of the same length.
    Text,
}

/// What of the layout differs (3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lay {
    /// The encoding, or a byte-order mark.
    Encoding,
    /// The XML declaration.
    Declaration,
    /// The order of the elements, or of the parts of the status record.
    Order,
    /// LF or CRLF.
    LineEnds,
    /// Empty elements as one tag or as two.
    EmptyForm,
    /// Indentation, blank lines, white space at the ends of values.
    Blanks,
    /// An element that is there more than once; the first counts.
    Repeats,
    /// Comments, attributes, name-space prefixes, references instead of characters, text between elements.
    Markup,
}

impl Comparison {
    /// Whether the two are the same, byte by byte.
    pub fn is_same(&self) -> bool {
        self.values.is_empty() && self.layout.is_empty()
    }
}

/// Compares the control file that was found with the one that would be written.
///
/// ```
/// use dts_control::compare::{How, Lay, compare};
///
/// let theirs = b"<DTSControl><Subject/><IsCompressed>N</IsCompressed></DTSControl>";
/// let ours = b"<DTSControl><Subject></Subject><IsCompressed>Y</IsCompressed></DTSControl>";
/// let comparison = compare(theirs, ours)?;
/// assert_eq!(comparison.values[0].element, "IsCompressed");
/// assert_eq!(comparison.values[0].how, How::Shown { theirs: "N".into(), ours: "Y".into() });
/// assert!(comparison.layout.contains(&Lay::EmptyForm));
/// # Ok::<(), dts_control::ReadError>(())
/// ```
///
/// # Errors
/// When one of them cannot be read.
pub fn compare(theirs: &[u8], ours: &[u8]) -> Result<Comparison, ReadError> {
    if theirs == ours {
        // Told apart from two files that are unreadable alike.
        return read_with_layout(theirs).map(|_| Comparison::default());
    }
    let (found, written) = (File::read(theirs)?, File::read(ours)?);
    let values = values(&found.layout, &written.layout);
    let mut layout = lay(&found, &written);
    if layout.is_empty() && values.is_empty() {
        layout.insert(Lay::Markup);
    }
    Ok(Comparison { values, layout })
}

struct File {
    layout: Layout,
    text: String,
}

impl File {
    fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        let (_, layout) = read_with_layout(bytes)?;
        let (text, _) = decode::to_text(bytes)?;
        Ok(Self { layout, text: text.into_owned() })
    }
}

fn values(theirs: &Layout, ours: &Layout) -> Vec<Difference> {
    let mut values = Vec::new();
    let mut add = |element, how: Option<How>| values.extend(how.map(|how| Difference { element, how }));
    for element in ELEMENTS.into_iter().filter(|element| *element != STATUS_RECORD) {
        let (found, written) = (theirs.first(element), ours.first(element));
        let value = |placed: Option<&Placed>| placed.map(|placed| placed.value.clone());
        add(element, differ(value(found), value(written), SHOWN.contains(&element)));
        if let (Some(found), Some(written)) = (found, written)
            && found.name != written.name
        {
            add(element, Some(How::Spelling));
        }
    }
    add(UNKNOWN, others(&theirs.unknown(), &ours.unknown()));
    match (theirs.first(STATUS_RECORD).is_some(), ours.first(STATUS_RECORD).is_some()) {
        (true, false) => add(STATUS_RECORD, Some(How::Extra { empty: theirs.status.is_empty() })),
        (false, true) => add(STATUS_RECORD, Some(How::Absent { empty: ours.status.is_empty() })),
        _ => {
            for (part, path) in STATUS_PARTS.into_iter().zip(STATUS_PATHS) {
                add(path, differ(theirs.part(part), ours.part(part), true));
            }
            add(UNKNOWN_PART, others(&theirs.unknown_parts(), &ours.unknown_parts()));
        }
    }
    values
}

/// The parts of the status record as they are named in a [`Difference`].
const STATUS_PATHS: [&str; 5] = [
    "StatusRecord/DateTime",
    "StatusRecord/Event",
    "StatusRecord/Status",
    "StatusRecord/StatusCode",
    "StatusRecord/Description",
];

impl Layout {
    fn first(&self, element: &str) -> Option<&Placed> {
        self.elements.iter().find(|placed| placed.known == Some(element) && !placed.repeated)
    }

    fn part(&self, name: &str) -> Option<String> {
        let part = self.status.iter().find(|(part, _)| *part == Some(name));
        part.map(|(_, value)| value.clone())
    }

    /// Names and values of the elements that are not known, by name.
    fn unknown(&self) -> Vec<(&str, &str)> {
        let unknown = self.elements.iter().filter(|placed| placed.known.is_none());
        let mut unknown: Vec<_> = unknown.map(|placed| (&*placed.name, &*placed.value)).collect();
        unknown.sort_unstable();
        unknown
    }

    fn unknown_parts(&self) -> Vec<(&str, &str)> {
        let unknown = self.status.iter().filter(|(part, _)| part.is_none());
        unknown.map(|(_, value)| ("", value.as_str())).collect()
    }

    /// The names that count, in the order found.
    fn order(&self) -> Vec<&str> {
        let counts = self.elements.iter().filter(|placed| !placed.repeated);
        let names = counts.map(|placed| placed.known.unwrap_or(&placed.name));
        names.chain(self.status.iter().filter_map(|(part, _)| *part)).collect()
    }
}

/// In what one element differs. `None`: in nothing.
fn differ(theirs: Option<String>, ours: Option<String>, shown: bool) -> Option<How> {
    let (theirs, ours) = match (theirs, ours) {
        (None, None) => return None,
        (Some(theirs), None) => return Some(How::Extra { empty: theirs.is_empty() }),
        (None, Some(ours)) => return Some(How::Absent { empty: ours.is_empty() }),
        (Some(theirs), Some(ours)) => (theirs, ours),
    };
    if theirs == ours {
        return None;
    }
    if shown {
        return Some(How::Shown { theirs: cut(theirs), ours: cut(ours) });
    }
    let (found, written) = (theirs.chars().count(), ours.chars().count());
    Some(match (found, written) {
        (0, _) => How::Empty,
        (_, 0) => How::Filled,
        _ if theirs.to_lowercase() == ours.to_lowercase() => How::Case,
        _ if found != written => How::Length { theirs: found, ours: written },
        _ => How::Text,
    })
}

fn cut(value: String) -> String {
    match value.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &value[..at]),
        None => value,
    }
}

/// In what the elements with other names differ, taken together.
fn others(theirs: &[(&str, &str)], ours: &[(&str, &str)]) -> Option<How> {
    let is_blank = |others: &[(&str, &str)]| others.iter().all(|(_, value)| value.is_empty());
    match (theirs.is_empty(), ours.is_empty()) {
        _ if theirs == ours => None,
        (false, true) => Some(How::Extra { empty: is_blank(theirs) }),
        (true, false) => Some(How::Absent { empty: is_blank(ours) }),
        _ => Some(How::Text),
    }
}

/// What of the layout differs, as far as it can be told apart.
fn lay(theirs: &File, ours: &File) -> BTreeSet<Lay> {
    let mut layout = BTreeSet::new();
    let mut add = |is: bool, what| is.then(|| layout.insert(what));
    // A declaration that names UTF-8 changes nothing of the encoding.
    let is_plain = |file: &File| matches!(file.layout.form, Form::Utf8 | Form::NotUtf16);
    add(theirs.layout.form != ours.layout.form && !(is_plain(theirs) && is_plain(ours)), Lay::Encoding);
    add(declaration(&theirs.text) != declaration(&ours.text), Lay::Declaration);
    add(!in_one_order(&theirs.layout.order(), &ours.layout.order()), Lay::Order);
    add(line_ends(&theirs.text) != line_ends(&ours.text), Lay::LineEnds);
    add(theirs.text.contains("/>") != ours.text.contains("/>"), Lay::EmptyForm);
    add(blanks(&theirs.text) != blanks(&ours.text) || end(&theirs.text) != end(&ours.text), Lay::Blanks);
    let repeats = |file: &File| file.layout.elements.iter().any(|placed| placed.repeated);
    add(repeats(theirs) != repeats(ours), Lay::Repeats);
    add(theirs.layout.stray.is_some() != ours.layout.stray.is_some(), Lay::Markup);
    add(theirs.text.contains("<!--") != ours.text.contains("<!--"), Lay::Markup);
    layout
}

/// Whether the names that both have stand in one order.
fn in_one_order(theirs: &[&str], ours: &[&str]) -> bool {
    let (found, written): (BTreeSet<_>, BTreeSet<_>) = (theirs.iter().collect(), ours.iter().collect());
    let common = |order: &[&str]| {
        let common = order.iter().filter(|name| found.contains(name) && written.contains(name));
        common.map(|name| (*name).to_owned()).collect::<Vec<_>>()
    };
    common(theirs) == common(ours)
}

fn declaration(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(xml::is_space).strip_prefix("<?xml")?;
    rest.split_once("?>").map(|(declaration, _)| declaration)
}

/// Whether there are line feeds after a carriage return, and without one.
fn line_ends(text: &str) -> (bool, bool) {
    let feeds = text.bytes().filter(|byte| *byte == b'\n').count();
    let both = text.matches("\r\n").count();
    (both > 0, feeds > both)
}

/// The kinds of white space that stand between tags and at the ends of values.
fn blanks(text: &str) -> BTreeSet<(String, String, bool)> {
    let text = text.trim_start_matches(xml::is_space).replace("\r\n", "\n");
    let after_declaration = match text.split_once("?>") {
        Some((before, rest)) if before.starts_with("<?xml") => rest.trim_start_matches(xml::is_space),
        _ => &text,
    };
    let pieces = after_declaration.split('<').filter_map(|piece| piece.split_once('>').map(|(_, text)| text));
    pieces
        .filter(|piece| !piece.is_empty())
        .map(|piece| {
            let core = piece.trim_matches(xml::is_space);
            let before = piece.len() - piece.trim_start_matches(xml::is_space).len();
            let behind = if core.is_empty() { "" } else { &piece[before + core.len()..] };
            (piece[..before].to_owned(), behind.to_owned(), core.is_empty())
        })
        .collect()
}

/// What stands behind the last tag.
fn end(text: &str) -> String {
    text.rsplit('>').next().unwrap_or_default().replace("\r\n", "\n")
}
