//! One fault, and what it may hold.

use std::ops::RangeInclusive;

use mesh_api::{MailboxId, WorkflowId};
use serde::{Serialize, Serializer};

use super::effect::{Call, DELAY_MAX, Effect, REPORT_DELAY_MAX};
use super::error::{FaultProblem, FaultScriptError};

/// Longest name of a fault, in characters.
pub const NAME_CHARS_MAX: usize = 100;

/// An [`Effect`], with whom it strikes, on which calls and how often. As JSON it has the form that
/// [`Fault::from_json`] reads.
///
/// A fault *matches* a call of its mailbox and of its calls. The first [`skip`](Self::skip) matches pass by; of
/// the later ones each strikes with the [`probability`](Self::probability), until it has struck
/// [`times`](Self::times) times.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fault {
    /// What it is called: 1 to [`NAME_CHARS_MAX`] characters, unlike every other fault of the script.
    pub name: String,
    /// Whose calls it strikes. `None`: everybody's, and those that name no mailbox.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<MailboxId>,
    /// Which calls it strikes; the key is `call`. None named: every one on which the effect can be carried out.
    #[serde(rename = "call", skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
    /// How many matches pass by first.
    pub skip: u64,
    /// How often it strikes, at least once. `None`: without end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// How likely a match strikes, 0 to 1.
    pub probability: f64,
    /// What it does.
    #[serde(flatten)]
    pub effect: Effect,
}

impl Fault {
    /// A fault that strikes every call of every mailbox, always.
    pub fn new(name: impl Into<String>, effect: Effect) -> Self {
        Self {
            name: name.into(),
            mailbox: None,
            calls: Vec::new(),
            skip: 0,
            times: None,
            probability: 1.0,
            effect,
        }
    }

    /// Whether the fault is about this call.
    pub(super) fn matches(&self, mailbox: Option<&MailboxId>, call: Call) -> bool {
        let call_fits =
            if self.calls.is_empty() { self.effect.fits(call) } else { self.calls.contains(&call) };
        call_fits && (self.mailbox.is_none() || self.mailbox.as_ref() == mailbox)
    }

    /// Fills in the call where there is but one, and checks everything else.
    pub(super) fn checked(mut self) -> Result<Self, FaultProblem> {
        let value = |key, found: &dyn ToString| Err(FaultProblem::Value { key, found: found.to_string() });
        let chars = self.name.chars().count();
        let blank = self.name.trim().is_empty();
        if blank || chars > NAME_CHARS_MAX || self.name.chars().any(char::is_control) {
            return value("name", &shown(&self.name));
        }
        if !(0.0..=1.0).contains(&self.probability) {
            return value("probability", &self.probability);
        }
        for (key, number) in self.numbers() {
            if !range(key).contains(&number) {
                return value(key, &number);
            }
        }
        if let Effect::ClogInbox { workflow_id, .. } = &self.effect
            && workflow_id.parse::<WorkflowId>().is_err()
        {
            return value("workflow_id", &shown(workflow_id));
        }
        let only = self.effect.only_call();
        if let Some(&call) = self.calls.iter().find(|call| !self.effect.fits(**call)) {
            return Err(FaultProblem::Unfit { effect: self.effect.name(), call, only });
        }
        if self.calls.is_empty() {
            self.calls.extend(only);
        }
        Ok(self)
    }

    /// [`Self::checked`], for a fault that came from no text.
    pub(super) fn checked_by_name(self) -> Result<Self, FaultScriptError> {
        let fault = Some(shown(&self.name));
        self.checked().map_err(|problem| FaultScriptError { place: None, fault, problem })
    }

    /// The whole numbers that have a [`range`], each with its key.
    fn numbers(&self) -> Vec<(&'static str, u64)> {
        let mut numbers: Vec<_> = self.times.map(|times| ("times", times)).into_iter().collect();
        match self.effect {
            Effect::Delay { millis } => numbers.push(("millis", millis)),
            Effect::SlowBody { bytes_per_second } => numbers.push(("bytes_per_second", bytes_per_second)),
            Effect::Status { status, .. } => numbers.push(("status", status.into())),
            Effect::DuplicateEntries { copies } => numbers.push(("copies", copies.into())),
            Effect::ClogInbox { messages, .. } => numbers.push(("messages", messages.into())),
            Effect::LateReport { seconds } => numbers.push(("seconds", seconds)),
            _ => {}
        }
        numbers
    }
}

/// What the whole number of a key may be.
pub(super) fn range(key: &str) -> RangeInclusive<u64> {
    match key {
        "times" | "bytes_per_second" => 1..=u64::MAX,
        "status" => 200..=599,
        "millis" => 0..=DELAY_MAX.as_secs() * 1_000,
        "copies" => 2..=100,
        "messages" => 1..=10_000,
        "seconds" => 0..=REPORT_DELAY_MAX.as_secs(),
        _ => 0..=u64::MAX,
    }
}

