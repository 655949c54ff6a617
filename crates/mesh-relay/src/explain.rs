//! `mesh-relay explain`: which way a message would take, and why, rule by rule. It asks the very functions that the relay
//! asks, and needs no secret and no network. Of a message it shows mailboxes and workflows alone.

mod headers;
mod inbound;
mod outbound;

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cli::{ConfigArgs, EXIT_FAILED, EXIT_OK, EXIT_USAGE, refused};
use crate::settings::Plan;
use headers::{Asked, Headers};

/// Longest line of recorded headers, in bytes. What is longer is told and passed over.
const LINE_BYTES_MAX: usize = 1_000_000;

/// What the command takes.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    asked: About,
    /// Which way the message goes, where its headers leave that open
    #[arg(long, value_enum)]
    way: Option<Way>,
    /// Print JSON; with --recorded, one document on each line
    #[arg(long)]
    json: bool,
}

/// About which message.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct About {
    /// A control file for OUT, and the data file beside it
    #[arg(long, value_name = "FILE.ctl")]
    ctl: Option<PathBuf>,
    /// What is known of a message, such as mailbox=X26HC005, from=X26ABC1, workflow=PATH_1; also under the names that
    /// MESH (Mex-WorkflowID) and queues (mesh_workflow_id) give it
    #[arg(long = "header", value_name = "NAME=VALUE")]
    headers: Vec<String>,
    /// A file with the headers of a message on each line, as a JSON object
    #[arg(long, value_name = "FILE.jsonl")]
    recorded: Option<PathBuf>,
}

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    /// From MESH to an adapter
    In,
    /// From an adapter to MESH
    Out,
}

/// The way that a message would take.
#[derive(Debug, Serialize)]
struct Explained {
    way: Way,
    /// The mailbox that has it or sends it.
    mailbox: Option<String>,
    /// Whether it takes that way; otherwise `result` says what becomes of it.
    taken: bool,
    /// The adapter that takes it. Where several may, none is named.
    adapter: Option<String>,
    /// What decided, and what was passed over before.
    steps: Vec<Step>,
    /// The end of it, in words.
    result: String,
    /// Of a message for MESH: how it would be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    sending: Option<outbound::Sending>,
}

/// A rule that was looked at.
#[derive(Debug, Serialize)]
struct Step {
    /// Which one.
    rule: String,
    /// Whether it holds for the message.
    holds: bool,
    /// Why, or why not.
    why: String,
}

impl Step {
    fn new(rule: impl Into<String>, holds: bool, why: impl Into<String>) -> Self {
        Self { rule: rule.into(), holds, why: why.into() }
    }
}

/// Runs the command: 0 when each message has a way, 1 when one has none, 2 when configuration or question are wrong.
pub fn run(args: &ExplainArgs) -> ExitCode {
    let plan = match Plan::load(&args.config.config) {
        Ok(plan) => plan,
        Err(faults) => return refused(&faults),
    };
    let told = match (&args.asked.ctl, &args.asked.recorded) {
        (Some(ctl), _) => outbound::of_control_file(&plan, ctl).map(|explained| one(&explained, args.json)),
        (None, Some(recorded)) => all(&plan, args.way, recorded, args.json),
        (None, None) => Headers::of_arguments(&args.asked.headers)
            .and_then(|headers| explain(&plan, &headers, args.way))
            .map(|explained| one(&explained, args.json)),
    };
    told.unwrap_or_else(|what| {
        eprintln!("error: {what}");
        ExitCode::from(EXIT_USAGE)
    })
}

fn explain(plan: &Plan, headers: &Headers, way: Option<Way>) -> Result<Explained, String> {
    match headers.asked(plan, way)? {
        Asked::In(arrived) => Ok(inbound::explain(plan, &arrived)),
        Asked::Out(given) => Ok(outbound::of_headers(plan, &given)),
    }
}

fn code(taken: bool) -> ExitCode {
    ExitCode::from(if taken { EXIT_OK } else { EXIT_FAILED })
}

fn one(explained: &Explained, json: bool) -> ExitCode {
    let text = if json { document(explained) } else { explained.to_string() };
    print(&text).unwrap_or_else(|_| code(explained.taken))
}

/// Goes through recorded headers, a line of them for each message.
fn all(plan: &Plan, way: Option<Way>, path: &Path, json: bool) -> Result<ExitCode, String> {
    let unread =
        |error: io::Error| format!("{} cannot be read: {error}; give a file of JSON lines", path.display());
    let mut taken = true;
    for (index, line) in BufReader::new(File::open(path).map_err(unread)?).lines().enumerate() {
        let (number, line) = (index + 1, line.map_err(unread)?);
        if line.trim().is_empty() {
            continue;
        }
        let at = |what: String| format!("{}:{number}: {what}", path.display());
        if line.len() > LINE_BYTES_MAX {
            return Err(at(format!("the line has more than {LINE_BYTES_MAX} bytes")));
        }
        let headers = Headers::of_json(&line).map_err(at)?;
        let explained = explain(plan, &headers, way).map_err(at)?;
        taken &= explained.taken;
        let text = if json { document(&explained) } else { format!("{number}: {}", explained.result) };
        if let Ok(ended) = print(&text) {
            return Ok(ended);
        }
    }
    Ok(code(taken))
}

fn document(explained: &Explained) -> String {
    // Texts, numbers and flags: nothing that JSON has no form for.
    serde_json::to_string(explained).unwrap_or_default()
}

/// Prints a line. `Ok`: nobody reads it, and the command is over.
fn print(text: &str) -> Result<ExitCode, ()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Ok(()) => Err(()),
        Err(error) => {
            eprintln!("error: stdout cannot be written: {error}");
            Ok(ExitCode::from(EXIT_FAILED))
        }
    }
}

impl std::fmt::Display for Explained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for Step { rule, holds, why } in &self.steps {
            let mark = if *holds { "holds" } else { "passed over" };
            writeln!(f, "{rule}: {mark}: {why}")?;
        }
        f.write_str(&self.result)
    }
}
