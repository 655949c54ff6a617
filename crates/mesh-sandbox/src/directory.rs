//! Who there is: mailboxes, and which of them send and receive which workflow (`mesh-api.md` 11.2).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use mesh_api::{IdError, MailboxId};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::routing::Patients;

/// The official emulator's stock mailboxes, in its file format.
const STOCK_MAILBOXES: &str = r#"
{"mailbox_id": "X26ABC1", "mailbox_name": "TESTMB1", "billing_entity": "England", "ods_code": "X26", "org_code": "X26", "password": "password"}
{"mailbox_id": "X26ABC2", "mailbox_name": "TESTMB2", "billing_entity": "Wales", "ods_code": "X26", "org_code": "X26", "password": "password"}
{"mailbox_id": "X26ABC3", "mailbox_name": "TESTMB3", "billing_entity": "England", "ods_code": "X27", "org_code": "X27", "password": "password"}
"#;

/// The official emulator's stock workflows.
const STOCK_WORKFLOWS: &str = r#"
{"workflow_id": "TEST_WORKFLOW", "senders": ["X26ABC1"], "receivers": ["X26ABC2"]}
{"workflow_id": "TEST_WORKFLOW_ACK", "senders": ["X26ABC2"], "receivers": ["X26ABC1", "X26ABC3"]}
{"workflow_id": "TEST_WORKFLOW2", "senders": ["X26ABC1"], "receivers": ["X26ABC1", "X26ABC2", "X26ABC3"]}
"#;

/// One end of a message, as both ends are told about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Party {
    /// `None` for the server itself, and for a recipient that was not found.
    pub(crate) id: Option<MailboxId>,
    pub(crate) name: String,
    pub(crate) ods_code: String,
    pub(crate) org_code: String,
    pub(crate) org_name: String,
    pub(crate) billing_entity: Option<String>,
}

impl Party {
    /// Who sends reports (`mesh-api.md` 11.3).
    pub(crate) fn central() -> Self {
        Self {
            id: None,
            name: "Central System Mailbox".to_owned(),
            ods_code: "X26".to_owned(),
            org_code: "X26".to_owned(),
            org_name: "NHS England".to_owned(),
            billing_entity: Some("England".to_owned()),
        }
    }

    /// The mailbox id as answers write it; empty without one.
    pub(crate) fn id_text(&self) -> String {
        self.id.as_ref().map(MailboxId::to_string).unwrap_or_default()
    }
}

/// One mailbox. Its password does not print.
#[derive(Debug, Clone)]
pub(crate) struct Mailbox {
    pub(crate) id: MailboxId,
    pub(crate) party: Arc<Party>,
    pub(crate) password: SecretString,
    /// As the file says; a running server may have switched it since.
    pub(crate) active: bool,
}

#[derive(Debug, Clone)]
struct Workflow {
    id: String,
    senders: Vec<String>,
    receivers: Vec<String>,
}

/// Mailboxes, workflows and patients of a server. Senders of a workflow and the `active` mark of a mailbox count
/// only under the rules that look at them; the official emulator does not.
#[derive(Debug, Clone)]
pub struct Directory {
    mailboxes: HashMap<String, Arc<Mailbox>>,
    workflows: Vec<Workflow>,
    patients: Patients,
}

impl Directory {
    /// The official emulator's stock: `X26ABC1`, `X26ABC2`, `X26ABC3`, each with the password `password`, and the
    /// workflows `TEST_WORKFLOW`, `TEST_WORKFLOW_ACK` and `TEST_WORKFLOW2` (`mesh-api.md` 11.2).
    #[expect(clippy::expect_used, reason = "the stock is a constant of this file, read by a test")]
    pub fn stock() -> Self {
        Self::from_jsonl(STOCK_MAILBOXES, None).expect("the stock directory is well formed")
    }

