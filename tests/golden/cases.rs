//! How a case is written.
//!
//! A file in `cases/` is a group. What stands before its first case is a comment. A case is
//!
//! ```text
//! === what is odd about it [check 12]
//! control: O'Brien.ctl          optional: the control file's name; else the group's name and a number
//! data: none                    optional: `none`, `empty`, or the data file's name; else the control file's with .dat
//! as: utf-16le crlf             optional: how the text below becomes bytes
//! ---
//! <DTSControl>{usual}</DTSControl>
//! ---
//! SENT as usual
//! ```
//!
//! In the control file `\xNN` is a byte, `\r`, `\n` and `\t` are what they are elsewhere, and `\\` is a backslash. A line
//! end after the last line belongs to the control file only if it is written as `\n`. Words in braces are short for what
//! most files have: see [`WORDS`]; `{repeat 300 x}` is three hundred times `x`.

use std::fs;
use std::path::PathBuf;

/// What most control files have.
pub const WORDS: [(&str, &str); 5] = [
    ("{usual}", "{head}{parties}{words}{workflow}"),
    ("{head}", "<Version>1.0</Version><AddressType>DTS</AddressType><MessageType>Data</MessageType>"),
    ("{parties}", "<From_DTS>X26ABC1</From_DTS><To_DTS>X26ABC2</To_DTS>"),
    ("{words}", "<Subject>Batch 417</Subject><LocalId>LAB-417</LocalId>"),
    ("{workflow}", "<WorkflowId>TEST_WORKFLOW</WorkflowId>"),
];

/// What a data file holds.
pub const DATA: &[u8] = b"payload of an invented message\n";

const CASE: &str = "=== ";
const RULE: &str = "---";

/// The cases of one file.
pub struct Group {
    path: PathBuf,
    comment: String,
    pub cases: Vec<Case>,
}

/// A pair that is dropped in OUT, and what becomes of it.
pub struct Case {
    /// Names the case, and its files unless it says otherwise.
    pub stem: String,
    pub title: String,
    /// The lines between title and control file.
    settings: String,
    /// The control file as it is written here.
    source: String,
    pub expected: String,
}

impl Group {
    /// Every group, in the order of their names.
    pub fn all() -> Vec<Self> {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/cases"));
        let entries = fs::read_dir(folder).expect("the cases");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
        paths.sort();
        paths.into_iter().map(Self::read).collect()
    }

    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).expect("a group of cases");
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = format!("\n{text}");
        let mut parts = text.split("\n=== ");
        let comment = parts.next().unwrap_or_default().trim().to_owned();
        let case = |(index, text)| Case::read(format!("{name}-{:03}", index + 1), text);
        Self { comment, cases: parts.enumerate().map(case).collect(), path }
    }

    /// Writes the group with the outcomes that its cases now have.
    #[expect(clippy::disallowed_methods, reason = "the cases are source, kept by git")]
    pub fn write(&self) {
        let cases = self.cases.iter().map(|case| {
            let Case { title, settings, source, expected, .. } = case;
            format!("\n{CASE}{title}\n{settings}{RULE}\n{source}\n{RULE}\n{expected}\n")
        });
        fs::write(&self.path, format!("{}\n{}", self.comment, cases.collect::<String>())).expect("written");
    }
}

impl Case {
    fn read(stem: String, text: &str) -> Self {
        let (title, rest) = text.split_once('\n').expect("a title");
        let (settings, rest) = match rest.strip_prefix("---\n") {
            Some(rest) => (String::new(), rest),
            None => {
                let (settings, rest) = rest.split_once("\n---\n").expect("a control file");
                (format!("{settings}\n"), rest)
            }
        };
        let (source, expected) = rest.split_once("\n---").expect("an outcome");
        let (source, expected) = (source.to_owned(), expected.trim().to_owned());
        Self { stem, title: title.to_owned(), settings, source, expected }
    }

    fn setting(&self, name: &str) -> Option<&str> {
        let mut lines = self.settings.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The control file's name.
    pub fn control(&self) -> Vec<u8> {
        match self.setting("control") {
            Some(name) => unescape(&expand(name)),
            None => format!("{}.ctl", self.stem).into_bytes(),
        }
    }

    /// Name and content of the data file.
    pub fn data(&self) -> Option<(Vec<u8>, &'static [u8])> {
        let control = self.control();
        let beside = [&control[..control.len() - 4], b".dat"].concat();
        match self.setting("data") {
            Some("none") => None,
            Some("empty") => Some((beside, b"")),
            Some(name) => Some((unescape(&expand(name)), DATA)),
            None => Some((beside, DATA)),
        }
    }

    /// The control file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = expand(&self.source);
        let mut bytes = None;
        for way in self.setting("as").unwrap_or_default().split_whitespace() {
            match way {
                "crlf" => text = text.replace('\n', "\r\n"),
                "marked" => text = format!("\u{FEFF}{text}"),
                "utf-16le" => bytes = Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
                "utf-16be" => bytes = Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
                "latin-1" => {
                    bytes =
                        Some(text.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect());
                }
                other => panic!("{}: there is no way {other:?}", self.stem),
            }
        }
        bytes.unwrap_or_else(|| unescape(&text))
    }
}

/// The text with the words in braces written out.
fn expand(text: &str) -> String {
    let mut text = text.to_owned();
    for (word, meaning) in WORDS {
        text = text.replace(word, meaning);
    }
    while let Some(start) = text.find("{repeat ") {
        let end = start + text[start..].find('}').expect("a closing brace");
        let (times, what) = text[start + 8..end].split_once(' ').expect("a number and a text");
        let repeated = what.repeat(times.parse().expect("a number"));
        text.replace_range(start..=end, &repeated);
    }
    text
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend(rest[..at].bytes());
        rest = &rest[at + 1..];
        let taken = match rest.as_bytes().first() {
            Some(b'x') => {
                bytes.push(u8::from_str_radix(&rest[1..3], 16).expect("two hexadecimal digits"));
                3
            }
            Some(b'n') => {
                bytes.push(b'\n');
                1
            }
            Some(b'r') => {
                bytes.push(b'\r');
                1
            }
            Some(b't') => {
                bytes.push(b'\t');
                1
            }
            Some(b'\\') => {
                bytes.push(b'\\');
                1
            }
            other => panic!("\\{other:?} means nothing"),
        };
        rest = &rest[taken..];
    }
    bytes.extend(rest.bytes());
    bytes
}
