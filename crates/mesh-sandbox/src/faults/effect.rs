//! What can go wrong, and on which calls.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// Longest [`Effect::Delay`]. Longer than any timeout a client of MESH has reason to set.
pub const DELAY_MAX: Duration = Duration::from_mins(10);
/// Longest [`Effect::LateReport`], on the sandbox's clock: well past the five days after which MESH reports a
/// message that nobody fetched.
pub const REPORT_DELAY_MAX: Duration = Duration::from_hours(31 * 24);

/// A call of the MESH API as a fault script names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// `handshake`: the handshake (`mesh-api.md` section 4).
    Handshake,
    /// `list`: the ids in an inbox.
    List,
    /// `count`: how many messages an inbox holds.
    Count,
    /// `download`: a whole message or one of its chunks.
    Download,
    /// `head`: the headers of a message.
    Head,
    /// `acknowledge`: a message is marked as received.
    Acknowledge,
    /// `send`: a message, or the first of its chunks.
    Send,
    /// `send-chunk`: a later chunk.
    SendChunk,
    /// `track`: what became of a message sent.
    Track,
    /// `lookup`: endpoint lookup and workflow search. These name no mailbox.
    Lookup,
    /// `report`: not a call, but the moment when the server itself puts a report into a mailbox. The mailbox of a
    /// fault is here the one that gets the report.
    Report,
}

impl Call {
    /// Every call, in the order of the declaration.
    pub const ALL: [Self; 11] = [
        Self::Handshake,
        Self::List,
        Self::Count,
        Self::Download,
        Self::Head,
        Self::Acknowledge,
        Self::Send,
        Self::SendChunk,
        Self::Track,
        Self::Lookup,
        Self::Report,
    ];

    /// The name in a script.
    pub fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::List => "list",
            Self::Count => "count",
            Self::Download => "download",
            Self::Head => "head",
            Self::Acknowledge => "acknowledge",
            Self::Send => "send",
            Self::SendChunk => "send-chunk",
            Self::Track => "track",
            Self::Lookup => "lookup",
            Self::Report => "report",
        }
    }
}

impl Serialize for Call {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What a fault does when it strikes. In text an effect is the key `effect` with its name, and its own keys
/// beside it.
///
/// Four effects decide what becomes of a call: [`LoseAnswer`](Self::LoseAnswer),
/// [`CutRequest`](Self::CutRequest), [`CutAnswer`](Self::CutAnswer) and [`Status`](Self::Status). A call meets at
/// most one of them. The others go with each other and with these; where there is nothing for them to change,
/// such as a listing in a call that was answered with a 503, they change nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
pub enum Effect {
    /// `lose-answer`: the call is carried out; the connection ends without an answer.
    LoseAnswer,
    /// `cut-request`: the connection ends while the request is read, and nothing is carried out.
    CutRequest {
        /// How many bytes of the body are read first. A shorter body is read to its end.
        after_bytes: u64,
    },
    /// `cut-answer`: the call is carried out; the connection ends within the answer.
    CutAnswer {
        /// How many bytes of the answer's body are written first.
        after_bytes: u64,
    },
    /// `truncate-body`: the answer's body is shorter than it should be, and its length says the shorter figure.
    TruncateBody {
        /// How many bytes of the body are left.
        bytes: u64,
    },
    /// `delay`: a wait before the call is carried out.
    Delay {
        /// The wait in milliseconds, at most [`DELAY_MAX`].
        millis: u64,
    },
    /// `slow-body`: the answer's body trickles.
    SlowBody {
        /// Bytes a second, at least 1.
        bytes_per_second: u64,
    },
    /// `status`: answered instead of being carried out.
    Status {
        /// The HTTP status, 200 to 599.
        status: u16,
        /// Seconds for a `Retry-After` header; without them there is no such header.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_seconds: Option<u64>,
        /// The form of the answer's body.
        body: Page,
    },
    /// `duplicate-entries`: each id of a listing stands in it more than once.
    DuplicateEntries {
        /// How often each stands there, 2 to 100.
        copies: u32,
    },
    /// `clog-inbox`: messages of a workflow are put into the inbox before the others.
    ClogInbox {
        /// How many, 1 to 10,000.
        messages: u32,
        /// Their workflow (`mesh-api.md` 4.8 has the limits).
        workflow_id: String,
    },
    /// `late-report`: a report appears later than it should.
    LateReport {
        /// How much later, in seconds of the sandbox's clock, at most [`REPORT_DELAY_MAX`].
        seconds: u64,
    },
    /// `report-out-of-order`: a report is held until the next one of that mailbox has appeared.
    ReportOutOfOrder,
}

impl Effect {
    /// The names of all effects, in the order of the declaration.
    pub(super) const NAMES: [&str; 11] = [
        "lose-answer",
        "cut-request",
        "cut-answer",
        "truncate-body",
        "delay",
        "slow-body",
        "status",
        "duplicate-entries",
        "clog-inbox",
        "late-report",
        "report-out-of-order",
    ];