    /// Reads the official emulator's files: JSON objects, one a line, blank lines passed over. A mailbox has
    /// `mailbox_id` and `mailbox_name`, and may have `billing_entity`, `ods_code`, `org_code`, `org_name`,
    /// `password` and `active` (true unless it says otherwise); a workflow has `workflow_id` and may have `senders`
    /// and `receivers`. Other keys are passed over. Of two lines with one mailbox the last counts; senders and
    /// receivers of two lines with one workflow add up.
    ///
    /// Without `workflows` the stock workflows hold, for such of their mailboxes as there are. The patients are the
    /// stock ones; see [`Directory::with_patients`].
    ///
    /// # Errors
    /// [`DirectoryError`] for the first line that is not such an object. It never repeats the line.
    pub fn from_jsonl(mailboxes: &str, workflows: Option<&str>) -> Result<Self, DirectoryError> {
        let mut directory =
            Self { mailboxes: HashMap::new(), workflows: Vec::new(), patients: Patients::stock() };
        for (line, entry) in lines::<MailboxLine>(DirectoryFile::Mailboxes, mailboxes)? {
            let key = |value: Option<String>, key| {
                value.ok_or(DirectoryError::Missing { file: DirectoryFile::Mailboxes, line, key })
            };
            let id: MailboxId = key(entry.mailbox_id, "mailbox_id")?
                .parse()
                .map_err(|source| DirectoryError::MailboxId { line, source })?;
            let party = Party {
                id: Some(id.clone()),
                name: key(entry.mailbox_name, "mailbox_name")?,
                ods_code: entry.ods_code.unwrap_or_default(),
                org_code: entry.org_code.unwrap_or_default(),
                org_name: entry.org_name.unwrap_or_default(),
                billing_entity: entry.billing_entity,
            };
            directory.insert(Mailbox {
                id,
                party: Arc::new(party),
                password: entry.password.unwrap_or_default().into(),
                active: entry.active.unwrap_or(true),
            });
        }
        let workflows = workflows.unwrap_or(STOCK_WORKFLOWS);
        for (line, entry) in lines::<WorkflowLine>(DirectoryFile::Workflows, workflows)? {
            let id = entry.workflow_id.ok_or(DirectoryError::Missing {
                file: DirectoryFile::Workflows,
                line,
                key: "workflow_id",
            })?;
            let mailboxes = |given: Option<Vec<String>>| {
                given.unwrap_or_default().iter().map(|id| id.trim().to_uppercase()).collect()
            };
            directory.workflows.push(Workflow {
                id: id.trim().to_owned(),
                senders: mailboxes(entry.senders),
                receivers: mailboxes(entry.receivers),
            });
        }
        Ok(directory)
    }

    /// The same with other patients for routing addresses (`mesh-api.md` section 9): JSON objects, one a line, with
    /// `nhs_number`, `date_of_birth` (`YYYYMMDD`), `surname` and `ods_code`, the code of the patient's practice.
    ///
    /// # Errors
    /// [`DirectoryError`] for the first line that is not such an object. It never repeats the line.
    pub fn with_patients(self, patients: &str) -> Result<Self, DirectoryError> {
        Ok(Self { patients: Patients::from_jsonl(patients)?, ..self })
    }

    pub(crate) fn patients(&self) -> &Patients {
        &self.patients
    }

    /// Adds a mailbox that is known by its folder alone, as the official emulator does (`mesh-api.md` 11.2).
    pub(crate) fn adopt(&mut self, id: MailboxId) {
        if !self.mailboxes.contains_key(id.as_str()) {
            let party = Party { id: Some(id.clone()), name: "Unknown".to_owned(), ..Party::default() };
            self.insert(Mailbox { id, party: Arc::new(party), password: "password".into(), active: true });
        }
    }

    fn insert(&mut self, mailbox: Mailbox) {
        self.mailboxes.insert(mailbox.id.as_str().to_owned(), Arc::new(mailbox));
    }

    /// Every mailbox, by id.
    pub(crate) fn mailboxes(&self) -> Vec<&Mailbox> {
        let mut all: Vec<_> = self.mailboxes.values().map(Arc::as_ref).collect();
        all.sort_by(|one, other| one.id.as_str().cmp(other.id.as_str()));
        all
    }

