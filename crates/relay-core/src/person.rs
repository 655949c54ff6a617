//! Who asks for something: a person who signed in, a program with a token, or whoever works on the machine itself.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What someone may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// May look.
    Viewer,
    /// May look, act on messages, mailboxes and adapters, and send and fetch by hand.
    Operator,
    /// May hand in messages and see what became of those, and nothing else: for programs.
    Sender,
}

impl Role {
    /// The role's name, as it is configured and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Sender => "sender",
        }
    }

    /// Whether it may see messages, mailboxes and reports.
    pub fn may_look(self) -> bool {
        matches!(self, Self::Viewer | Self::Operator)
    }

    /// Whether it may change something, and see payloads and subjects.
    pub fn may_act(self) -> bool {
        self == Self::Operator
    }

    /// Whether it may hand in messages.
    pub fn may_send(self) -> bool {
        matches!(self, Self::Operator | Self::Sender)
    }
}

/// A word that names no role.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no role {0:?}; the roles are viewer, operator and sender")]
pub struct NoSuchRole(pub String);

impl FromStr for Role {
    type Err = NoSuchRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "operator" => Ok(Self::Operator),
            "sender" => Ok(Self::Sender),
            _ => Err(NoSuchRole(text.to_owned())),
        }
    }
}

/// Most characters of a caller's name that are kept.
const NAME_CHARS_MAX: usize = 100;

/// Someone whose name is known. What is done is recorded under that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    name: Arc<str>,
    role: Role,
}

impl Caller {
    /// Someone by a name, of which control characters are left out and no more than a hundred characters are kept: it
    /// may come from elsewhere, and it stands in records and on pages.
    pub fn new(name: &str, role: Role) -> Self {
        let name: String = name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
        Self { name: name.into(), role }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What they may do.
    pub fn role(&self) -> Role {
        self.role
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
