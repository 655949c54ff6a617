//! What became of a pair, as it is written in its case.
//!
//! The first line says where the pair is. `SENT` and `FAILED` mean the control file and, where there was one, the data
//! file byte for byte. Then comes the control file that is there: `unchanged` when it is what was dropped, else its text;
//! `as usual` when that is what the plainest control file becomes. After `REPORT` comes the report in IN, or `the same`
//! when it is the control file in FAILED with `Report` for its message type.
//!
//! Texts are exact. Shortened are only the lines that most files have (`{head}`, `{parties}`, `{words}`, `{workflow}`),
//! the five parts of a status record (`{status EVENT STATUS CODE DESCRIPTION}`), and long repetitions; masked are the id
//! that MESH gave (`{id}`), the time (`{now}`) and the control file's name in a description (`{file}`).

use std::collections::HashMap;

use dts_control::{Beside, DataFile, LintContext, Severity, file_name, lint};

use crate::cases::{Case, WORDS};

type Folder = HashMap<Vec<u8>, Vec<u8>>;

/// What is in the folders in the end.
pub struct Files {
    pub out: Folder,
    pub sent: Folder,
    pub failed: Folder,
    pub inbox: Folder,
}

/// What the journal has of a pair.
pub struct Ended {
    pub relay_id: String,
    pub message_id: Option<String>,
}

/// What the plainest control file becomes.
const USUAL: &str = "\
<DTSControl>
  {head}
  {parties}
  {words}
  <DTSId>{id}</DTSId>
  {workflow}
  <IsCompressed>N</IsCompressed>
  {status TRANSFER SUCCESS 00 Data Transfer success confirmation.}
</DTSControl>";

const DATA_TYPE: &str = "<MessageType>Data</MessageType>";
const REPORT_TYPE: &str = "<MessageType>Report</MessageType>";

/// Runs of one character that are longer than this are shortened.
const RUN_MAX: usize = 40;

pub fn outcome(case: &Case, files: &Files, ended: Option<&Ended>) -> String {
    let (control, data, bytes) = (case.control(), case.data(), case.bytes());
    let folders = [("SENT", &files.sent), ("FAILED", &files.failed), ("OUT", &files.out)];
    let places = |name: &Vec<u8>| -> Vec<&str> {
        folders.iter().filter(|(_, folder)| folder.contains_key(name)).map(|(place, _)| *place).collect()
    };
    let at = places(&control).join(" and ");
    let mut text = if at.is_empty() { "NOWHERE".to_owned() } else { at.clone() };
    if let Some((name, content)) = &data {
        let data_at = places(name).join(" and ");
        if data_at != at {
            text += &format!(", data in {data_at}");
        }
        let same = folders.iter().filter_map(|(_, folder)| folder.get(name)).all(|found| found == content);
        text += if same { "" } else { ", data changed" };
    }
    let left = [&files.sent, &files.failed, &files.out].into_iter().find_map(|folder| folder.get(&control));
    let left = left.cloned().unwrap_or_default();
    let shown = shown(&left, &control, ended);
    match () {
        () if left == bytes => text += " unchanged",
        () if shown == USUAL => text += " as usual",
        () => text += &format!("\n{shown}"),
    }
    let report = ended.and_then(|ended| files.inbox.get(format!("{}.ctl", ended.relay_id).as_bytes()));
    if let Some(report) = report {
        let as_report = String::from_utf8_lossy(&left).replacen(DATA_TYPE, REPORT_TYPE, 1);
        if report == as_report.as_bytes() {
            text += "\nREPORT the same";
        } else {
            text += &format!("\nREPORT\n{}", self::shown(report, &control, ended));
        }
    } else if at == "FAILED" {
        text += "\nNO REPORT";
    }
    let data_of_report = ended.map(|ended| format!("{}.dat", ended.relay_id).into_bytes());
    if data_of_report.is_some_and(|name| files.inbox.contains_key(&name)) {
        text += "\nA REPORT WITH DATA";
    }
    text
}

