//! Paths of the calls (`mesh-api.md` section 4). Each begins with [`ROOT`] and is ready to be joined to a base
//! address.

use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::id::{IdError, LocalId, MailboxId, MessageId, WorkflowId};

/// What every path begins with.
pub const ROOT: &str = "/messageexchange";

/// Fewest ids a page of the inbox may be asked for.
pub const PAGE_MIN: u32 = 10;
/// Most ids a page of the inbox may be asked for.
pub const PAGE_MAX: u32 = 5000;
/// Page size when none is asked for.
pub const PAGE_DEFAULT: u32 = 500;

/// What stands unescaped in a path segment (RFC 3986, unreserved).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn segment(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, SEGMENT)
}

/// Handshake, `POST` (4.1).
pub fn handshake(mailbox: &MailboxId) -> String {
    format!("{ROOT}/{}", segment(mailbox.as_str()))
}

/// First page of the inbox, `GET` (4.2).
pub fn inbox(mailbox: &MailboxId, max_results: u32) -> String {
    format!("{ROOT}/{}/inbox?max_results={max_results}", segment(mailbox.as_str()))
}

/// Next page of a listing after `last` where the server answers in version 1 (4.2).
pub fn after(first_page: &str, last: &MessageId) -> String {
    format!("{first_page}&continue_from={}", segment(last.as_str()))
}

/// How many messages wait, `GET`, deprecated (4.3).
pub fn count(mailbox: &MailboxId) -> String {
    format!("{ROOT}/{}/count", segment(mailbox.as_str()))
}

/// Mailboxes of an organisation that receive a workflow, `GET` (4.12). Case counts in both.
pub fn endpoint_lookup(ods_code: &str, workflow: &WorkflowId) -> String {
    format!("{ROOT}/endpointlookup/{}/{}", segment(ods_code), segment(workflow.as_str()))
}

/// All mailboxes that receive a workflow, `GET` (4.13).
pub fn workflow_search(workflow: &WorkflowId) -> String {
    format!("{ROOT}/workflowsearch/{}", segment(workflow.as_str()))
}

/// Which workflows a listing keeps (4.2). Case counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkflowFilter {
    /// This workflow.
    Is(WorkflowId),
    /// All others.
    IsNot(WorkflowId),
    /// Those that begin so.
    BeginsWith(WorkflowId),
    /// Those that do not.
    BeginsNotWith(WorkflowId),
    /// Those that hold this.
    Contains(WorkflowId),
    /// Those that do not.
    ContainsNot(WorkflowId),
}

impl WorkflowFilter {
    /// The filter in MESH's grammar, such as `!*_ACK*`.
    pub fn grammar(&self) -> String {
        match self {
            Self::Is(id) => id.as_str().to_owned(),
            Self::IsNot(id) => format!("!{id}"),
            Self::BeginsWith(id) => format!("{id}*"),
            Self::BeginsNotWith(id) => format!("!{id}*"),
            Self::Contains(id) => format!("*{id}*"),
            Self::ContainsNot(id) => format!("!*{id}*"),
        }
    }

    /// Whether a listing with this filter holds messages of a workflow.
    pub fn keeps(&self, workflow: &str) -> bool {
        match self {
            Self::Is(id) => workflow == id.as_str(),
            Self::IsNot(id) => workflow != id.as_str(),
            Self::BeginsWith(id) => workflow.starts_with(id.as_str()),
            Self::BeginsNotWith(id) => !workflow.starts_with(id.as_str()),
            Self::Contains(id) => workflow.contains(id.as_str()),
            Self::ContainsNot(id) => !workflow.contains(id.as_str()),
        }
    }
}

impl FromStr for WorkflowFilter {
    type Err = IdError;