    /// Whether a mailbox may send a workflow.
    pub(crate) fn sends(&self, mailbox: &MailboxId, workflow: &str) -> bool {
        let mut entries = self.workflows.iter().filter(|entry| entry.id == workflow);
        entries.any(|entry| entry.senders.iter().any(|sender| sender == mailbox.as_str()))
    }

    /// Whether a mailbox receives a workflow.
    pub(crate) fn receives(&self, mailbox: &MailboxId, workflow: &str) -> bool {
        self.receivers(workflow).any(|receiver| receiver.id == *mailbox)
    }

    /// The mailbox of this id, which is in upper case.
    pub(crate) fn mailbox(&self, id: &str) -> Option<&Mailbox> {
        self.mailboxes.get(id).map(Arc::as_ref)
    }

    /// The mailboxes that receive a workflow, in the order of the file (`mesh-api.md` 4.13).
    pub(crate) fn receivers(&self, workflow: &str) -> impl Iterator<Item = &Mailbox> {
        self.workflows
            .iter()
            .filter(move |entry| entry.id == workflow)
            .flat_map(|entry| &entry.receivers)
            .filter_map(|receiver| self.mailbox(receiver))
    }

    /// Those of them that belong to an organisation. The file's code counts in upper case and the caller's as it
    /// is, so a code in lower case finds nothing (`mesh-api.md` 4.12).
    pub(crate) fn receivers_at(&self, ods_code: &str, workflow: &str) -> impl Iterator<Item = &Mailbox> {
        self.receivers(workflow)
            .filter(move |mailbox| mailbox.party.ods_code.trim().to_uppercase() == ods_code)
    }
}

/// One of the two files of a [`Directory`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryFile {
    /// `mailboxes.jsonl`.
    Mailboxes,
    /// `workflows.jsonl`.
    Workflows,
    /// `patients.jsonl`, of this server's own.
    Patients,
}

impl fmt::Display for DirectoryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mailboxes => "mailboxes",
            Self::Workflows => "workflows",
            Self::Patients => "patients",
        })
    }
}

/// Why a directory cannot be read. Lines count from 1. Values are never repeated: one of them is a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DirectoryError {
    /// The line is not a JSON object, or a key holds something else than it should.
    #[error(
        "line {line} of the {file} file cannot be read as JSON of the right form near column {column}: \
         write one object a line, with texts in double quotes"
    )]
    Unreadable {
        /// Which file.
        file: DirectoryFile,
        /// Which line.
        line: usize,
        /// Where in the line reading stopped, in bytes.
        column: usize,
    },
    /// The object lacks a key that it must have.
    #[error("line {line} of the {file} file has no {key}: add it")]
    Missing {
        /// Which file.
        file: DirectoryFile,
        /// Which line.
        line: usize,
        /// The key.
        key: &'static str,
    },
    /// The mailbox id cannot be one.
    #[error("line {line} of the mailboxes file has an unusable mailbox_id: {source}")]
    MailboxId {
        /// Which line.
        line: usize,
        /// What is wrong with it.
        source: IdError,
    },
    /// A patient's NHS number cannot be one.
    #[error(
        "line {line} of the patients file has an nhs_number that cannot be one: give ten digits, the last a check digit"
    )]
    NhsNumber {
        /// Which line.
        line: usize,
    },
}

#[derive(Deserialize)]
struct MailboxLine {
    mailbox_id: Option<String>,
    mailbox_name: Option<String>,
    billing_entity: Option<String>,
    ods_code: Option<String>,
    org_code: Option<String>,
    org_name: Option<String>,
    password: Option<String>,
    active: Option<bool>,
}

#[derive(Deserialize)]
struct WorkflowLine {
    workflow_id: Option<String>,
    senders: Option<Vec<String>>,
    receivers: Option<Vec<String>>,
}