/// A text as an error shows it: quoted, and cut where it is long.
pub(super) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{:?} (cut)", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Writes a mailbox as its id.
pub(super) fn as_text<S: Serializer>(mailbox: &Option<MailboxId>, serializer: S) -> Result<S::Ok, S::Error> {
    mailbox.as_ref().map(MailboxId::as_str).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::effect::{Page, one_of_each};

    fn wrong(fault: Fault) -> String {
        fault.checked_by_name().expect_err("a problem").to_string()
    }

    #[test]
    fn a_sound_fault_passes_and_gets_its_only_call() {
        for effect in one_of_each() {
            let only = effect.only_call();
            let fault = Fault::new("sound", effect).checked().expect("a sound fault");
            assert_eq!(fault.calls.first().copied(), only);
        }
    }

    #[test]
    fn limits_hold_for_faults_made_in_code() {
        let status = |status| Effect::Status { status, retry_after_seconds: None, body: Page::Mesh };
        let clog =
            |messages, workflow_id: &str| Effect::ClogInbox { messages, workflow_id: workflow_id.to_owned() };
        for (effect, words) in [
            (status(199), "`status` is 199: write a whole number from 200 to 599"),
            (status(600), "`status` is 600"),
            (Effect::Delay { millis: 600_001 }, "`millis` is 600001: write a whole number from 0 to 600000"),
            (
                Effect::SlowBody { bytes_per_second: 0 },
                "`bytes_per_second` is 0: write a whole number from 1 up",
            ),
            (Effect::DuplicateEntries { copies: 1 }, "`copies` is 1: write a whole number from 2 to 100"),
            (Effect::DuplicateEntries { copies: 101 }, "`copies` is 101"),
            (clog(0, "W"), "`messages` is 0: write a whole number from 1 to 10000"),
            (clog(10_001, "W"), "`messages` is 10001"),
            (clog(1, " "), "`workflow_id` is \" \": write a workflow id of 1 to 300 characters"),
            (Effect::LateReport { seconds: 2_678_401 }, "write a whole number from 0 to 2678400"),
        ] {
            let text = wrong(Fault::new("bad", effect));
            assert!(text.starts_with("fault script, fault \"bad\": "), "{text}");
            assert!(text.contains(words), "{text}");
        }
        for probability in [-0.1, 1.1, f64::NAN] {
            let text = wrong(Fault { probability, ..Fault::new("bad", Effect::LoseAnswer) });
            assert!(text.ends_with("write a number from 0 to 1"), "{text}");
        }
        for name in ["", " ", "a\nb", &"n".repeat(101)] {
            assert!(wrong(Fault::new(name, Effect::LoseAnswer)).contains("`name` is"));
        }
        let never = Fault { times: Some(0), ..Fault::new("bad", Effect::LoseAnswer) };
        assert!(wrong(never).contains("`times` is 0"));
    }

    #[test]
    fn an_effect_must_fit_its_calls() {
        let on = |effect, calls: &[Call]| Fault { calls: calls.to_vec(), ..Fault::new("bad", effect) };
        let text = wrong(on(Effect::ReportOutOfOrder, &[Call::Report, Call::Send]));
        assert!(
            text.ends_with(
                "the effect `report-out-of-order` cannot strike the call `send`: \
                 it strikes `report` alone, so write that or leave `call` out"
            ),
            "{text}"
        );
        let text = wrong(on(Effect::LoseAnswer, &[Call::Report]));
        assert!(text.contains("cannot strike the call `report`: it strikes requests alone"), "{text}");
        let text = wrong(on(Effect::DuplicateEntries { copies: 2 }, &[Call::Count]));
        assert!(text.contains("it strikes `list` alone"), "{text}");
    }

    #[test]
    fn mailbox_and_call_are_matched() {
        let mailbox = |id: &str| id.parse::<MailboxId>().expect("a mailbox id");
        let (one, two) = (mailbox("x26abc1"), mailbox("X26ABC2"));
        let fault = Fault {
            mailbox: Some(mailbox("X26ABC1")),
            calls: vec![Call::Send, Call::SendChunk],
            ..Fault::new("picky", Effect::LoseAnswer)
        };
        assert!(fault.matches(Some(&one), Call::Send) && fault.matches(Some(&one), Call::SendChunk));
        assert!(!fault.matches(Some(&one), Call::List));
        assert!(!fault.matches(Some(&two), Call::Send));
        assert!(!fault.matches(None, Call::Send));

        let everyone = Fault::new("all", Effect::LoseAnswer);
        assert!(everyone.matches(None, Call::Lookup) && everyone.matches(Some(&two), Call::Head));
        assert!(!everyone.matches(Some(&two), Call::Report), "a report is no call");
    }
}
