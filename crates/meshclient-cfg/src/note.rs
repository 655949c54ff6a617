//! What is odd in a file and hinders nothing.

use std::fmt;

use crate::read_error::{Block, Position};

/// One oddity. Repeats no value of the file, save the id of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where it stands.
    pub at: Position,
    /// In which block.
    pub block: Block,
    /// What it is.
    pub kind: NoteKind,
}

/// What is odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoteKind {
    /// A key that nobody knows.
    Unknown {
        /// Its name, made fit to be shown.
        key: String,
    },
    /// A key that stood before in the same block; the first counts.
    Repeated {
        /// Which.
        key: &'static str,
        /// Where the first stands.
        first: Position,
    },
    /// A value that is no whole number, or one that means nothing here.
    NotANumber {
        /// Of which key.
        key: &'static str,
        /// The least that it may be.
        least: u32,
    },
    /// A value that is neither yes nor no.
    NotYesOrNo {
        /// Of which key.
        key: &'static str,
        /// What it counts as; `None`: as absent.
        used: Option<bool>,
    },
    /// The file is a DTS client's, and nothing public says what stands in such a file.
    DtsFile {
        /// The name of its root, made fit to be shown.
        root: String,
        /// The keys that were found in it, each once.
        found: Vec<&'static str>,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Block::Client { id: Some(id), .. } = &self.block {
            write!(f, "line {}, mailbox {id}: ", self.at.line)?;
        } else {
            write!(f, "line {}: ", self.at.line)?;
        }
        match &self.kind {
            NoteKind::Unknown { key } => write!(f, "{key} is not known; it is not used"),
            NoteKind::Repeated { key, first } => {
                write!(f, "{key} stands here again; the one in line {} counts", first.line)
            }
            NoteKind::NotANumber { key, least: 0 } => {
                write!(f, "{key} is not a whole number; it is not used")
            }
            NoteKind::NotANumber { key, .. } => {
                write!(f, "{key} is not a whole number above nothing; it is not used")
            }
            NoteKind::NotYesOrNo { key, used: Some(used) } => {
                write!(f, "{key} is neither Y nor N; it counts as {}", if *used { "Y" } else { "N" })
            }
            NoteKind::NotYesOrNo { key, used: None } => {
                write!(f, "{key} is neither Y nor N; it is not used")
            }
            NoteKind::DtsFile { root, found } => {
                let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
                write!(
                    f,
                    "the first element is {root}; nothing public says what stands in a DTS client's configuration, so the \
                     keys of the MESH client were looked for. Found: {found}. Look each over"
                )
            }
        }
    }
}
