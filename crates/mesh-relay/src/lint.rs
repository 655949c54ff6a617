//! `mesh-relay lint`: what is wrong with control files, before the relay says it in FAILED. Neither a value from a file
//! nor a line of it is printed, so the output may be passed on.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use dts_control::{Beside, DataFile, Finding, LintContext, SIZE_MAX, Severity, file_name, lint};
use mesh_api::MailboxId;
use serde_json::{Value, json};
use thiserror::Error;

use crate::cli::{EXIT_FAILED, EXIT_OK, EXIT_USAGE};
use crate::hand::show::plain;

/// Stands for standard input.
const STDIN: &str = "-";

/// What the command takes.
#[derive(Debug, Args)]
pub struct LintArgs {
    /// Control files; `-` reads one from standard input. The data file is looked for beside each
    #[arg(required = true, value_name = "FILE.ctl")]
    files: Vec<PathBuf>,
    /// The mailbox in whose OUT they are to be put; without it any sender is right
    #[arg(long, value_name = "ID")]
    mailbox: Option<MailboxId>,
    /// Print the findings as one JSON array
    #[arg(long)]
    json: bool,
}

/// Why a file cannot be looked at.
#[derive(Debug, Error)]
#[error("{path} cannot be read: {source}; give the path of a control file", path = path.display())]
struct Unreadable {
    path: PathBuf,
    source: io::Error,
}

/// A control file with what stands beside it.
struct Found {
    /// As it was given on the command line.
    path: PathBuf,
    bytes: Vec<u8>,
    /// Its name, and what there is of data; nothing of standard input.
    names: Option<Names>,
}

struct Names {
    control: String,
    /// Name and length.
    data: Option<(String, u64)>,
    beside: Beside,
}

/// Runs the command: 0 when every file can be sent, 1 when one cannot, 2 when one cannot be opened.
pub fn run(args: &LintArgs) -> ExitCode {
    let (mut code, mut documents, mut lines) = (EXIT_OK, Vec::new(), Vec::new());
    for path in &args.files {
        let found = match find(path) {
            Ok(found) => found,
            Err(error) => {
                eprintln!("error: {error}");
                code = EXIT_USAGE;
                continue;
            }
        };
        for finding in found.lint(args.mailbox.as_ref()) {
            if finding.severity == Severity::Error && code == EXIT_OK {
                code = EXIT_FAILED;
            }
            documents.push(document(&found.path, &finding));
            lines.push(line(&found.path, &finding));
        }
    }
    let text = if args.json { format!("{}\n", Value::from(documents)) } else { lines.concat() };
    if let Err(error) = io::stdout().lock().write_all(text.as_bytes()) {
        eprintln!("error: stdout cannot be written: {error}");
        code = code.max(EXIT_FAILED);
    }
    ExitCode::from(code)
}

impl Found {
    fn lint(&self, mailbox: Option<&MailboxId>) -> Vec<Finding> {
        let (name, data, beside) = match &self.names {
            None => (None, DataFile::NotLookedAt, Beside::Nothing),
            Some(names) => {
                let data = match &names.data {
                    Some((name, length)) => DataFile::Here { name, length: *length },
                    None => DataFile::Missing,
                };
                (Some(names.control.as_str()), data, names.beside)
            }
        };
        lint(&self.bytes, &LintContext { name, mailbox: mailbox.map(MailboxId::as_str), data, beside })
    }
}

fn find(path: &Path) -> Result<Found, Unreadable> {
    let unreadable = |source| Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // One byte more than is read shows that the file is too large.
    let most = SIZE_MAX as u64 + 1;
    if path.as_os_str() == STDIN {
        io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(unreadable)?;
        return Ok(Found { path: path.to_owned(), bytes, names: None });
    }
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(unreadable)?;
    // A name that is not UTF-8 cannot be a control file's: with the odd letters replaced it is none either.
    let control = path.file_name().unwrap_or_default();
    let names = match control.to_str() {
        Some(control) => names(path, control),
        None => Names { control: String::new(), data: None, beside: Beside::Nothing },
    };
    Ok(Found { path: path.to_owned(), bytes, names: Some(names) })
}

/// What stands beside a control file, as the relay itself looks for it.
fn names(path: &Path, control: &str) -> Names {
    let length = |name: &String| {
        let metadata = fs::symlink_metadata(path.with_file_name(name)).ok()?;
        metadata.is_file().then(|| (name.clone(), metadata.len()))
    };
    let candidates = file_name::data_name_candidates(control);
    let mut here: Vec<_> = candidates.iter().filter_map(length).collect();
    let beside = match here.len() {
        0 if has_other_case(path, &candidates) => Beside::OtherCase,
        // On a file system that does not tell case apart, all these names are one file.
        2.. if listed(path).filter(|name| candidates.contains(name)).count() > 1 => Beside::SeveralExtensions,
        _ => Beside::Nothing,
    };
    let data = if here.is_empty() { None } else { Some(here.swap_remove(0)) };
    Names { control: control.to_owned(), data, beside }
}

fn has_other_case(path: &Path, candidates: &[String]) -> bool {
    let wanted = candidates.first().map(|name| name.to_lowercase());
    listed(path).any(|name| Some(name.to_lowercase()) == wanted)
}

/// The names in the folder of a file.
fn listed(path: &Path) -> impl Iterator<Item = String> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::read_dir(folder).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

fn severity(finding: &Finding) -> &'static str {
    match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// `file:line:column: error: reason (what the report will say); fix`.
fn line(path: &Path, finding: &Finding) -> String {
    let place = finding.at.map(|at| format!("{}:{}:", at.line, at.column)).unwrap_or_default();
    let report = finding.fault.as_ref().map(|fault| {
        // Where the report has words of its own, they are the reason and the fix; else they are these.
        let own = fault.description.contains(&fault.reason);
        let said = if own { String::new() } else { format!(", {}", fault.description) };
        format!(" ({} {}{said})", fault.event, fault.code)
    });
    format!(
        "{}:{place} {}: {}{}; {}\n",
        plain(&path.display().to_string()),
        severity(finding),
        finding.reason,
        report.unwrap_or_default(),
        finding.fix
    )
}

fn document(path: &Path, finding: &Finding) -> Value {
    json!({
        "severity": severity(finding), "file": path.display().to_string(),
        "line": finding.at.map(|at| at.line), "column": finding.at.map(|at| at.column),
        "element": finding.element, "message": finding.reason, "hint": finding.fix,
        "event": finding.fault.as_ref().map(|fault| fault.event.as_str()),
        "code": finding.fault.as_ref().map(|fault| fault.code),
        "description": finding.fault.as_ref().map(|fault| fault.description.as_str()),
    })
}
