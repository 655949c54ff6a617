//! From bytes to text (`dts-file-interface.md` 3.1, "Encoding").

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::encoding::{DetectedEncoding, decode};
use quick_xml::events::Event;

use crate::parse::WORD_PROCESSOR_QUOTES;
use crate::read_error::{Position, ReadError};

const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

/// How the bytes of a file are text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// UTF-8, declared or not.
    Utf8,
    /// UTF-8 behind a byte-order mark.
    Marked,
    /// UTF-16.
    Utf16,
    /// UTF-8, although the declaration says UTF-16.
    NotUtf16,
    /// Another encoding, which the declaration names.
    Declared,
}

/// The file's text without a byte-order mark, and how it was read.
///
/// What the bytes show wins over what the declaration says: a byte-order mark, or the zero bytes of UTF-16.
/// Windows programs write `encoding="utf-16"` over a file that they then save as UTF-8; that is read as
/// UTF-8.
pub(crate) fn to_text(bytes: &[u8]) -> Result<(Cow<'_, str>, Form), ReadError> {
    let (text, form) = match bytes {
        [0xFE, 0xFF, rest @ ..] => (utf16(rest, u16::from_be_bytes), Form::Utf16),
        [0xFF, 0xFE, rest @ ..] => (utf16(rest, u16::from_le_bytes), Form::Utf16),
        [0x00, b'<', ..] => (utf16(bytes, u16::from_be_bytes), Form::Utf16),
        [b'<', 0x00, ..] => (utf16(bytes, u16::from_le_bytes), Form::Utf16),
        _ => match bytes.strip_prefix(UTF8_BOM) {
            Some(rest) => (utf8(rest), Form::Marked),
            None => return declared(bytes),
        },
    };
    Ok((text?, form))
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, ReadError> {
    std::str::from_utf8(bytes)
        .map(Cow::Borrowed)
        .map_err(|error| ReadError::Undecodable { at: Position::of(bytes, error.valid_up_to()) })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'static, str>, ReadError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    for c in char::decode_utf16(pairs.iter().map(|&pair| unit(pair))) {
        match c {
            Ok(c) => text.push(c),
            Err(_) => return Err(undecodable_after(&text)),
        }
    }
    if rest.is_empty() { Ok(Cow::Owned(text)) } else { Err(undecodable_after(&text)) }
}

fn undecodable_after(text: &str) -> ReadError {
    ReadError::Undecodable { at: Position::of(text.as_bytes(), text.len()) }
}

/// Text in an encoding that keeps ASCII in its place, as the declaration says; UTF-8 without one.
fn declared(bytes: &[u8]) -> Result<(Cow<'_, str>, Form), ReadError> {
    let Some((offset, declaration)) = declaration(bytes) else {
        return Ok((utf8(bytes)?, Form::Utf8));
    };
    let at = Position::of(bytes, offset);
    if declaration.contains(WORD_PROCESSOR_QUOTES) {
        let reason = "the XML declaration has quotes of a word processor";
        return Err(ReadError::Malformed { at, reason, fix: "type plain quotes, or take it out" });
    }
    let Ok(Event::Decl(declaration)) = Reader::from_str(declaration).read_event() else {
        // The reader proper meets the same declaration and says what is wrong with it.
        return Ok((utf8(bytes)?, Form::Utf8));
    };
    if declaration.encoding().is_none() {
        return Ok((utf8(bytes)?, Form::Utf8));
    }
    let encoding = declaration.encoder().ok_or(ReadError::UnknownEncoding { at })?;
    let utf16 = [DetectedEncoding::Utf16LeBom.encoding(), DetectedEncoding::Utf16BeBom.encoding()];
    if utf16.contains(&encoding) {
        return Ok((utf8(bytes)?, Form::NotUtf16));
    }
    if encoding == DetectedEncoding::Utf8Bom.encoding() {
        return Ok((utf8(bytes)?, Form::Utf8));
    }
    let text = decode(bytes, encoding).map_err(|_| {
        // The decoder does not say where, so each line is tried alone.
        let line = bytes.split(|&byte| byte == b'\n').position(|line| decode(line, encoding).is_err());
        ReadError::Undecodable { at: Position { line: 1 + line.unwrap_or(0), column: 1 } }
    })?;
    Ok((text, Form::Declared))
}

/// The XML declaration and where it begins, when there is one. White space before it is against XML but seen.
fn declaration(bytes: &[u8]) -> Option<(usize, &str)> {
    let offset = bytes.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let rest = &bytes[offset..];
    if !rest.starts_with(b"<?xml") {
        return None;
    }
    let end = rest.windows(2).position(|pair| pair == b"?>")? + 2;
    std::str::from_utf8(&rest[..end]).ok().map(|text| (offset, text))
}