/// The objects of a file, each with its line.
pub(crate) fn lines<T: DeserializeOwned>(
    file: DirectoryFile,
    text: &str,
) -> Result<Vec<(usize, T)>, DirectoryError> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            // A list would also fill the structure, by position; only an object has the keys.
            let read = match line.trim_start().starts_with('{') {
                true => serde_json::from_str(line).map_err(|e| e.column()),
                false => Err(1),
            };
            let line = index + 1;
            match read {
                Ok(entry) => Ok((line, entry)),
                Err(column) => Err(DirectoryError::Unreadable { file, line, column }),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids<'a>(mailboxes: impl Iterator<Item = &'a Mailbox>) -> Vec<&'a str> {
        mailboxes.map(|mailbox| mailbox.id.as_str()).collect()
    }

    #[test]
    fn the_stock_answers_the_lookups_of_the_emulators_own_tests() {
        let stock = Directory::stock();
        for (ods, workflow, expected) in [
            ("X26", "TEST_WORKFLOW", &["X26ABC2"][..]),
            ("X27", "TEST_WORKFLOW", &[]),
            ("X26", "TEST_WORKFLOW2", &["X26ABC1", "X26ABC2"]),
            ("X26", "TEST_WORKFLOW_ACK", &["X26ABC1"]),
            ("X27", "TEST_WORKFLOW_ACK", &["X26ABC3"]),
            ("x27", "TEST_WORKFLOW_ACK", &[]),
            ("X26", "OTHER", &[]),
        ] {
            assert_eq!(ids(stock.receivers_at(ods, workflow)), expected, "{ods} {workflow}");
        }
        assert_eq!(ids(stock.receivers("TEST_WORKFLOW_ACK")), ["X26ABC1", "X26ABC3"]);
    }

    #[test]
    fn files_of_ones_own_are_read() {
        let mailboxes = concat!(
            "\n{\"mailbox_id\": \"y99one\", \"mailbox_name\": \"ONE\", \"ods_code\": \" y99 \", \"active\": true}\r\n",
            "{\"mailbox_id\": \"Y99TWO\", \"mailbox_name\": \"TWO\", \"billing_entity\": null, \"org_name\": null}\n",
        );
        let workflows = r#"{"workflow_id": " FLOW ", "receivers": [" y99one ", "Y99GONE"], "senders": []}"#;
        let directory = Directory::from_jsonl(mailboxes, Some(workflows)).expect("a directory");
        assert_eq!(ids(directory.receivers_at("Y99", "FLOW")), ["Y99ONE"]);
        assert!(directory.mailbox("Y99TWO").is_some() && directory.mailbox("X26ABC1").is_none());
    }

    #[test]
    fn faults_name_the_line_and_repeat_nothing() {
        let good = r#"{"mailbox_id": "A", "mailbox_name": "A"}"#;
        for (mailboxes, expected) in [
            (format!("{good}\n\n[\"canary\"]"), "line 3"),
            (format!("{good}\n{{\"mailbox_id\": \"B\""), "line 2"),
            (r#"{"mailbox_id": "B", "mailbox_name": "B", "password": {"canary": 1}}"#.to_owned(), "line 1"),
            (r#"{"mailbox_name": "canary"}"#.to_owned(), "no mailbox_id"),
            (r#"{"mailbox_id": "B", "password": "canary"}"#.to_owned(), "no mailbox_name"),
            (r#"{"mailbox_id": "B:canary", "mailbox_name": "B"}"#.to_owned(), "':'"),
        ] {
            let error = Directory::from_jsonl(&mailboxes, None).expect_err("a fault").to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
        let error = Directory::from_jsonl(good, Some("\n{}")).expect_err("a fault").to_string();
        assert_eq!(error, "line 2 of the workflows file has no workflow_id: add it");
    }

    #[test]
    fn passwords_do_not_print() {
        let line = r#"{"mailbox_id": "A", "mailbox_name": "A", "password": "canary"}"#;
        let directory = Directory::from_jsonl(line, None).expect("a directory");
        assert!(!format!("{directory:?}").contains("canary"));
    }
}
