//! Why a fault script is not taken.

use std::fmt;

use thiserror::Error;

use super::effect::{Call, Effect, Page};
use super::fault::{NAME_CHARS_MAX, range, shown};
use super::script::FAULTS_MAX;

/// Where in a script something stands. Both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptPlace {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl ScriptPlace {
    /// The place of a byte of `text`. Past the end it is the end.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        Self { line: before.matches('\n').count() + 1, column: before[start..].chars().count() + 1 }
    }
}

/// Why a fault script, or a fault of it, is not taken. Nothing of it is then in force.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("fault script{}: {problem}", Lead(self))]
pub struct FaultScriptError {
    /// Where, if it was read from a text.
    pub place: Option<ScriptPlace>,
    /// Which fault: its name in quotes, or `number 3` in the script. `None` for the script itself.
    pub fault: Option<String>,
    /// What is wrong.
    pub problem: FaultProblem,
}

/// What is wrong with a fault script. The texts also say what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FaultProblem {
    /// The text has not the form that it should have.
    #[error("the text cannot be read as {format}: {message}; mend it there")]
    Syntax {
        /// `TOML` or `JSON`.
        format: &'static str,
        /// What the parser said.
        message: String,
    },
    /// A key that must be there is not.
    #[error("the key `{key}` is missing: add it with {}", wanted(.key))]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A key holds what it cannot hold.
    #[error("`{key}` is {found}: write {}", wanted(.key))]
    Value {
        /// The key.
        key: &'static str,
        /// What it holds, as the script may spell it.
        found: String,
    },
    /// A key has no meaning where it stands.
    #[error("the key {} has no meaning here: the keys are {known}", shown(.key))]
    UnknownKey {
        /// The key.
        key: String,
        /// The keys that would have one.
        known: String,
    },
    /// The effect cannot be carried out on the call.
    #[error("the effect `{effect}` cannot strike the call `{}`: it strikes {}", .call.name(), wanted_call(.only))]
    Unfit {
        /// Name of the effect.
        effect: &'static str,
        /// The call that was named.
        call: Call,
        /// The only call that the effect can strike. `None`: all but reports.
        only: Option<Call>,
    },
    /// Two faults of a script have one name.
    #[error("`name` is that of an earlier fault too: give each fault its own")]
    NameTaken,
    /// The script has more faults than it may.
    #[error("there are more than {FAULTS_MAX} faults: remove some")]
    TooMany,
}

impl FaultProblem {
    /// The key that the problem is about.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::Syntax { .. } | Self::Missing { .. } => None,
            Self::Value { key, .. } => Some(key),
            Self::UnknownKey { key, .. } => Some(key),
            Self::Unfit { .. } => Some("call"),
            Self::NameTaken => Some("name"),
            Self::TooMany => Some("fault"),
        }
    }
}

/// Place and fault before the problem.
struct Lead<'a>(&'a FaultScriptError);

impl fmt::Display for Lead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(ScriptPlace { line, column }) = self.0.place {
            write!(f, ", line {line}, column {column}")?;
        }
        match &self.0.fault {
            Some(fault) => write!(f, ", fault {fault}"),
            None => Ok(()),
        }
    }
}

/// What a key must hold.
fn wanted(key: &str) -> String {
    let one_of = |names: &[&str]| format!("one of {}", names.join(", "));
    match key {
        "name" => format!("a text of 1 to {NAME_CHARS_MAX} characters, none of them a control character"),
        "mailbox" => "a mailbox id, such as \"X26ABC1\"".to_owned(),
        "call" => format!("{}, or a list of them", one_of(&Call::ALL.map(Call::name))),
        "probability" => "a number from 0 to 1".to_owned(),
        "effect" => one_of(&Effect::NAMES),
        "body" => one_of(&Page::ALL.map(|(name, _)| name)),
        "workflow_id" => "a workflow id of 1 to 300 characters".to_owned(),
        "fault" => "a list of faults, each a table of keys".to_owned(),
        _ => match range(key).into_inner() {
            (low, u64::MAX) => format!("a whole number from {low} up"),
            (low, high) => format!("a whole number from {low} to {high}"),
        },
    }
}

fn wanted_call(only: &Option<Call>) -> String {
    match only {
        Some(call) => format!("`{}` alone, so write that or leave `call` out", call.name()),
        None => "requests alone, so name one of those".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let text = "a\né = 1\n";
        let place = |offset| {
            let ScriptPlace { line, column } = ScriptPlace::of(text, offset);
            (line, column)
        };
        assert_eq!(
            [place(0), place(2), place(3), place(4), place(99)],
            [(1, 1), (2, 1), (2, 1), (2, 2), (3, 1)]
        );
    }

    #[test]
    fn an_error_without_a_place_still_says_which_fault() {
        let problem = FaultProblem::Value { key: "times", found: "0".to_owned() };
        let error = FaultScriptError { place: None, fault: Some(shown("late")), problem };
        assert_eq!(
            error.to_string(),
            "fault script, fault \"late\": `times` is 0: write a whole number from 1 up"
        );
    }
}