/// A control file with what varies masked and what most have shortened.
fn shown(bytes: &[u8], control: &[u8], ended: Option<&Ended>) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    if let Some(id) = ended.and_then(|ended| ended.message_id.as_deref()) {
        text = text.replace(&format!("<DTSId>{id}<"), "<DTSId>{id}<");
    }
    text = text.replace(&format!("Control file {} ", in_description(control)), "Control file {file} ");
    for (word, meaning) in WORDS.iter().skip(1) {
        let lines = meaning.replace("><", ">\n  <").replace(">\n  </", "></");
        text = text.replace(&format!("  {lines}\n"), &format!("  {word}\n"));
    }
    text = shortened(&with_status(&text));
    let escaped: String = text
        .chars()
        .map(|c| if is_seen(c) { c.to_string() } else { c.escape_default().to_string() })
        .collect();
    escaped.strip_suffix('\n').map_or(format!("{escaped} (no line end)"), str::to_owned)
}

/// Whether a reader of the case can tell the character from others.
fn is_seen(c: char) -> bool {
    c == '\n' || c == ' ' || !(c.is_control() || c.is_whitespace())
}

/// A control file's name as it stands in a description: without apostrophes (Q11), and escaped.
fn in_description(control: &[u8]) -> String {
    escaped(&String::from_utf8_lossy(control).replace('\'', ""))
}

/// As text stands in a control file.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What `lint` says beforehand that the report will say, as [`outcome`] writes it. `None` when it finds no error.
pub fn foretold(case: &Case, names: &HashMap<Vec<u8>, usize>) -> Option<String> {
    let control = String::from_utf8(case.control()).ok()?;
    let mut candidates = file_name::data_name_candidates(&control).into_iter();
    let data = candidates.find_map(|name| Some((names.get(name.as_bytes())?, name)));
    let data = match &data {
        Some((length, name)) => DataFile::Here { name, length: **length as u64 },
        None => DataFile::Missing,
    };
    let context =
        LintContext { name: Some(&control), mailbox: Some("X26ABC1"), data, beside: Beside::Nothing };
    let findings = lint(&case.bytes(), &context);
    let first = findings.into_iter().find(|finding| finding.severity == Severity::Error)?;
    let Some(fault) = first.fault else { return Some("OUT unchanged".to_owned()) };
    let description = escaped(&fault.description);
    let name = format!("Control file {} ", in_description(control.as_bytes()));
    let description = description.replace(&name, "Control file {file} ");
    Some(format!("  {{status {} ERROR {} {description}}}\n", fault.event, fault.code))
}

/// The status record as one line.
fn with_status(text: &str) -> String {
    const OPEN: &str = "  <StatusRecord>\n";
    const CLOSE: &str = "  </StatusRecord>\n";
    let Some((before, rest)) = text.split_once(OPEN) else { return text.to_owned() };
    let Some((record, after)) = rest.split_once(CLOSE) else { return text.to_owned() };
    let names = ["DateTime", "Event", "Status", "StatusCode", "Description"];
    let values: Vec<&str> = record
        .lines()
        .zip(names)
        .filter_map(|(line, name)| {
            line.strip_prefix(&format!("    <{name}>"))?.strip_suffix(&format!("</{name}>"))
        })
        .collect();
    match values.as_slice() {
        [time, event, status, code, description]
            if record.lines().count() == 5
                && time.len() == 14
                && time.bytes().all(|b| b.is_ascii_digit()) =>
        {
            format!("{before}  {{status {event} {status} {code} {description}}}\n{after}")
        }
        _ => text.to_owned(),
    }
}

fn shortened(text: &str) -> String {
    let mut short = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let run = &rest[..rest.len() - rest.trim_start_matches(c).len()];
        match run.chars().count() {
            times if times > RUN_MAX => short += &format!("{{repeat {times} {c}}}"),
            _ => short += run,
        }
        rest = &rest[run.len()..];
    }
    short
}
