//! The grammar: tokens, and the ways to consume them.

use quick_xml::Reader;
use quick_xml::errors::{Error as XmlError, IllFormedError, SyntaxError};
use quick_xml::events::{BytesRef, BytesStart, Event as XmlEvent};
use secrecy::zeroize::Zeroizing;

use crate::read::DEPTH_MAX;
use crate::read_error::{Position, ReadError};

/// Goes through a text once, from front to back. Never recurses.
pub(crate) struct Parser<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    /// Where the last token began: byte and place. Only ever moves on, so that a file costs one look at each byte.
    token: (usize, Position),
    depth: usize,
    /// Whether the root has been opened; an XML declaration may stand only before it.
    in_body: bool,
}

/// What the grammar is made of; everything else has been dropped or refused.
enum Token {
    Start(String),
    End,
    Text(Zeroizing<String>),
    EndOfFile,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self { text, reader, token: (0, Position::START), depth: 0, in_body: false }
    }

    /// Where the last token began.
    pub(crate) fn here(&self) -> Position {
        self.token.1
    }

    /// The place of a byte at or behind the last token.
    fn place(&self, offset: usize) -> Position {
        let (from, at) = self.token;
        at.after(self.text.as_bytes().get(from..offset).unwrap_or_default())
    }

    /// Where the last token begins once white space is passed over.
    fn here_past_space(&self) -> Position {
        let rest = self.text.get(self.token.0..).unwrap_or_default();
        self.place(self.text.len() - rest.trim_start_matches(is_space).len())
    }

    fn malformed(&self, reason: &'static str) -> ReadError {
        ReadError::Malformed { at: self.here(), reason }
    }

    fn next(&mut self) -> Result<Token, ReadError> {
        loop {
            let offset = offset(self.reader.buffer_position());
            self.token = (offset, self.place(offset));
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
                XmlEvent::Text(text) => Token::Text(text.xml10_content().into_owned().into()),
                XmlEvent::CData(text) => Token::Text(text.xml10_content().into_owned().into()),
                XmlEvent::GeneralRef(reference) => Token::Text(self.resolve(&reference)?.to_string().into()),
                XmlEvent::DocType(_) => return Err(ReadError::Doctype { at: self.here() }),
                XmlEvent::Decl(_) if self.in_body => {
                    return Err(
                        self.malformed("an XML declaration may stand only at the start; take this one out")
                    );
                }
                XmlEvent::Decl(_) | XmlEvent::Comment(_) | XmlEvent::PI(_) => continue,
                XmlEvent::Eof => Token::EndOfFile,
            });
        }
    }

    /// Takes a start tag in: its name without prefix. Attributes are ignored.
    fn open(&mut self, tag: &BytesStart<'_>) -> Result<String, ReadError> {
        self.in_body = true;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ReadError::TooDeep { at: self.here() });
        }
        let name = tag.local_name().into_inner();
        if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return Err(self.malformed("a tag without a proper name; write `<` in a value as `&lt;`"));
        }
        Ok(name.to_owned())
    }

    /// The character that a reference stands for.
    fn resolve(&self, reference: &BytesRef<'_>) -> Result<char, ReadError> {
        match reference.resolve_char_ref() {
            Ok(Some(c)) if is_char(c) => return Ok(c),
            Ok(None) => {}
            _ => return Err(self.malformed("a reference to a character that XML forbids; take it out")),
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
        let at = self.place(offset(self.reader.error_position()));
        let reason = match error {
            XmlError::Syntax(SyntaxError::UnclosedDoctype)
            | XmlError::IllFormed(IllFormedError::MissingDoctypeName) => {
                return ReadError::Doctype { at: self.here() };
            }
            XmlError::Syntax(SyntaxError::InvalidBangMarkup) => "markup that XML does not know",
            XmlError::Syntax(_) => return ReadError::Unterminated { at },
            XmlError::IllFormed(IllFormedError::UnclosedReference) => {
                "an `&` that begins no reference; write it as `&amp;`"
            }
            XmlError::IllFormed(
                IllFormedError::UnmatchedEndTag(_) | IllFormedError::MismatchedEndTag { .. },
            ) => "a close tag that does not fit the open one; give both the same name",
            _ => "it is not well-formed; have an XML editor check it",
        };
        ReadError::Malformed { at, reason }
    }

    /// Everything up to and with the start tag of the root, whose name comes back.
    pub(crate) fn root(&mut self) -> Result<String, ReadError> {
        loop {
            match self.next()? {
                Token::Start(name) => return Ok(name),
                Token::Text(text) if is_blank(&text) => {}
                Token::Text(_) => {
                    let reason = "text before the first tag; take it out";
                    return Err(ReadError::Malformed { at: self.here_past_space(), reason });
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

    /// The next child of an open element, by name; `None` at its end tag. Text between children is ignored.
    pub(crate) fn child(&mut self) -> Result<Option<String>, ReadError> {
        loop {
            match self.next()? {
                Token::Start(name) => return Ok(Some(name)),
                Token::Text(_) => {}
                Token::End => return Ok(None),
                Token::EndOfFile => return Err(ReadError::Unterminated { at: self.here() }),
            }
        }
    }

    /// The text of an open element, trimmed, up to and with its end tag.
    pub(crate) fn value(&mut self, key: &'static str) -> Result<Zeroizing<String>, ReadError> {
        let mut value = Zeroizing::new(String::new());
        loop {
            match self.next()? {
                Token::Text(text) => value.push_str(&text),
                Token::End => return Ok(value.trim_matches(is_space).to_owned().into()),
                Token::Start(_) => return Err(ReadError::ElementInValue { key, at: self.here() }),
                Token::EndOfFile => return Err(ReadError::Unterminated { at: self.here() }),
            }
        }
    }

    /// Passes over an open element, up to and with its end tag.
    pub(crate) fn skip(&mut self) -> Result<(), ReadError> {
        let mut open = 1_usize;
        while open > 0 {
            match self.next()? {
                Token::Text(_) => {}
                Token::Start(_) => open += 1,
                Token::End => open -= 1,
                Token::EndOfFile => return Err(ReadError::Unterminated { at: self.here() }),
            }
        }
        Ok(())
    }
}

/// The reader counts in `u64`; the text is never longer than `SIZE_MAX` times four.
fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

fn is_blank(text: &str) -> bool {
    text.chars().all(is_space)
}

/// White space of XML. Narrower than Rust's own: a no-break space is part of a value.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Whether XML 1.0 allows the character at all, even as a reference (production 2).
pub(crate) fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}
