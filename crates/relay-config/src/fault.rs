//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;

/// One fault in a configuration file.
///
/// `Display` gives plain text over several lines, with an excerpt of the file. No field holds a secret: what
/// belongs to one is replaced by `…` before the fault is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, as its path was given.
    pub file: PathBuf,
    /// Line, from 1. 0 when the file could not be read.
    pub line: usize,
    /// Column, from 1, in characters. 0 when the file could not be read.
    pub column: usize,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it, in one line.
    pub hint: String,
    /// The line itself, when there is one to show.
    pub(crate) excerpt: Option<Excerpt>,
}

/// One line of the file, fit to be shown, and which part of it to underline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// The line, with secrets replaced and tabs made single blanks.
    pub(crate) text: String,
    /// Characters before the underlined part.
    pub(crate) skip: usize,
    /// Characters to underline, at least 1.
    pub(crate) width: usize,
}

impl Fault {
    /// A fault of a file that is not read here, such as the one from which a configuration was made. Line and column as
    /// in [`Fault`].
    pub fn elsewhere(
        file: impl Into<PathBuf>,
        (line, column): (usize, usize),
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let (message, hint) = (message.into(), hint.into());
        Self { file: file.into(), line, column, message, hint, excerpt: None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        if self.line == 0 {
            write!(f, "{gutter}--> {}", self.file.display())?;
        } else {
            write!(f, "{gutter}--> {}:{}:{}", self.file.display(), self.line, self.column)?;
        }
        if let Some(excerpt) = &self.excerpt {
            write!(f, "\n{gutter} |\n{number} | {}\n{gutter} | ", excerpt.text)?;
            write!(f, "{}{}", " ".repeat(excerpt.skip), "^".repeat(excerpt.width))?;
        }
        write!(f, "\n{gutter} = hint: {}", self.hint)
    }
}

impl std::error::Error for Fault {}

/// An error's text as what is wrong and what to do. Errors of this house end in that, behind their last `; `; for one that
/// does not, `otherwise` is what to do.
pub fn advice(text: &str, otherwise: &str) -> (String, String) {
    match text.rsplit_once("; ") {
        Some((message, hint)) if !hint.is_empty() => (message.to_owned(), hint.to_owned()),
        _ => (text.to_owned(), otherwise.to_owned()),
    }
}

/// Every fault that was found, in the order of the file once [`load`](crate::load) has returned them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// No faults yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The faults one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }

    /// Keeps the first ones alone.
    pub(crate) fn first(&mut self, most: usize) {
        self.0.truncate(most);
    }

    /// Puts them in the order of the file and leaves out repetitions.
    pub(crate) fn sort(&mut self) {
        self.0.sort_by_key(|fault| (fault.line, fault.column));
        self.0.dedup();
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl Extend<Fault> for Faults {
    fn extend<I: IntoIterator<Item = Fault>>(&mut self, faults: I) {
        self.0.extend(faults);
    }
}

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = std::vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
