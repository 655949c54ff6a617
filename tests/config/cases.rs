//! The files of `invalid/`: mistakes as changes of a good configuration, each with what `check` says of it.
//!
//! ```text
//! == what somebody did
//! on folder                     the good configuration in base/
//! - a line of it                as it stands there, without blanks around it
//! + what stands there instead   several lines, or none
//! ++ what stands at the end     of the file
//! encode latin-1                also utf-16 and bom
//! remove shared.key             also `folder …` in its place, `empty …`, and `write … = text`
//! | what check prints
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use crate::place::{Place, base};

/// One mistake.
pub struct Case {
    pub name: String,
    base: String,
    changes: Vec<(String, Vec<String>)>,
    end: Vec<String>,
    encode: Option<String>,
    files: Vec<(String, String)>,
}

/// One file of mistakes.
pub struct Subject {
    pub path: PathBuf,
    /// What stands before the first case.
    preface: String,
    pub cases: Vec<Case>,
}

impl Subject {
    /// All of them, in the order of their names.
    pub fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/invalid");
        let entries = fs::read_dir(&folder).expect("the folder of cases");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths.into_iter().map(Self::read).collect()
    }

    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).expect("a file of cases");
        let mut parts = text.split("\n== ");
        let preface = parts.next().unwrap_or_default().to_owned();
        let cases = parts.map(|part| Case::read(&path, part)).collect();
        Self { path, preface, cases }
    }

    /// The file, with what `said` says of each case.
    pub fn text(&self, said: impl Fn(&Case) -> String) -> String {
        let mut text = self.preface.trim_end().to_owned();
        for case in &self.cases {
            text += &format!("\n\n== {}", case.text());
            for line in said(case).lines() {
                text += format!("\n| {line}").trim_end();
            }
        }
        text + "\n"
    }
}

impl Case {
    fn read(path: &Path, part: &str) -> Self {
        let mut lines = part.lines();
        let name = lines.next().unwrap_or_default().to_owned();
        let mut case = Self {
            name,
            base: String::new(),
            changes: Vec::new(),
            end: Vec::new(),
            encode: None,
            files: Vec::new(),
        };
        for line in lines {
            let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
            match verb {
                "on" => rest.clone_into(&mut case.base),
                "-" => case.changes.push((rest.to_owned(), Vec::new())),
                "++" => case.end.push(rest.to_owned()),
                "+" => {
                    let (_, instead) = case.changes.last_mut().expect("a line before it");
                    instead.push(rest.to_owned());
                }
                "encode" => case.encode = Some(rest.to_owned()),
                "remove" | "folder" | "empty" | "write" => {
                    case.files.push((verb.to_owned(), rest.to_owned()))
                }
                // What was said is compared in the whole text of the file.
                "|" | "" => {}
                _ => panic!("{}: {}: what is {line:?}?", path.display(), case.name),
            }
        }
        case
    }

    fn text(&self) -> String {
        let mut text = format!("{}\non {}", self.name, self.base);
        for (line, instead) in &self.changes {
            text += &format!("\n- {line}");
            for line in instead {
                text += format!("\n+ {line}").trim_end();
            }
        }
        for line in &self.end {
            text += format!("\n++ {line}").trim_end();
        }
        if let Some(encode) = &self.encode {
            text += &format!("\nencode {encode}");
        }
        for (verb, rest) in &self.files {
            text += &format!("\n{verb} {rest}");
        }
        text
    }

    /// The configuration with the mistake in it.
    pub fn config(&self) -> Vec<u8> {
        let mut lines: Vec<String> = base(&self.base).lines().map(str::to_owned).collect();
        for (line, instead) in &self.changes {
            let at = lines.iter().position(|known| known.trim() == line.trim());
            let at = at.unwrap_or_else(|| panic!("{}: there is no line {line:?}", self.name));
            lines.splice(at..=at, instead.iter().cloned());
        }
        lines.extend(self.end.iter().cloned());
        let text = lines.join("\n") + "\n";
        match self.encode.as_deref() {
            None => text.into_bytes(),
            Some("latin-1") => text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect(),
            Some("utf-16") => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Some(other) => panic!("{}: what is the encoding {other}?", self.name),
        }
    }

    /// A place with the mistake.
    pub fn place(&self) -> Place {
        let place = Place::new(&self.config());
        for (verb, rest) in &self.files {
            match verb.as_str() {
                "remove" => place.remove(rest),
                "folder" => place.folder_instead_of(rest),
                "empty" => place.write(rest, ""),
                _ => {
                    let (name, text) = rest.split_once(" = ").expect("a name and a text");
                    place.write(
                        name,
                        text.replace("\\xff", "\u{0}")
                            .into_bytes()
                            .iter()
                            .map(|byte| if *byte == 0 { 0xff } else { *byte })
                            .collect::<Vec<u8>>(),
                    );
                }
            }
        }
        place
    }
}
