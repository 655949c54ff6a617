//! `[[route]]`: which adapter takes a message from MESH.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor};

use crate::fault::Faults;
use crate::section::Section;

/// What to write as a pattern.
const PATTERN: &str = "write the whole value, or its beginning with `*` behind it, such as \"PATH_*\"";
/// What to write as the target.
const TARGET: &str = "write to = \"name\", the name of one [[adapter]]";

/// One `[[route]]`. The first whose `match` fits a message holds for it. A pattern is the whole value or its beginning with
/// `*` behind it.
#[derive(Debug, Clone)]
pub struct RouteSection {
    /// `match.mailbox`: the mailbox in which the message is found. Default: that of the adapter in `to`.
    pub mailbox: Option<String>,
    /// `match.from`: the sending mailbox. Default: any. MESH names none on its reports.
    pub from: Option<String>,
    /// `match.workflow`: the workflow id. Default: any.
    pub workflow: Option<String>,
    /// `to`: the adapter that takes the message. Required.
    pub to: String,
    /// The section, for faults that are found later.
    pub section: Section,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Entries {
    /// For which messages: `mailbox`, `from`, `workflow`, each the whole value or its beginning with `*` behind it.
    r#match: Option<MatchEntries>,
    /// The adapter that takes the message. Required.
    #[schemars(required)]
    to: Option<Target>,
}

#[derive(Default, Deserialize, JsonSchema)]
struct MatchEntries {
    /// The mailbox in which the message is found. Default: that of the adapter in `to`.
    mailbox: Option<String>,
    /// The sending mailbox. Default: any. MESH names none on its reports.
    from: Option<String>,
    /// The workflow id. Default: any.
    workflow: Option<String>,
}

/// The name of one adapter, perhaps as the only element of a list.
pub(crate) struct Target(String);

/// Whether a text says what it seems to say as a pattern.
pub(crate) fn is_pattern(text: &str) -> bool {
    !text.is_empty() && text.find('*').is_none_or(|at| at + 1 == text.len())
}

/// A fault at `key` of `section` unless `text` is a pattern.
pub(crate) fn check_pattern(section: &Section, key: &str, text: Option<&str>, faults: &mut Faults) {
    if text.is_some_and(|text| !is_pattern(text)) {
        let name = key.rsplit('.').next().unwrap_or(key);
        let message = format!("the pattern `{name}` is empty or has a `*` before its end");
        faults.push(section.fault(Some(key), message, PATTERN));
    }
}

impl RouteSection {
    pub(crate) fn read(section: Section, faults: &mut Faults) -> Option<Self> {
        let (entries, _) = section.read::<Entries>(&[], faults);
        let entries = entries?;
        let MatchEntries { mailbox, from, workflow } = entries.r#match.unwrap_or_default();
        for (key, text) in [("match.mailbox", &mailbox), ("match.from", &from), ("match.workflow", &workflow)]
        {
            check_pattern(&section, key, text.as_deref(), faults);
        }
        let to = section.require("to", entries.to, TARGET, faults)?.0;
        Some(Self { mailbox, from, workflow, to, section })
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneName)
    }
}

struct OneName;

impl<'de> Visitor<'de> for OneName {
    type Value = Target;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an adapter in quotes")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Target, E> {
        if name.is_empty() {
            return Err(E::custom(format!("no adapter is named\n{TARGET}")));
        }
        Ok(Target(name.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Target, A::Error> {
        let Some(name) = names.next_element::<String>()? else {
            return Err(A::Error::custom(format!("no adapter is named\n{TARGET}")));
        };
        let mut more = false;
        while names.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        if more {
            return Err(A::Error::custom(format!(
                "names several adapters: a message goes to one place, so that it is clear who has it\n{TARGET}; let that \
                 system hand it on"
            )));
        }
        self.visit_str(&name)
    }
}
