//! Plays a page from its beginning to its end, as a reader would: files are written where the page says, commands are run
//! one after the other, and what they print is held against what the page shows.

use std::path::Path;
use std::time::Duration;

use relay_testkit::wait::DEADLINE;
use tokio::time::Instant;

use crate::page::{Block, Command, Page, fits, top};
use crate::stage::Stage;
use crate::tables::{NOT_RUN, RUN_ELSEWHERE};

/// Commands that may be run again until they show what they are to show: those that only look, and producers, which fail as
/// long as their queue is not there.
const LOOKS: [&str; 10] = [
    "ls",
    "cat",
    "tail",
    "grep",
    "find",
    "mesh-relay messages",
    "mesh-relay show",
    "mesh-relay inbox",
    "mesh-relay report",
    "python3 produce",
];
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What systemd would be told, and the command that it would have started.
const SERVICE: &str = "mesh-relay run --config /etc/mesh-relay/mesh-relay.toml";
/// Languages of blocks that hold commands.
const COMMANDS: [&str; 2] = ["console", "sh"];
/// Languages of blocks that are there to be read: pictures of a flow, another program's configuration.
const READ: [&str; 2] = ["text", "yaml"];
/// What a configuration stands behind that is none by itself.
const BASE: &str = "tests/guides/base.toml";

/// Plays a page.
pub async fn play(name: &str) {
    let page = Page::read(name);
    let mut stage = Stage::new(&page).await;
    for block in &page.blocks {
        let place = format!("{name}:{}", block.line);
        match (block.language.as_str(), block.note.as_deref()) {
            (_, Some(note)) if note.starts_with("file ") => {
                let path = stage.here(note.trim_start_matches("file ").trim());
                stage.write(Path::new(&path), &stage.here(&block.text));
            }
            ("toml", note) => configuration(&stage, block, note, &place),
            (language, None) if COMMANDS.contains(&language) => {
                for command in block.commands() {
                    run(&mut stage, &command, &format!("{name}:{}", command.line)).await;
                }
            }
            (language, None) if READ.contains(&language) => {}
            // A command may go on in the next line.
            ("", None) => block
                .text
                .replace("\\\n", " ")
                .lines()
                .filter_map(program)
                .for_each(|words| words_are_known(&stage, &words, &place)),
            ("json", None) => {
                let read: Result<serde_json::Value, _> = serde_json::from_str(&block.text);
                assert!(read.is_ok(), "{place}: {read:?}");
            }
            (language, None) if find(RUN_ELSEWHERE, &format!("{name} {language}")).is_some() => {}
            (language, note) => {
                panic!("{place}: nobody knows what to do with a block of `{language}`, {note:?}")
            }
        }
    }
}

/// What of a table fits a command's beginning.
fn find<'a>(table: &'a [(&str, &str)], command: &str) -> Option<&'a (&'a str, &'a str)> {
    table.iter().find(|(beginning, _)| command.starts_with(beginning))
}

async fn run(stage: &mut Stage, command: &Command, place: &str) {
    let text = command.text.as_str();
    if find(NOT_RUN, text).is_some() {
        if text.starts_with("mesh-relay ") {
            words_are_known(stage, text, place);
        }
    } else if let Some(service) = text.strip_prefix("sudo systemctl ") {
        match service {
            "start mesh-relay" => stage.start(SERVICE).await,
            "stop mesh-relay" => stage.stop(SERVICE).await,
            "reload mesh-relay" => stage.reload(SERVICE),
            "restart mesh-relay" => {
                stage.stop(SERVICE).await;
                stage.start(SERVICE).await;
            }
            other => panic!("{place}: systemd is not told to {other} here"),
        }
    } else if let Some(going_on) = text.strip_suffix(" &") {
        stage.start(going_on).await;
    } else if let Some(stopped) = text.strip_prefix("kill %") {
        let started = match stopped {
            "1" => "mesh-relay sandbox",
            "2" => "mesh-relay run",
            other => panic!("{place}: what is job {other}?"),
        };
        stage.stop(started).await;
    } else {
        ends_as_shown(stage, command, place).await;
    }
}

/// Runs it, and again if it only looks and does not show yet what it is to show.
async fn ends_as_shown(stage: &Stage, command: &Command, place: &str) {
    let looks = LOOKS.iter().any(|beginning| command.text.starts_with(beginning));
    let deadline = Instant::now() + DEADLINE;
    loop {
        let ended = stage.run(&command.text);
        let lines: Vec<&str> = ended.output.lines().collect();
        if ended.success && (command.shown.is_empty() || fits(&command.shown, &lines)) {
            return;
        }
        assert!(
            looks && Instant::now() < deadline,
            "{place}: `{}` {}.\nshown:\n{}\nprinted:\n{}\n{}",
            command.text,
            if ended.success { "prints something else" } else { "failed" },
            command.shown.join("\n"),
            ended.output,
            stage.said()
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The program's words in a line of a block that says nothing of itself: no comment, and nothing of the shell's.
fn program(line: &str) -> Option<String> {
    let line = line.split("  #").next().unwrap_or(line);
    let line = line.split(" > ").next().unwrap_or(line).split(" | ").next().unwrap_or(line).trim();
    line.starts_with("mesh-relay ").then(|| line.replace('…', "because"))
}

/// Whether the real program knows the words of a command that is not run.
fn words_are_known(stage: &Stage, text: &str, place: &str) {
    let words = text.split(" &&").next().and_then(|text| text.split(" |").next()).unwrap_or(text);
    let ended = stage.run(&format!("{words} --help"));
    assert!(ended.success, "{place}: {}", ended.output);
}

/// Has a block of TOML checked: as a whole, or behind the sample that it belongs to.
fn configuration(stage: &Stage, block: &Block, note: Option<&str>, place: &str) {
    let base =
        note.map(|note| note.strip_prefix("fragment of ").unwrap_or_else(|| panic!("{place}: `{note}`?")));
    let whole = block.text.lines().any(|line| line.starts_with("[mesh]"));
    let base = base.or_else(|| (!whole).then_some(BASE));
    let base =
        base.map(|base| std::fs::read_to_string(top().join(base)).expect("a sample")).unwrap_or_default();
    stage.write("etc/guide.toml", &stage.here(&format!("{base}\n{}", block.text)));
    let ended = stage.run("MESH_SHARED_KEY=TestKey mesh-relay check --config /etc/mesh-relay/guide.toml");
    assert!(ended.success, "{place}: {}", ended.output);
}
