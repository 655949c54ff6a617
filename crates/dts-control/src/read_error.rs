//! Why a control file could not be read.

use std::fmt;

use thiserror::Error;

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
/// [`Fault::unreadable_control_file`](crate::Fault::unreadable_control_file).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file has no content, or white space only.
    #[error(
        "the control file is empty; write the whole file under another name and rename it to its `.ctl` name"
    )]
    Empty,
    /// The file is larger than [`SIZE_MAX`](crate::SIZE_MAX).
    #[error(
        "the control file has {size} bytes, more than the {} that are read; put the data in the `.dat` file",
        crate::SIZE_MAX
    )]
    TooLarge {
        /// Size of the file in bytes.
        size: usize,
    },
    /// Bytes that are no text in the encoding that the file declares, or in UTF-8 when it declares none.
    #[error(
        "bytes at {at} are no text in the file's encoding; save the file as UTF-8 or declare its encoding"
    )]
    Undecodable {
        /// Where; the start of the line for encodings other than UTF-8 and UTF-16.
        at: Position,
    },
    /// The file declares an encoding that nobody knows.
    #[error("the encoding declared at {at} is not known; save the file as UTF-8")]
    UnknownEncoding {
        /// Where the declaration stands.
        at: Position,
    },
    /// The file has a DOCTYPE. It is refused unread, because it can name other files and expand without end.
    #[error("there is a DOCTYPE at {at}; control files must not have one, so take it out")]
    Doctype {
        /// Where it stands.
        at: Position,
    },
    /// The first element is not `DTSControl`.
    #[error("the first element, at {at}, is not DTSControl; this is no control file, or one of another kind")]
    NotDtsControl {
        /// Where the element stands.
        at: Position,
    },
    /// Elements inside elements beyond [`DEPTH_MAX`](crate::DEPTH_MAX).
    #[error("elements are nested deeper than {} at {at}; take the inner ones out", crate::DEPTH_MAX)]
    TooDeep {
        /// Where the first element beyond the limit stands.
        at: Position,
    },
    /// An element that holds one value holds another element.
    #[error("an element stands inside a value at {at}; close the element before it, or write `<` as `&lt;`")]
    ElementInValue {
        /// Where the inner element stands.
        at: Position,
    },
    /// A reference to an entity that XML does not define.
    #[error(
        "an entity that XML does not define is used at {at}; write the character itself, or `&` as `&amp;`"
    )]
    UnknownEntity {
        /// Where the reference stands.
        at: Position,
    },
    /// The XML is not well-formed.
    #[error("the XML is broken at {at}: {reason}")]
    Malformed {
        /// Where it was noticed.
        at: Position,
        /// What is wrong and what to do.
        reason: &'static str,
    },
    /// The file ends before `</DTSControl>`.
    #[error("the control file ends at {at} before </DTSControl>; it is cut off or still being written")]
    Unterminated {
        /// Where the tag or the file ends without a close.
        at: Position,
    },
    /// Something other than comments stands after `</DTSControl>`.
    #[error(
        "there is more after </DTSControl> at {at}; put one message in one control file and nothing after it"
    )]
    TrailingContent {
        /// Where it begins.
        at: Position,
    },
}

impl ReadError {
    /// Where in the file. `None` when the whole file is meant: it is empty or too large.
    pub fn position(&self) -> Option<Position> {
        match *self {
            Self::Empty | Self::TooLarge { .. } => None,
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
}
