//! Why a configuration could not be read.

use std::fmt;

use thiserror::Error;

use crate::key;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
}

impl Position {
    /// Where a file begins.
    pub const START: Self = Self { line: 1, column: 1 };

    /// The place behind `text`, when `self` is where it begins. The text may be broken UTF-8.
    pub(crate) fn after(self, text: &[u8]) -> Self {
        // Bytes of the form 10xxxxxx continue a character.
        let characters = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count();
        match text.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => Self {
                line: self.line + text.iter().filter(|&&byte| byte == b'\n').count(),
                column: 1 + characters(&text[end + 1..]),
            },
            None => Self { column: self.column + characters(text), ..self },
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A part of the file that holds keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// The root.
    Root,
    /// One `Client`.
    Client {
        /// Which, from 1.
        number: usize,
        /// Where it begins.
        at: Position,
        /// Its mailbox, made fit to be shown, if it has one.
        id: Option<String>,
    },
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the root"),
            Self::Client { number, at, id: None } => write!(f, "Client {number} (line {})", at.line),
            Self::Client { number, at, id: Some(id) } => {
                write!(f, "Client {number} (mailbox {id}, line {})", at.line)
            }
        }
    }
}

/// A key that must be there and is not, or is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub key: &'static str,
    /// Where it should stand.
    pub block: Block,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, block } = self;
        match *key {
            key::CLIENT => write!(f, "there is no {key}: add a block for each mailbox"),
            _ => write!(f, "{key} is missing in {block}"),
        }
    }
}

/// Why a configuration could not be read. No text here repeats a value of the file, save the id of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file has no content, or white space only.
    #[error("the configuration is empty; restore it from a copy")]
    Empty,
    /// The file is larger than [`SIZE_MAX`](crate::SIZE_MAX).
    #[error(
        "the configuration has {size} bytes, more than the {} that are read; check that it is the right file",
        crate::SIZE_MAX
    )]
    TooLarge {
        /// Size of the file in bytes.
        size: usize,
    },
    /// Bytes that are no UTF-8 in a file that declares no other encoding (Q17: mostly a `£` in a password).
    #[error(
        "a character at {at} is not UTF-8, and the first line declares no other encoding (a £ in a password that was \
         saved as ANSI looks so); save the file as UTF-8, or begin it with \
         <?xml version=\"1.0\" encoding=\"windows-1252\"?>"
    )]
    NotUtf8 {
        /// Where the first of them stands.
        at: Position,
    },
    /// Bytes that are no text in the encoding that the file declares or shows.
    #[error("bytes at {at} are no text in the encoding that the file declares; save the file as UTF-8")]
    Undecodable {
        /// Where; the start of the line for encodings other than UTF-8.
        at: Position,
    },
    /// The file declares an encoding that nobody knows.
    #[error("the encoding declared at {at} is not known; save the file as UTF-8")]
    UnknownEncoding {
        /// Where the declaration stands.
        at: Position,
    },
    /// The file has a DOCTYPE. It is refused unread, because it can name other files and expand without end.
    #[error("there is a DOCTYPE at {at}; a client's configuration has none, so take it out")]
    Doctype {
        /// Where it stands.
        at: Position,
    },
    /// The first element is not `MESHConfig`.
    #[error(
        "the first element, at {at}, is not MESHConfig, so this is no meshclient.cfg; a DTS client's configuration can \
         be imported as one"
    )]
    NotMeshConfig {
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
    #[error(
        "an element stands inside the value of {key} at {at}; close {key} before it, or write `<` as `&lt;`"
    )]
    ElementInValue {
        /// Of which key.
        key: &'static str,
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
    /// The file ends before its root does.
    #[error("the file ends at {at} before its first element does; it is cut off, so restore it from a copy")]
    Unterminated {
        /// Where the tag or the file ends without a close.
        at: Position,
    },
    /// Something other than comments stands behind the root.
    #[error("there is more behind the end of the first element at {at}; take it out")]
    TrailingContent {
        /// Where it begins.
        at: Position,
    },
    /// Keys without which nothing can be done.
    #[error("{}", in_words(.0))]
    Missing(
        /// Each of them, in the order of the file.
        Vec<Missing>,
    ),
}

fn in_words(missing: &[Missing]) -> String {
    let each: Vec<String> = missing.iter().map(Missing::to_string).collect();
    format!("{}; write what is missing", each.join("; "))
}

impl ReadError {
    /// Where in the file. `None` when the whole file is meant.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Empty | Self::TooLarge { .. } => None,
            Self::NotUtf8 { at }
            | Self::Undecodable { at }
            | Self::UnknownEncoding { at }
            | Self::Doctype { at }
            | Self::NotMeshConfig { at }
            | Self::TooDeep { at }
            | Self::ElementInValue { at, .. }
            | Self::UnknownEntity { at }
            | Self::Malformed { at, .. }
            | Self::Unterminated { at }
            | Self::TrailingContent { at } => Some(*at),
            Self::Missing(missing) => missing.iter().find_map(|missing| match missing.block {
                Block::Client { at, .. } => Some(at),
                Block::Root => None,
            }),
        }
    }
}
