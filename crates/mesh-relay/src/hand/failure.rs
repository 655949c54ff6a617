//! How a command fails: with which exit code, in which words, and what to do next.

use mesh_api::{Classify, Effect};
use mesh_client::{CallError, ConnectFault, ErrorKind, Resting};
use serde_json::{Value, json};
use thiserror::Error;

use crate::cli::{EXIT_CREDENTIALS, EXIT_FAILED, EXIT_GONE, EXIT_REFUSED, EXIT_UNKNOWN, EXIT_USAGE};

/// How a command ended that did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It did not, and may on another try.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// It may have.
    Unknown,
    /// It never will.
    Refused,
    /// Credentials or certificates are not accepted.
    Credentials,
    /// The message is not there.
    Gone,
}

impl End {
    /// The exit code.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Failed => EXIT_FAILED,
            Self::Usage => EXIT_USAGE,
            Self::Unknown => EXIT_UNKNOWN,
            Self::Refused => EXIT_REFUSED,
            Self::Credentials => EXIT_CREDENTIALS,
            Self::Gone => EXIT_GONE,
        }
    }

    /// What a call that failed comes to. Doubt goes before everything: it must not pass for a failure.
    fn of(error: &CallError) -> Self {
        if error.effect() == Effect::Unknown {
            return Self::Unknown;
        }
        match error.kind() {
            ErrorKind::CredentialsRefused
            | ErrorKind::Resting { what: Resting::Mailbox, .. }
            | ErrorKind::Connect(ConnectFault::Tls(_)) => Self::Credentials,
            // What hosts on HSCN answer to a client certificate of another environment (`mesh-api.md` 1.2).
            ErrorKind::NotMesh(_) if error.status() == Some(400) => Self::Credentials,
            ErrorKind::NoSuchMessage | ErrorKind::NoLongerAvailable => Self::Gone,
            ErrorKind::Refused | ErrorKind::Unsendable(_) | ErrorKind::ExpandsTooFar => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// Why a command did not do what was asked. Holds nothing private: it goes to stderr, which may be kept.
#[derive(Debug, Clone, Error)]
#[error("{what}")]
pub(super) struct Failure {
    end: End,
    what: String,
    next: Option<String>,
    facts: Vec<(&'static str, String)>,
    one_message: bool,
}

impl Failure {
    /// A failure of any sort. `what` says what happened to what.
    pub(super) fn new(end: End, what: impl Into<String>) -> Self {
        Self { end, what: what.into(), next: None, facts: Vec::new(), one_message: false }
    }

    /// Something on the command line is wrong.
    pub(super) fn usage(what: impl Into<String>) -> Self {
        Self::new(End::Usage, what)
    }

    /// Says what to do next.
    pub(super) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Adds what a program needs to go on, for JSON.
    pub(super) fn fact(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.facts.push((name, value.into()));
        self
    }

    /// Ends otherwise than the call itself tells.
    pub(super) fn ending(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    /// It concerns one message; others may still be had.
    pub(super) fn of_one_message(mut self) -> Self {
        self.one_message = true;
        self
    }

    /// How it ended.
    pub(super) fn end(&self) -> End {
        self.end
    }

    /// Whether other messages may still be had.
    pub(super) fn is_of_one_message(&self) -> bool {
        self.one_message
    }

    /// As JSON.
    pub(super) fn to_json(&self) -> Value {
        let mut document = json!({ "error": self.what, "exit_code": self.end.code() });
        if let Some(next) = &self.next {
            document["next"] = next.as_str().into();
        }
        for (name, value) in &self.facts {
            document[*name] = value.as_str().into();
        }
        document
    }

    /// Writes it to stderr.
    pub(super) fn tell(&self, json: bool) {
        if json {
            eprintln!("{}", self.to_json());
            return;
        }
        eprintln!("error: {}", self.what);
        if let Some(next) = &self.next {
            eprintln!("{next}");
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let one_message = matches!(
            error.kind(),
            ErrorKind::NoSuchMessage
                | ErrorKind::NoLongerAvailable
                | ErrorKind::Refused
                | ErrorKind::Unusable(_)
                | ErrorKind::ExpandsTooFar
        );
        Self { one_message, ..Self::new(End::of(&error), error.to_string()) }
    }
}
