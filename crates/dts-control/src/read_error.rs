//! Why a control file could not be read.

use std::fmt;

use thiserror::Error;

use crate::read::{DEPTH_MAX, SIZE_MAX};

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
}

impl Position {
    /// The place of the byte at `offset` in UTF-8 text, which may be broken from there on.
    pub(crate) fn of(text: &[u8], offset: usize) -> Self {
        let before = &text[..offset.min(text.len())];
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        // Bytes of the form 10xxxxxx continue a character.
        let is_first_byte = |byte: &&u8| **byte & 0xC0 != 0x80;
        Self {
            line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(),
            column: 1 + before[line_start..].iter().filter(is_first_byte).count(),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a control file could not be read. No text here repeats anything from the file.
///
/// A file younger than the grace time that fails with any of these may just be unfinished: wait and read
/// again (`dts-file-interface.md` 2.4, check 8). After that the outcome is
/// [`Fault::unreadable`](crate::Fault::unreadable).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file has no content, or white space only.
    Empty,
    /// The file is larger than [`SIZE_MAX`].
    TooLarge,
    /// Bytes that are no text in the encoding that the file declares, or in UTF-8 when it declares none.
    Undecodable {
        /// Where; the start of the line for encodings other than UTF-8 and UTF-16.
        at: Position,
    },
    /// The file declares an encoding that nobody knows.
    UnknownEncoding {
        /// Where the declaration stands.
        at: Position,
    },
    /// The file has a DOCTYPE. It is refused unread, because it can name other files and expand without end.
    Doctype {
        /// Where it stands.
        at: Position,
    },
    /// The first element is not `DTSControl`.
    NotDtsControl {
        /// Where the element stands.
        at: Position,
    },
    /// Elements inside elements beyond [`DEPTH_MAX`].
    TooDeep {
        /// Where the first element beyond the limit stands.
        at: Position,
    },
    /// An element that holds one value holds another element.
    ElementInValue {
        /// Where the inner element stands.
        at: Position,
    },
    /// A reference to an entity that XML does not define.
    UnknownEntity {
        /// Where the reference stands.
        at: Position,
    },
    /// The XML is not well-formed.
    Malformed {
        /// Where it was noticed.
        at: Position,
        /// What is wrong.
        reason: &'static str,
        /// What to do.
        fix: &'static str,
    },
    /// The file ends before `</DTSControl>`.
    Unterminated {
        /// Where the tag or the file ends without a close.
        at: Position,
    },
    /// Something other than comments stands after `</DTSControl>`.
    TrailingContent {
        /// Where it begins.
        at: Position,
    },
}

impl ReadError {
    /// Where in the file. `None` when the whole file is meant: it is empty or too large.
    pub fn position(&self) -> Option<Position> {
        match *self {
            Self::Empty | Self::TooLarge => None,
            Self::Undecodable { at }
            | Self::UnknownEncoding { at }
            | Self::Doctype { at }
            | Self::NotDtsControl { at }
            | Self::TooDeep { at }
            | Self::ElementInValue { at }
            | Self::UnknownEntity { at }
            | Self::Malformed { at, .. }
            | Self::Unterminated { at }
            | Self::TrailingContent { at } => Some(at),
        }
    }

    /// What is wrong, without the place.
    pub fn reason(&self) -> String {
        match *self {
            Self::Empty => "the control file is empty".to_owned(),
            Self::TooLarge => format!("the control file has more than the {SIZE_MAX} bytes that are read"),
            Self::Undecodable { .. } => {
                "there are bytes that are no text in the encoding of the file".to_owned()
            }
            Self::UnknownEncoding { .. } => "the encoding that the file declares is not known".to_owned(),
            Self::Doctype { .. } => "there is a DOCTYPE, which control files must not have".to_owned(),
            Self::NotDtsControl { .. } => {
                "the first element is not DTSControl: this is no control file, or one of another kind"
                    .to_owned()
            }
            Self::TooDeep { .. } => format!("elements are nested deeper than {DEPTH_MAX}"),
            Self::ElementInValue { .. } => "an element stands inside a value".to_owned(),
            Self::UnknownEntity { .. } => "an entity is used that XML does not define".to_owned(),
            Self::Malformed { reason, .. } => format!("the XML is broken: {reason}"),
            Self::Unterminated { .. } => {
                "the file ends before </DTSControl>: it is cut off or still being written".to_owned()
            }
            Self::TrailingContent { .. } => "there is more after </DTSControl>".to_owned(),
        }
    }

    /// What to do.
    pub fn fix(&self) -> &'static str {
        match *self {
            Self::Empty => "write the whole file under another name and rename it to its `.ctl` name",
            Self::TooLarge => "put the data in the `.dat` file",
            Self::Undecodable { .. } => "save the file as UTF-8 or declare its encoding",
            Self::UnknownEncoding { .. } => "save the file as UTF-8",
            Self::Doctype { .. } => "take it out",
            Self::NotDtsControl { .. } => "put everything inside <DTSControl> and </DTSControl>",
            Self::TooDeep { .. } => "take the inner ones out",
            Self::ElementInValue { .. } => "close the element before it, or write `<` as `&lt;`",
            Self::UnknownEntity { .. } => "write the character itself, or `&` as `&amp;`",
            Self::Malformed { fix, .. } => fix,
            Self::Unterminated { .. } => {
                "write the whole file under another name and rename it to its `.ctl` name"
            }
            Self::TrailingContent { .. } => "put one message in one control file and nothing after it",
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.position() {
            write!(f, "{at}: ")?;
        }
        write!(f, "{}; {}", self.reason(), self.fix())
    }
}
