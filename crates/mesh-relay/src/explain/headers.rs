//! What is known of a message, under whatever names.

use relay_core::MailboxId;
use serde_json::Value;

use super::Way;
use crate::settings::Plan;

/// Headers by their names as they were given.
pub(super) struct Headers(Vec<(String, String)>);

/// What the question is about.
pub(super) enum Asked {
    /// A message from MESH.
    In(Arrived),
    /// A message for MESH.
    Out(Given),
}

/// A message from MESH.
pub(super) struct Arrived {
    pub(super) mailbox: MailboxId,
    pub(super) from: String,
    pub(super) workflow: String,
    /// Whether it is a report, as far as that was said.
    pub(super) report: bool,
    /// On a report: the adapter that took the message that it is about.
    pub(super) adapter: Option<String>,
}

/// A message for MESH.
pub(super) struct Given {
    pub(super) mailbox: MailboxId,
    /// All headers, under the names that queues give them.
    pub(super) headers: Vec<(String, String)>,
    /// Its length in bytes, where that was said.
    pub(super) length: Option<u64>,
}

/// One of the names that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Mailbox,
    From,
    To,
    Workflow,
    Type,
    Adapter,
    Size,
}

impl Name {
    /// MESH, queues and people write it in different ways.
    fn of(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase().replace(['-', '_'], "");
        let bare = text.strip_prefix("mex").or_else(|| text.strip_prefix("mesh")).unwrap_or(&text);
        match bare {
            "mailbox" => Some(Self::Mailbox),
            "from" => Some(Self::From),
            "to" => Some(Self::To),
            "workflow" | "workflowid" => Some(Self::Workflow),
            "type" | "messagetype" => Some(Self::Type),
            "adapter" => Some(Self::Adapter),
            "size" => Some(Self::Size),
            _ => None,
        }
    }
}

impl Headers {
    pub(super) fn of_arguments(arguments: &[String]) -> Result<Self, String> {
        let pair = |text: &String| {
            let (name, value) = text.split_once('=')?;
            Some((name.trim().to_owned(), value.to_owned()))
        };
        let pairs = arguments.iter().map(pair).collect::<Option<Vec<_>>>();
        pairs.map(Self).ok_or_else(|| "a --header is not of the form NAME=VALUE".to_owned())
    }

    pub(super) fn of_json(line: &str) -> Result<Self, String> {
        let Ok(Value::Object(members)) = serde_json::from_str(line) else {
            return Err("not a JSON object of headers; write {\"name\": \"value\", …}".to_owned());
        };
        let text = |value: Value| match value {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        };
        Ok(Self(members.into_iter().map(|(name, value)| (name, text(value))).collect()))
    }

    fn get(&self, name: Name) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| Name::of(known) == Some(name));
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// Which way the message goes, and what is known of it then.
    pub(super) fn asked(&self, plan: &Plan, way: Option<Way>) -> Result<Asked, String> {
        let ours =
            |name| self.get(name).and_then(|text| text.parse::<MailboxId>().ok()).filter(|id| plan.has(id));
        let way = match way {
            Some(way) => way,
            None if self.get(Name::Mailbox).is_some() => Way::In,
            None => match (ours(Name::From).is_some(), ours(Name::To).is_some()) {
                (true, false) => Way::Out,
                (false, true) => Way::In,
                (true, true) => {
                    return Err(
                        "from and to are both mailboxes of this relay; say --way in or --way out".to_owned()
                    );
                }
                (false, false) => {
                    let known = plan.mailboxes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                    return Err(format!(
                        "the headers name no mailbox of this relay; give mailbox=ID of a message from MESH or from=ID of \
                         one for MESH, which are: {known}"
                    ));
                }
            },
        };
        let name = match way {
            Way::In if self.get(Name::Mailbox).is_some() => Name::Mailbox,
            Way::In => Name::To,
            Way::Out => Name::From,
        };
        let text = self
            .get(name)
            .ok_or("the headers name no mailbox; give mailbox=ID, or from=ID of one for MESH")?;
        let mailbox: MailboxId = text.parse().map_err(|error| format!("{error}"))?;
        if way == Way::In {
            let is_report = |kind: &str| kind.eq_ignore_ascii_case("REPORT");
            return Ok(Asked::In(Arrived {
                mailbox,
                from: self.get(Name::From).unwrap_or_default().to_owned(),
                workflow: self.get(Name::Workflow).unwrap_or_default().to_owned(),
                report: self.get(Name::Type).is_some_and(is_report),
                adapter: self.get(Name::Adapter).map(str::to_owned),
            }));
        }
        let length = self.get(Name::Size).map(str::parse).transpose();
        let length = length.map_err(|_| "size is no number of bytes".to_owned())?;
        // What matters here goes by the names that queues give it; what is not known here is not theirs either.
        let named = |(name, value): &(String, String)| {
            let name = match Name::of(name) {
                Some(Name::From) => relay_carrier::header::FROM,
                Some(Name::To) => relay_carrier::header::TO,
                Some(Name::Workflow) => relay_carrier::header::WORKFLOW_ID,
                Some(Name::Mailbox | Name::Type | Name::Adapter | Name::Size) => return None,
                None => name,
            };
            Some((name.to_owned(), value.clone()))
        };
        Ok(Asked::Out(Given { mailbox, headers: self.0.iter().filter_map(named).collect(), length }))
    }
}
