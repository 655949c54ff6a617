//! Marks, and every form in which a program may write one.

use std::fmt;

use aho_corasick::AhoCorasick;
use base64ct::{Base64, Base64Url, Encoding};
use rand::RngCore;

/// What a mark stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Payload,
    Subject,
    LocalId,
    /// A control file's, a data file's, or what a message says that its file is called.
    FileName,
    /// What stands where a mailbox should, such as a patient by whom a practice is to be found.
    Recipient,
    /// What a broker or a caller names a message by.
    MessageName,
    Secret,
}

/// A text that stands nowhere else.
#[derive(Debug, Clone)]
pub struct Mark {
    pub kind: Kind,
    /// Where it was put.
    pub place: &'static str,
    text: String,
}

impl Mark {
    pub fn new(kind: Kind, place: &'static str) -> Self {
        let random = rand::rng().next_u64();
        // Letters of both cases, so that no form is the same as another.
        Self { kind, place, text: format!("Zq{random:016x}Wj{}", place.len()) }
    }

    /// With letters and digits alone.
    pub fn plain(&self) -> &str {
        &self.text
    }

    /// With what has to be written in another way in JSON, in XML, in a URL and beyond ASCII.
    pub fn odd(&self) -> String {
        format!("é & \"{0}\" <{0}> 100%", self.text)
    }

    /// Long enough for a token.
    pub fn long(&self) -> String {
        format!("{0}{0}", self.text)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {}", self.kind, self.place)
    }
}

/// The forms of a text, each with its name.
pub fn forms(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = text.as_bytes();
    let each = |write: &dyn Fn(u8) -> String| bytes.iter().map(|byte| write(*byte)).collect::<String>();
    let mut forms = vec![
        ("plain", text.to_owned()),
        ("lower case", text.to_lowercase()),
        ("upper case", text.to_uppercase()),
        ("hexadecimal", each(&|byte| format!("{byte:02x}"))),
        ("HEXADECIMAL", each(&|byte| format!("{byte:02X}"))),
        ("hexadecimal, apart", each(&|byte| format!("{byte:02x} "))),
        ("percent", each(&|byte| format!("%{byte:02x}"))),
        ("PERCENT", each(&|byte| format!("%{byte:02X}"))),
        ("JSON", each(&|byte| format!("\\u{byte:04x}"))),
        ("XML", each(&|byte| format!("&#{byte};"))),
        ("XML, hexadecimal", each(&|byte| format!("&#x{byte:x};"))),
        ("bytes as numbers", each(&|byte| format!("{byte}, "))),
    ];
    // At each of the places where it may begin within a longer text.
    for (before, from) in [(0, 0), (1, 2), (2, 3)] {
        let all = [&vec![0; before][..], bytes].concat();
        let whole = all.len() * 8 / 6;
        for encoded in [Base64::encode_string(&all), Base64Url::encode_string(&all)] {
            forms.push(("base64", encoded[from..whole].to_owned()));
        }
    }
    let wide = |write: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(write).collect::<Vec<u8>>();
    let mut forms: Vec<_> = forms.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    forms.push(("UTF-16", wide(u16::to_le_bytes)));
    forms.push(("UTF-16, high byte first", wide(u16::to_be_bytes)));
    forms
}

/// One place where a mark stands.
pub struct Found<'a> {
    pub mark: &'a Mark,
    pub form: &'static str,
    /// What stands around it.
    pub around: String,
}

/// Finds marks.
pub struct Searcher {
    marks: Vec<Mark>,
    /// Mark and form of each pattern.
    patterns: Vec<(usize, &'static str)>,
    automaton: AhoCorasick,
}

impl Searcher {
    pub fn new(marks: Vec<Mark>) -> Self {
        let (mut patterns, mut texts) = (Vec::new(), Vec::new());
        for (index, mark) in marks.iter().enumerate() {
            for (form, text) in forms(mark.plain()) {
                patterns.push((index, form));
                texts.push(text);
            }
        }
        let automaton = AhoCorasick::new(texts).expect("an automaton");
        Self { marks, patterns, automaton }
    }

    /// Every mark in some bytes, at each place.
    pub fn find<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Found<'a>> {
        self.automaton.find_iter(bytes).map(|found| {
            let (mark, form) = self.patterns[found.pattern().as_usize()];
            let around = &bytes[found.start().saturating_sub(200)..bytes.len().min(found.end() + 80)];
            Found { mark: &self.marks[mark], form, around: String::from_utf8_lossy(around).into_owned() }
        })
    }
}

/// The search finds what it is there for, in each form, within a longer text.
#[test]
fn each_form_of_a_mark_is_found_in_a_log() {
    let mark = Mark::new(Kind::Subject, "here");
    let searcher = Searcher::new(vec![Mark::new(Kind::Payload, "elsewhere"), mark.clone()]);
    for (form, written) in forms(mark.plain()) {
        for around in 0..4 {
            let log = [b"2026-03-29 INFO ".repeat(around).as_slice(), &written, b" goes on\n"].concat();
            let found: Vec<_> = searcher.find(&log).collect();
            assert_eq!(found.len(), 1, "{form}");
            assert_eq!(found[0].mark.plain(), mark.plain(), "{form}");
        }
    }
    let text = format!("subject: {}, and a payload", mark.odd());
    for before in 0..3 {
        let encoded = Base64::encode_string(&text.as_bytes()[before..]);
        assert_eq!(searcher.find(encoded.as_bytes()).count(), 2, "twice in it: {encoded}");
    }
    for written in [serde_json::json!({ "a": mark.odd() }).to_string(), percent(&mark.odd())] {
        assert_eq!(searcher.find(written.as_bytes()).count(), 2, "{written}");
    }
    assert_eq!(searcher.find(b"Zq0123456789abcdefWj4").count(), 0);
}

fn percent(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
