//! The text of a configuration file: from byte ranges to lines, columns and excerpts.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::fault::{Excerpt, Fault, Faults};
use crate::mask;

/// Most faults of syntax that are told: behind a bracket that is not closed, every line is another.
const SYNTAX_FAULTS_MAX: usize = 3;

/// A file that was read, with what of it must not be shown.
pub(crate) struct Source {
    path: PathBuf,
    text: String,
    /// Byte ranges of secrets.
    masks: Vec<Range<usize>>,
}

/// The text may hold a secret by mistake, so it is left out.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Source {
    /// Reads the file. Faults: it cannot be read, it is not UTF-8, it is not TOML (each place).
    pub(crate) fn read(path: &Path) -> Result<Self, Faults> {
        let bytes = std::fs::read(path).map_err(|error| Fault {
            file: path.to_owned(),
            line: 0,
            column: 0,
            message: format!("cannot read the configuration: {error}"),
            hint: "check the path, and that this user may read the file".to_owned(),
            excerpt: None,
        })?;
        // Of an encoding of two bytes each, much is good UTF-8 with such bytes in between.
        if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
            return Err(not_text(path, &bytes[..at]).into());
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            not_text(path, &error.as_bytes()[..good])
        })?;
        Self::of(path, text)
    }

    /// Takes a text as the content of the file. Faults: it is not TOML (each place).
    pub(crate) fn of(path: &Path, text: String) -> Result<Self, Faults> {
        let mut source = Self { path: path.to_owned(), text, masks: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        if errors.is_empty() {
            let masks = mask::secret_values(table.get_ref());
            source.masks = masks;
            return Ok(source);
        }
        let mut faults = Faults::new();
        for error in errors {
            faults.push(source.broken(error.span().unwrap_or(0..0), error.message()));
        }
        faults.sort();
        faults.first(SYNTAX_FAULTS_MAX);
        Err(faults)
    }

    /// The path as it was given.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The whole file as tables. The text was accepted by [`Self::read`], so this has no errors to tell.
    pub(crate) fn tables(&self) -> DeTable<'_> {
        DeTable::parse_recoverable(&self.text).0.into_inner()
    }

    /// A fault at a byte range. `hide` is a further range that must not be shown.
    pub(crate) fn fault(
        &self,
        span: Range<usize>,
        hide: Option<Range<usize>>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Fault {
        let masks: Vec<_> = self.masks.iter().cloned().chain(hide).collect();
        self.at(span, &masks, message.into(), hint.into())
    }

    /// A fault about the file as a whole, such as a section that is not there.
    pub(crate) fn fault_of_file(&self, message: impl Into<String>, hint: impl Into<String>) -> Fault {
        let (file, message, hint) = (self.path.clone(), message.into(), hint.into());
        Fault { file, line: 1, column: 1, message, hint, excerpt: None }
    }

    /// A fault of syntax.
    fn broken(&self, span: Range<usize>, message: &str) -> Fault {
        let (start, line) = self.line_at(span.start);
        let hidden = mask::secret_in_broken_line(&self.text[..start], line);
        let masks: Vec<_> = hidden.map(|range| start + range.start..start + range.end).into_iter().collect();
        let (message, hint) = match message {
            "duplicate key" => {
                ("this key or section stands here for the second time", "remove one of the two")
            }
            other => {
                (other, "text stands in quotes: key = \"value\"; a section begins with [name] or [[name]]")
            }
        };
        self.at(span, &masks, message.to_owned(), hint.to_owned())
    }

    fn at(&self, span: Range<usize>, masks: &[Range<usize>], message: String, hint: String) -> Fault {
        let (start, line) = self.line_at(span.start);
        let at = span.start.clamp(start, start + line.len());
        let before = self.text.get(..at).unwrap_or_default();
        Fault {
            file: self.path.clone(),
            line: before.matches('\n').count() + 1,
            column: before.get(start..).unwrap_or_default().chars().count() + 1,
            message,
            hint,
            excerpt: Some(excerpt(line, start, &span, masks)),
        }
    }

    /// The line that holds a byte, without its end, and where it starts.
    fn line_at(&self, byte: usize) -> (usize, &str) {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        let start = self.text[..byte].rfind('\n').map_or(0, |end| end + 1);
        let line = self.text[start..].lines().next().unwrap_or_default();
        (start, line)
    }
}

/// The line as it may be shown. Column by column it is the file, save that a hidden part is one `…`.
fn excerpt(line: &str, start: usize, span: &Range<usize>, masks: &[Range<usize>]) -> Excerpt {
    let mut shown = Excerpt { text: String::new(), skip: 0, width: 0 };
    let mut hiding = None;
    for (offset, character) in line.char_indices() {
        let byte = start + offset;
        let mask = masks.iter().position(|mask| mask.contains(&byte));
        let underlined = span.contains(&byte);
        if mask.is_some() && mask == hiding {
            continue;
        }
        hiding = mask;
        shown.text.push(match (mask, character) {
            (Some(_), _) => '…',
            (None, '\t') => ' ',
            (None, other) => other,
        });
        if underlined {
            shown.width += 1;
        } else if shown.width == 0 && byte < span.start {
            shown.skip += 1;
        }
    }
    shown.width = shown.width.max(1);
    shown
}

/// `good` is what stands before the first bytes that are no text.
fn not_text(path: &Path, good: &[u8]) -> Fault {
    let before = String::from_utf8_lossy(good);
    Fault {
        file: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
        message: "the file is not UTF-8 text".to_owned(),
        hint: "save it as UTF-8; an editor may call the present form ANSI, Latin-1 or UTF-16".to_owned(),
        excerpt: None,
    }
}
