//! A page of the documentation: its fenced blocks, its headings and its links.

use std::fs;
use std::path::{Path, PathBuf};

/// Begins a note to this test: `<!-- test: … -->`, which readers of the page do not see.
const NOTE: &str = "<!-- test: ";

/// The top of the repository.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

/// A fenced block.
#[derive(Debug, Clone)]
pub struct Block {
    /// The line of its fence, from 1.
    pub line: usize,
    /// What stands behind its fence.
    pub language: String,
    /// What the note right above it says to the test.
    pub note: Option<String>,
    /// What is in it.
    pub text: String,
}

/// A command of a block, and what a page shows of its output.
#[derive(Debug, Clone)]
pub struct Command {
    pub line: usize,
    pub text: String,
    pub shown: Vec<String>,
}

/// A page.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its path from the top of the repository.
    pub name: String,
    pub blocks: Vec<Block>,
    /// What links can lead to.
    pub anchors: Vec<String>,
    /// Where its links lead, with the line.
    pub links: Vec<(usize, String)>,
}

impl Page {
    pub fn read(name: &str) -> Self {
        let text = fs::read_to_string(top().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut page = Self { name: name.to_owned(), blocks: vec![], anchors: vec![], links: vec![] };
        let mut open: Option<Block> = None;
        let mut note = None;
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(mut block) = open.take() {
                if line.trim_start().starts_with("```") {
                    page.blocks.push(block);
                } else {
                    block.text.push_str(line);
                    block.text.push('\n');
                    open = Some(block);
                }
            } else if let Some(language) = line.trim_start().strip_prefix("```") {
                let language = language.trim().to_owned();
                open = Some(Block { line: number, language, note: note.take(), text: String::new() });
            } else if let Some(said) = line.strip_prefix(NOTE) {
                note = Some(said.trim_end().trim_end_matches("-->").trim().to_owned());
            } else {
                if line.starts_with('#') {
                    page.anchors.push(anchor(line.trim_start_matches('#').trim()));
                }
                links(line).into_iter().for_each(|link| page.links.push((number, link)));
                if !line.trim().is_empty() {
                    assert!(note.is_none(), "{name}:{number}: a note to the test stands above no block");
                }
            }
        }
        assert!(open.is_none(), "{name}: a block has no end");
        page
    }

    /// Every page of the documentation.
    pub fn all() -> Vec<Self> {
        let mut names = vec!["README.md".to_owned()];
        for entry in fs::read_dir(top().join("docs")).expect("docs") {
            let name = entry.expect("an entry").file_name().into_string().expect("a name");
            if name.ends_with(".md") {
                names.push(format!("docs/{name}"));
            }
        }
        names.sort();
        names.iter().map(|name| Self::read(name)).collect()
    }
}

/// What a heading is called in links, as code hosts make it.
pub fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c if c.is_alphanumeric() => Some(c),
            _ => None,
        })
        .collect()
}

fn links(line: &str) -> Vec<String> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.map(str::to_owned).collect()
}

impl Block {
    /// Its commands. `console` shows them behind a `$`, and their output below; of `sh` every line is one.
    pub fn commands(&self) -> Vec<Command> {
        let mut commands: Vec<Command> = vec![];
        let mut goes_on = false;
        for (number, line) in (self.line + 1..).zip(self.text.lines()) {
            let typed = match self.language.as_str() {
                "console" => line.strip_prefix("$ "),
                _ if line.trim().is_empty() || line.trim_start().starts_with('#') => continue,
                _ => Some(line),
            };
            // What the shell prompts for by `>`: a here-document, up to its end.
            if let Some(more) = line.strip_prefix("> ").filter(|_| self.language == "console") {
                let command = commands.last_mut().expect("a command that goes on");
                command.text.push('\n');
                command.text.push_str(more);
            } else if goes_on {
                let command = commands.last_mut().expect("a command that goes on");
                command.text.push('\n');
                command.text.push_str(line);
                goes_on = line.ends_with('\\');
            } else if let Some(typed) = typed {
                goes_on = typed.ends_with('\\');
                commands.push(Command { line: number, text: typed.to_owned(), shown: vec![] });
            } else {
                let command = commands.last_mut().expect("output stands behind a command");
                command.shown.push(line.trim_end().to_owned());
            }
        }
        commands
    }
}

/// What varies from run to run in output that a page shows: the rest of a line, a part of it, or whole lines.
const VARIES: &str = "…";

/// Whether output is as it is shown.
pub fn fits(shown: &[String], output: &[&str]) -> bool {
    let Some((first, rest)) = shown.split_first() else { return output.is_empty() };
    if first.trim() == VARIES {
        return (0..=output.len()).any(|skipped| fits(rest, &output[skipped..]));
    }
    output.split_first().is_some_and(|(line, others)| line_fits(first, line.trim_end()) && fits(rest, others))
}

fn line_fits(shown: &str, line: &str) -> bool {
    let parts: Vec<&str> = shown.split(VARIES).collect();
    let [first, middle @ .., last] = &parts[..] else { return shown == line };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, output: &str) -> bool {
        let shown: Vec<String> = text.lines().map(str::to_owned).collect();
        fits(&shown, &output.lines().collect::<Vec<_>>())
    }

    #[test]
    fn what_varies_may_be_anything_and_the_rest_must_be_as_shown() {
        assert!(shown("a … c\n…\nend", "a b c\n1\n2\nend"));
        assert!(shown("…\nend", "end"));
        assert!(shown("same", "same  "));
        assert!(!shown("a … c", "a b d"));
        assert!(!shown("one", "one\ntwo"));
        assert!(!shown("one\ntwo", "one"));
        assert!(!shown("…\nend", "end\nmore"));
    }

    #[test]
    fn headings_become_anchors_as_code_hosts_make_them() {
        assert_eq!(anchor("Certificate ends (30, 14, 7 days)"), "certificate-ends-30-14-7-days");
        assert_eq!(anchor("`check`: is it right?"), "check-is-it-right");
    }

    #[test]
    fn commands_and_their_output_are_told_apart() {
        let text = "$ one \\\n  --more\nout\n$ two\n".to_owned();
        let block = Block { line: 1, language: "console".to_owned(), note: None, text };
        let commands = block.commands();
        assert_eq!(commands.len(), 2);
        assert_eq!(commands[0].text, "one \\\n  --more");
        assert_eq!(commands[0].shown, ["out"]);
        let text = "# why\none\n\ntwo \\\n  more\n".to_owned();
        let block = Block { line: 1, language: "sh".to_owned(), note: None, text };
        assert_eq!(block.commands().len(), 2);
    }
}
