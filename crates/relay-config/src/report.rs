//! Faults as a terminal shows them: with frames and colours, and the place marked.

use std::fmt;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};

use crate::fault::{Fault, Faults};

/// Columns of a line before it is broken.
const WIDTH: usize = 110;

impl Faults {
    /// For a terminal with colours. Where there are none, in a file or behind a pipe, `Display` says the same in plain text.
    pub fn on_terminal(&self) -> String {
        let theme = GraphicalTheme::unicode();
        let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(WIDTH);
        let mut text = String::new();
        for fault in self {
            // Writing to a string does not fail; what cannot be framed is told plainly.
            if handler.render_report(&mut text, &Framed::of(fault)).is_err() {
                text += &format!("{fault}\n");
            }
        }
        text
    }
}

/// A fault with its line: what is a secret was left out of that when the fault was made.
#[derive(Debug)]
struct Framed<'a> {
    fault: &'a Fault,
    line: Line,
}

/// The one line that is shown.
#[derive(Debug)]
struct Line {
    file: String,
    text: String,
    number: usize,
}

impl<'a> Framed<'a> {
    fn of(fault: &'a Fault) -> Self {
        let text = fault.excerpt.as_ref().map(|excerpt| excerpt.text.clone()).unwrap_or_default();
        let file = match (fault.line, &fault.excerpt) {
            (0, _) => fault.file.display().to_string(),
            // The frame counts columns by itself, from where the mark begins.
            (_, Some(_)) => fault.file.display().to_string(),
            (line, None) => format!("{}:{line}:{}", fault.file.display(), fault.column),
        };
        Self { fault, line: Line { file, text, number: fault.line } }
    }
}

impl fmt::Display for Framed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault.message)?;
        // Without a line there is no frame to name the file.
        if self.fault.excerpt.is_none() { write!(f, " ({})", self.line.file) } else { Ok(()) }
    }
}

impl std::error::Error for Framed<'_> {}

impl Diagnostic for Framed<'_> {
    fn help<'h>(&'h self) -> Option<Box<dyn fmt::Display + 'h>> {
        Some(Box::new(&self.fault.hint))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.fault.excerpt.as_ref().map(|_| &self.line as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let excerpt = self.fault.excerpt.as_ref()?;
        let bytes =
            |characters: &mut dyn Iterator<Item = char>| characters.map(char::len_utf8).sum::<usize>();
        let start = bytes(&mut excerpt.text.chars().take(excerpt.skip));
        let length = bytes(&mut excerpt.text.chars().skip(excerpt.skip).take(excerpt.width));
        Some(Box::new(std::iter::once(LabeledSpan::underline((start, length)))))
    }
}

impl SourceCode for Line {
    fn read_span<'a>(
        &'a self,
        _: &SourceSpan,
        _: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let whole = SourceSpan::from((0, self.text.len()));
        let (file, text) = (self.file.clone(), self.text.as_bytes());
        Ok(Box::new(MietteSpanContents::new_named(file, text, whole, self.number.saturating_sub(1), 0, 1)))
    }
}
