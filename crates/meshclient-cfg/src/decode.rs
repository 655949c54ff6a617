//! From bytes to text (`dts-file-interface.md` 6.1 and Q17).

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::encoding::{DetectedEncoding, decode, detect_encoding};
use quick_xml::events::Event;

use crate::read_error::{Position, ReadError};

/// The file's text without a byte-order mark. What the bytes show, a byte-order mark or the zero bytes of UTF-16, wins
/// over what the declaration says.
pub(crate) fn to_text(bytes: &[u8]) -> Result<Cow<'_, str>, ReadError> {
    match detect_encoding(bytes) {
        Some(DetectedEncoding::Utf8Bom) => {
            utf8(&bytes[DetectedEncoding::Utf8Bom.bom_len()..], |at| ReadError::Undecodable { at })
        }
        None | Some(DetectedEncoding::AsciiCompatible) => declared(bytes),
        Some(shown) => decode(&bytes[shown.bom_len()..], shown.encoding())
            .map_err(|_| ReadError::Undecodable { at: Position::START }),
    }
}

fn utf8(bytes: &[u8], refused: impl FnOnce(Position) -> ReadError) -> Result<Cow<'_, str>, ReadError> {
    std::str::from_utf8(bytes)
        .map(Cow::Borrowed)
        .map_err(|error| refused(Position::START.after(&bytes[..error.valid_up_to()])))
}

/// Text in an encoding that keeps ASCII in its place, as the declaration says; UTF-8 without one.
fn declared(bytes: &[u8]) -> Result<Cow<'_, str>, ReadError> {
    let undeclared = |at| ReadError::NotUtf8 { at };
    let Some((offset, declaration)) = declaration(bytes) else { return utf8(bytes, undeclared) };
    let Ok(Event::Decl(declaration)) = Reader::from_str(declaration).read_event() else {
        // The reader proper meets the same declaration and says what is wrong with it.
        return utf8(bytes, undeclared);
    };
    if declaration.encoding().is_none() {
        return utf8(bytes, undeclared);
    }
    let at = Position::START.after(&bytes[..offset]);
    let encoding = declaration.encoder().ok_or(ReadError::UnknownEncoding { at })?;
    // Windows programs write `encoding="utf-16"` over a file that they then save as UTF-8.
    let of_the_bytes =
        [DetectedEncoding::Utf8Bom, DetectedEncoding::Utf16LeBom, DetectedEncoding::Utf16BeBom]
            .map(|shown| shown.encoding());
    if of_the_bytes.contains(&encoding) {
        return utf8(bytes, |at| ReadError::Undecodable { at });
    }
    decode(bytes, encoding).map_err(|_| {
        // The decoder does not say where, so each line is tried alone.
        let line = bytes.split(|&byte| byte == b'\n').position(|line| decode(line, encoding).is_err());
        ReadError::Undecodable { at: Position { line: 1 + line.unwrap_or(0), column: 1 } }
    })
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
