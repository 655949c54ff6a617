//! Text as it came in a header.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use hyper::header::HeaderValue;

/// A header's value, kept byte for byte, so that a recipient gets what the sender sent whatever its encoding
/// (`mesh-api.md` section 14). It may hold patient data, so it does not print.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Text(Bytes);

impl Text {
    /// A text of the server's own or from a file. As a header it is Latin-1, where that has all its characters.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_ascii() {
            return Self(text.into());
        }
        let latin: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
        Self(latin.unwrap_or_else(|| text.into_bytes()).into())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text read as Latin-1, as HTTP has it and the official emulator reads it: UTF-8 comes out garbled there
    /// too, and goes back into a header as it came.
    pub(crate) fn read(&self) -> Cow<'_, str> {
        match std::str::from_utf8(&self.0) {
            Ok(text) if text.is_ascii() => Cow::Borrowed(text),
            _ => self.0.iter().copied().map(char::from).collect(),
        }
    }

    pub(crate) fn owned(&self) -> String {
        self.read().into_owned()
    }

    /// The value for an answer. `None` when a header cannot carry it.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_maybe_shared(self.0.clone()).ok()
    }

    pub(crate) fn trimmed(&self) -> Self {
        Self(self.0.slice_ref(self.0.trim_ascii()))
    }

    pub(crate) fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        if self.is_empty() { other() } else { self }
    }
}

impl From<&HeaderValue> for Text {
    fn from(value: &HeaderValue) -> Self {
        Self(Bytes::copy_from_slice(value.as_bytes()))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_and_are_read_as_latin_1() {
        for (bytes, read) in [(&b"caf\xc3\xa9"[..], "cafÃ©"), (&b"caf\xe9"[..], "café"), (b"cafe", "cafe")]
        {
            let text = Text::from(&HeaderValue::from_bytes(bytes).expect("a value"));
            assert_eq!(text.read(), read);
            let again = Text::new(text.owned());
            assert_eq!(again.header().expect("a value").as_bytes(), bytes);
        }
        assert_eq!(Text::new("日").header().expect("a value").as_bytes(), "日".as_bytes());
        assert_eq!(format!("{:?}", Text::new("canary")), "Text(…)");
        assert_eq!(Text::new(" a b ").trimmed().read(), "a b");
    }
}
