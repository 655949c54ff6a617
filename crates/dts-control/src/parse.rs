//! The grammar of control files: tokens, and the ways to consume them (`dts-file-interface.md` 3.1).

use quick_xml::Reader;
use quick_xml::errors::{Error as XmlError, IllFormedError, SyntaxError};
use quick_xml::events::{BytesRef, BytesStart, Event as XmlEvent};

use crate::read::DEPTH_MAX;
use crate::read_error::{Position, ReadError};
use crate::xml;

const ROOT: &str = "DTSControl";

/// What word processors make of `"` and `'`; XML knows them as letters of a value only.
pub(crate) const WORD_PROCESSOR_QUOTES: [char; 6] =
    ['\u{201C}', '\u{201D}', '\u{201E}', '\u{2018}', '\u{2019}', '\u{201A}'];

/// Goes through a text once, from front to back. Never recurses.
pub(crate) struct Parser<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    /// Where the last token began.
    token: usize,
    /// A place that was asked for, and its offset: the next one is counted from there.
    mark: (usize, Position),
    /// Where the first text between elements stands.
    stray: Option<usize>,
    depth: usize,
    /// Whether the root has been opened; an XML declaration may stand only before it.
    in_body: bool,
}

/// What the grammar of control files is made of; everything else has been dropped or refused.
enum Token {
    Start(String),
    End,
    Text(String),
    EndOfFile,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        let mark = (0, Position { line: 1, column: 1 });
        Self { text, reader, token: 0, mark, stray: None, depth: 0, in_body: false }
    }

    pub(crate) fn position(&self, offset: usize) -> Position {
        Position::of(self.text.as_bytes(), offset)
    }

    /// Where the last token began. Places are asked for in order, so that a file is gone through once.
    pub(crate) fn place(&mut self) -> Position {
        let (offset, at) = self.mark;
        let passed = self.text.get(offset..self.token).unwrap_or_default();
        let column = match passed.rsplit_once('\n') {
            Some((_, line)) => 1 + line.chars().count(),
            None => at.column + passed.chars().count(),
        };
        self.mark = (self.token, Position { line: at.line + passed.matches('\n').count(), column });
        self.mark.1
    }

    /// Where the first text between elements stands.
    pub(crate) fn stray(&self) -> Option<Position> {
        self.stray.map(|offset| self.position(offset))
    }

    fn here(&self) -> Position {
        self.position(self.token)
    }

    /// Where the last token begins once white space is passed over, in bytes.
    fn past_space(&self) -> usize {
        let rest = self.text.get(self.token..).unwrap_or_default();
        self.text.len() - rest.trim_start_matches(xml::is_space).len()
    }

    fn here_past_space(&self) -> Position {
        self.position(self.past_space())
    }

    fn malformed(&self, reason: &'static str, fix: &'static str) -> ReadError {
        ReadError::Malformed { at: self.here(), reason, fix }
    }

    fn next(&mut self) -> Result<Token, ReadError> {
        loop {
            self.token = offset(self.reader.buffer_position());
            let event = match self.reader.read_event() {
                Ok(event) => event,
                Err(error) => return Err(self.syntax(&error)),
            };
            return Ok(match event {
                // `Empty` does not come: the reader is told to expand it to a start and an end.
                XmlEvent::Start(tag) | XmlEvent::Empty(tag) => Token::Start(self.open(&tag)?),
                XmlEvent::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    Token::End
                }
                XmlEvent::Text(text) => Token::Text(text.xml10_content().into_owned()),
                XmlEvent::CData(text) => Token::Text(text.xml10_content().into_owned()),
                XmlEvent::GeneralRef(reference) => Token::Text(self.resolve(&reference)?.to_string()),
                XmlEvent::DocType(_) => return Err(ReadError::Doctype { at: self.here() }),
                XmlEvent::Decl(_) if self.in_body => {
                    let reason = "an XML declaration may stand only at the start";
                    return Err(self.malformed(reason, "take this one out"));
                }
                XmlEvent::Decl(_) | XmlEvent::Comment(_) | XmlEvent::PI(_) => continue,
                XmlEvent::Eof => Token::EndOfFile,
            });
        }
    }

    /// Takes a start tag in: its name without prefix. Attributes are ignored but must be well-formed.
    fn open(&mut self, tag: &BytesStart<'_>) -> Result<String, ReadError> {
        self.in_body = true;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ReadError::TooDeep { at: self.here() });
        }
        if !xml::is_name(tag.name().into_inner()) {
            return Err(self.malformed("a tag without a proper name", "write `<` in a value as `&lt;`"));
        }
        if tag.attributes().any(|attribute| attribute.is_err()) {
            return Err(match tag.contains(WORD_PROCESSOR_QUOTES) {
                true => self.malformed(
                    "a tag with quotes of a word processor",
                    "type plain quotes, or take them out",
                ),
                false => self.malformed("a tag whose attributes are not well-formed", "take them out"),
            });
        }
        Ok(tag.local_name().into_inner().to_owned())
    }

    /// The character that a reference stands for.
    fn resolve(&self, reference: &BytesRef<'_>) -> Result<char, ReadError> {
        match reference.resolve_char_ref() {
            Ok(Some(c)) if xml::is_char(c) => return Ok(c),
            Ok(None) => {}
            _ => return Err(self.malformed("a reference to a character that XML forbids", "take it out")),
        }
        match reference.as_ref() {
            "amp" => Ok('&'),
            "lt" => Ok('<'),
            "gt" => Ok('>'),
            "apos" => Ok('\''),
            "quot" => Ok('"'),
            _ => Err(ReadError::UnknownEntity { at: self.here() }),
        }
    }

    fn syntax(&self, error: &XmlError) -> ReadError {
        let at = self.position(offset(self.reader.error_position()));
        let (reason, fix) = match error {
            XmlError::Syntax(SyntaxError::UnclosedDoctype)
            | XmlError::IllFormed(IllFormedError::MissingDoctypeName) => {
                return ReadError::Doctype { at: self.here() };
            }
            XmlError::Syntax(SyntaxError::InvalidBangMarkup) => {
                ("markup that XML does not know", "take it out, or write `<` in a value as `&lt;`")
            }
            XmlError::Syntax(_) => return ReadError::Unterminated { at },
            XmlError::IllFormed(IllFormedError::UnclosedReference) => {
                ("an `&` that begins no reference", "write it as `&amp;`")
            }
            XmlError::IllFormed(
                IllFormedError::UnmatchedEndTag(_) | IllFormedError::MismatchedEndTag { .. },
            ) => ("a close tag that does not fit the open one", "give both the same name"),
            _ => ("it is not well-formed", "have an XML editor check it"),
        };
        ReadError::Malformed { at, reason, fix }
    }

    /// Everything up to and with the start tag of the root.
    pub(crate) fn root(&mut self) -> Result<(), ReadError> {
        loop {
            match self.next()? {
                Token::Start(name) if name == ROOT => return Ok(()),
                Token::Start(_) => return Err(ReadError::NotDtsControl { at: self.here() }),
                Token::Text(text) if is_blank(&text) => {}
                Token::Text(_) => {
                    let (at, reason) = (self.here_past_space(), "text before the first tag");
                    return Err(ReadError::Malformed { at, reason, fix: "take it out" });
                }
                Token::End | Token::EndOfFile => return Err(ReadError::Unterminated { at: self.here() }),
            }
        }
    }

    /// After the end tag of the root.
    pub(crate) fn end(&mut self) -> Result<(), ReadError> {
        loop {
            match self.next()? {
                Token::Text(text) if is_blank(&text) => {}
                Token::EndOfFile => return Ok(()),
                Token::Start(_) | Token::End | Token::Text(_) => {
                    return Err(ReadError::TrailingContent { at: self.here_past_space() });
                }
            }
        }
    }

    /// The children of an open element, one call of `child` for each, up to and with its end tag.
    pub(crate) fn children(
        &mut self,
        mut child: impl FnMut(&mut Self, String) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        loop {
            match self.next()? {
                Token::Start(name) => child(self, name)?,
                Token::Text(text) if self.stray.is_none() && !is_blank(&text) => {
                    self.stray = Some(self.past_space());
                }
                Token::Text(_) => {}
                Token::End => return Ok(()),
                Token::EndOfFile => return Err(ReadError::Unterminated { at: self.here() }),
            }
        }
    }

    /// The text of an open element, trimmed, up to and with its end tag.
    pub(crate) fn value(&mut self) -> Result<String, ReadError> {
        let mut value = String::new();
        loop {
            match self.next()? {
                Token::Text(text) => value.push_str(&text),
                Token::End => return Ok(value.trim_matches(xml::is_space).to_owned()),
                Token::Start(_) => return Err(ReadError::ElementInValue { at: self.here() }),
                Token::EndOfFile => return Err(ReadError::Unterminated { at: self.here() }),
            }
        }
    }

    /// The content of an open element written out again as XML source, up to and with its end tag.
    pub(crate) fn source(&mut self) -> Result<String, ReadError> {
        let mut source = String::new();
        let mut open: Vec<String> = Vec::new();
        loop {
            match self.next()? {
                Token::Text(text) => escape_keeping_lines(&mut source, &text),
                Token::Start(name) => {
                    source.extend(["<", &name, ">"]);
                    open.push(name);
                }
                Token::End => match open.pop() {
                    Some(name) => source.extend(["</", &name, ">"]),
                    None => return Ok(source.trim_matches(xml::is_space).to_owned()),
                },
                Token::EndOfFile => return Err(ReadError::Unterminated { at: self.here() }),
            }
        }
    }
}

/// Text of an unknown element: its line breaks are layout as often as content, so they stay as they are.
fn escape_keeping_lines(out: &mut String, text: &str) {
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        xml::escape_into(out, line);
    }
}

/// The reader counts in `u64`; the text is never longer than `SIZE_MAX` times four.
fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

fn is_blank(text: &str) -> bool {
    text.chars().all(xml::is_space)
}