    /// The name in a script.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LoseAnswer => "lose-answer",
            Self::CutRequest { .. } => "cut-request",
            Self::CutAnswer { .. } => "cut-answer",
            Self::TruncateBody { .. } => "truncate-body",
            Self::Delay { .. } => "delay",
            Self::SlowBody { .. } => "slow-body",
            Self::Status { .. } => "status",
            Self::DuplicateEntries { .. } => "duplicate-entries",
            Self::ClogInbox { .. } => "clog-inbox",
            Self::LateReport { .. } => "late-report",
            Self::ReportOutOfOrder => "report-out-of-order",
        }
    }

    /// Whether it decides what becomes of a call, so that a call can meet only one of this sort.
    pub(super) fn decides(&self) -> bool {
        matches!(
            self,
            Self::LoseAnswer | Self::CutRequest { .. } | Self::CutAnswer { .. } | Self::Status { .. }
        )
    }

    /// The one call that it can strike, if there is but one.
    pub(super) fn only_call(&self) -> Option<Call> {
        match self {
            Self::DuplicateEntries { .. } | Self::ClogInbox { .. } => Some(Call::List),
            Self::LateReport { .. } | Self::ReportOutOfOrder => Some(Call::Report),
            _ => None,
        }
    }

    /// Whether it can strike this call.
    pub(super) fn fits(&self, call: Call) -> bool {
        match self.only_call() {
            Some(only) => call == only,
            None => call != Call::Report,
        }
    }
}

/// Form of the body of [`Effect::Status`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Page {
    /// `mesh`: MESH's own error in JSON.
    #[default]
    Mesh,
    /// `empty`: none.
    Empty,
    /// `html`: a gateway's page.
    Html,
    /// `soap`: a SOAP fault in XML.
    Soap,
}

impl Page {
    /// Every form with its name in a script.
    pub(super) const ALL: [(&str, Self); 4] =
        [("mesh", Self::Mesh), ("empty", Self::Empty), ("html", Self::Html), ("soap", Self::Soap)];
}

/// One effect of each kind, in the order of the declaration.
#[cfg(test)]
pub(super) fn one_of_each() -> Vec<Effect> {
    vec![
        Effect::LoseAnswer,
        Effect::CutRequest { after_bytes: 0 },
        Effect::CutAnswer { after_bytes: 1_000 },
        Effect::TruncateBody { bytes: 10 },
        Effect::Delay { millis: 600_000 },
        Effect::SlowBody { bytes_per_second: 1 },
        Effect::Status { status: 503, retry_after_seconds: Some(120), body: Page::Soap },
        Effect::DuplicateEntries { copies: 2 },
        Effect::ClogInbox { messages: 10_000, workflow_id: "TEST_WORKFLOW".to_owned() },
        Effect::LateReport { seconds: 60 },
        Effect::ReportOutOfOrder,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_the_one_that_serde_writes() {
        let effects = one_of_each();
        let names: Vec<&str> = effects.iter().map(Effect::name).collect();
        assert_eq!(names, Effect::NAMES);
        for effect in &effects {
            let written = serde_json::to_value(effect).expect("JSON");
            assert_eq!(written["effect"], effect.name());
        }
        for (name, page) in Page::ALL {
            assert_eq!(serde_json::to_value(page).expect("JSON"), name);
        }
    }

    #[test]
    fn effects_strike_only_where_they_can_be_carried_out() {
        let fitting = |effect: &Effect| -> Vec<Call> {
            Call::ALL.into_iter().filter(|call| effect.fits(*call)).collect()
        };
        for effect in one_of_each() {
            let calls = fitting(&effect);
            match effect.only_call() {
                Some(only) => assert_eq!(calls, [only], "{}", effect.name()),
                None => assert_eq!(calls, Call::ALL[..10], "{}", effect.name()),
            }
        }
        assert_eq!(fitting(&Effect::ReportOutOfOrder), [Call::Report]);
        assert_eq!(fitting(&Effect::DuplicateEntries { copies: 2 }), [Call::List]);
    }
}