    /// Reads MESH's grammar: a workflow id, perhaps with `*` behind it, or on both sides, and `!` before all of it.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let (not, rest) = match text.trim().strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text.trim()),
        };
        let (begins, rest) = match rest.strip_suffix('*') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (contains, rest) = match rest.strip_prefix('*') {
            Some(rest) if begins => (true, rest),
            _ => (false, rest),
        };
        // MESH knows no other place for a star.
        if rest.contains('*') {
            return Err(IdError::Character { kind: "workflow filter", character: '*' });
        }
        let id = rest.parse()?;
        Ok(match (contains, begins, not) {
            (true, _, false) => Self::Contains(id),
            (true, _, true) => Self::ContainsNot(id),
            (_, true, false) => Self::BeginsWith(id),
            (_, true, true) => Self::BeginsNotWith(id),
            (_, _, false) => Self::Is(id),
            (_, _, true) => Self::IsNot(id),
        })
    }
}

/// First page of what a filter keeps of the inbox, `GET` (4.2).
pub fn inbox_filtered(mailbox: &MailboxId, max_results: u32, filter: &WorkflowFilter) -> String {
    format!("{}&workflow_filter={}", inbox(mailbox, max_results), segment(&filter.grammar()))
}

/// A message, `GET` or `HEAD` (4.4, 4.6).
pub fn message(mailbox: &MailboxId, id: &MessageId) -> String {
    format!("{ROOT}/{}/inbox/{}", segment(mailbox.as_str()), segment(id.as_str()))
}

/// A chunk of a message, `GET`, counted from 1 (4.5).
pub fn message_chunk(mailbox: &MailboxId, id: &MessageId, index: u32) -> String {
    format!("{}/{index}", message(mailbox, id))
}

/// Acknowledge, `PUT` (4.7).
pub fn acknowledge(mailbox: &MailboxId, id: &MessageId) -> String {
    format!("{}/status/acknowledged", message(mailbox, id))
}

/// Send a message or its first chunk, `POST` (4.8).
pub fn outbox(mailbox: &MailboxId) -> String {
    format!("{ROOT}/{}/outbox", segment(mailbox.as_str()))
}

/// Send a later chunk, `POST`, counted from 1 (4.9).
pub fn outbox_chunk(mailbox: &MailboxId, id: &MessageId, index: u32) -> String {
    format!("{}/{}/{index}", outbox(mailbox), segment(id.as_str()))
}

/// Track a message by the id that MESH gave, `GET` (4.10).
pub fn tracking(mailbox: &MailboxId, id: &MessageId) -> String {
    format!("{}/tracking?messageID={}", outbox(mailbox), segment(id.as_str()))
}

/// Track a message by the sender's own reference, `GET`, deprecated (4.11).
pub fn tracking_by_local_id(mailbox: &MailboxId, local_id: &LocalId) -> String {
    format!("{}/tracking/{}", outbox(mailbox), segment(local_id.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_escaped() {
        let mailbox: MailboxId = "x26abc1".parse().expect("a mailbox");
        let local_id: LocalId = "a/b #1?é".parse().expect("a local id");
        assert_eq!(
            tracking_by_local_id(&mailbox, &local_id),
            "/messageexchange/X26ABC1/outbox/tracking/a%2Fb%20%231%3F%C3%A9"
        );
        let workflow: WorkflowId = "A B".parse().expect("a workflow");
        assert_eq!(
            inbox_filtered(&mailbox, 10, &WorkflowFilter::ContainsNot(workflow)),
            "/messageexchange/X26ABC1/inbox?max_results=10&workflow_filter=%21%2AA%20B%2A"
        );
    }

    #[test]
    fn filters_are_read_in_meshs_grammar_and_keep_what_they_say() {
        for (text, kept, left) in [
            ("W", "W", "WX"),
            ("!W", "X", "W"),
            ("W*", "WX", "XW"),
            ("!W*", "XW", "WX"),
            ("*W*", "XWX", "X"),
            ("!*W*", "X", "XWX"),
        ] {
            let filter: WorkflowFilter = text.parse().expect(text);
            assert_eq!(filter.grammar(), text);
            assert!(filter.keeps(kept) && !filter.keeps(left), "{text}");
        }
        for bad in ["", "!", "*", "**", "!*", "*W", "a*b", "W**", "!!*W"] {
            assert!(bad.parse::<WorkflowFilter>().is_err(), "{bad}");
        }
    }
}
