//! What live MESH enforces and the official emulator lets slip (`peers.md` D4, `mesh-api.md` 13.3), each rule
//! switched by name.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use thiserror::Error;

/// A rule of the live service. `mesh-api.md` does not settle every answer; where it does not, the item says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Rule {
    /// `token-replay`: each token is good for one request (2.2); 403. Mailbox, nonce and nonce count together
    /// make a token. It is remembered for four hours, after which its time is out of date.
    TokenReplay,
    /// `clock-skew`: a token's time is within two hours of the server's (2.2); 403.
    ClockSkew,
    /// `mailbox-case`: the path names the mailbox in upper case (2.1); 403. Live's answer is not established.
    MailboxCase,
    /// `inactive-mailbox`: a mailbox that is not active makes no call (2.2, 13.2); 403. What is sent to it is
    /// taken, and its report says that the mailbox is deactivated.
    InactiveMailbox,
    /// `body-limit`: one request carries at most 100 MB (5.1); 413. Live's status is not established.
    BodyLimit,
    /// `chunk-order`: chunks come one after another, none missing, each announcing the first one's total (5.2);
    /// 417. Live's answer to a gap is not established.
    ChunkOrder,
    /// `header-limits`: `Mex-*` values are printable ASCII and a workflow id is not empty (4.8, section 14); 400
    /// with code 06. Lengths are held by every profile.
    HeaderLimits,
    /// `from-address`: `Mex-From`, when given, is the caller (code 07); 417.
    FromAddress,
    /// `message-type`: `Mex-MessageType`, when given, is `DATA` (code 11); 417.
    MessageType,
    /// `registered-recipient`: a send to an unknown recipient is refused with a message id, and a report of it
    /// comes to the sender's inbox (4.8, 13.2). Off, it is refused as the official emulator does.
    RegisteredRecipient,
    /// `registered-workflow`: the sender may send the workflow (code 16) and the recipient receives it (code 17);
    /// 417. Live may tell it by a report instead.
    RegisteredWorkflow,
    /// `gp-routing`: a routing address is resolved (section 9). Off, it is an unknown mailbox.
    GpRouting,
    /// `poll-rate`: an inbox is not listed again within five minutes, unless the listing before told of more
    /// (7.2). Warned and counted, never refused.
    PollRate,
    /// `read-once`: an acknowledged message cannot be downloaded again (section 10, row 6); 410.
    ReadOnce,
    /// `inbox-expiry`: what is not acknowledged within five days leaves the inbox, and its sender gets a report
    /// with code 14 (7.2).
    InboxExpiry,
    /// `deletion`: a message is deleted thirty days after it was delivered (7.2).
    Deletion,
}

impl Rule {
    /// Every rule, roughly in the order of a message's life.
    pub const ALL: [Self; 16] = [
        Self::TokenReplay,
        Self::ClockSkew,
        Self::MailboxCase,
        Self::InactiveMailbox,
        Self::BodyLimit,
        Self::ChunkOrder,
        Self::HeaderLimits,
        Self::FromAddress,
        Self::MessageType,
        Self::RegisteredRecipient,
        Self::RegisteredWorkflow,
        Self::GpRouting,
        Self::PollRate,
        Self::ReadOnce,
        Self::InboxExpiry,
        Self::Deletion,
    ];

    /// The rule's name, as it is switched by.
    pub fn name(self) -> &'static str {
        match self {
            Self::TokenReplay => "token-replay",
            Self::ClockSkew => "clock-skew",
            Self::MailboxCase => "mailbox-case",
            Self::InactiveMailbox => "inactive-mailbox",
            Self::BodyLimit => "body-limit",
            Self::ChunkOrder => "chunk-order",
            Self::HeaderLimits => "header-limits",
            Self::FromAddress => "from-address",
            Self::MessageType => "message-type",
            Self::RegisteredRecipient => "registered-recipient",
            Self::RegisteredWorkflow => "registered-workflow",
            Self::GpRouting => "gp-routing",
            Self::PollRate => "poll-rate",
            Self::ReadOnce => "read-once",
            Self::InboxExpiry => "inbox-expiry",
            Self::Deletion => "deletion",
        }
    }

    fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no rule has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no rule {name:?}; the rules are {}", Rule::ALL.map(Rule::name).join(", "))]
pub struct UnknownRule {
    /// The name as it was given.
    pub name: String,
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(name: &str) -> Result<Self, UnknownRule> {
        let found = Self::ALL.into_iter().find(|rule| rule.name() == name);
        found.ok_or_else(|| UnknownRule { name: name.to_owned() })
    }
}

/// Which rules hold. May be switched while the server runs.
pub struct Rules(AtomicU32);

impl Rules {
    /// No rule: as the official emulator answers.
    pub fn official() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Every rule: as live MESH is known or supposed to answer.
    pub fn strict() -> Self {
        Self(AtomicU32::new(Rule::ALL.into_iter().fold(0, |bits, rule| bits | rule.bit())))
    }

    /// These rules with one of them switched.
    #[must_use]
    pub fn with(self, rule: Rule, on: bool) -> Self {
        self.switch(rule, on);
        self
    }

    /// Switches a rule on or off, for every call from now on.
    pub fn switch(&self, rule: Rule, on: bool) {
        match on {
            true => self.0.fetch_or(rule.bit(), Ordering::Relaxed),
            false => self.0.fetch_and(!rule.bit(), Ordering::Relaxed),
        };
    }

    /// Whether a rule holds.
    pub fn hold(&self, rule: Rule) -> bool {
        self.0.load(Ordering::Relaxed) & rule.bit() != 0
    }
}

impl Clone for Rules {
    /// The same rules at this moment; later switches are not shared.
    fn clone(&self) -> Self {
        Self(AtomicU32::new(self.0.load(Ordering::Relaxed)))
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Rule::ALL.into_iter().filter(|rule| self.hold(*rule))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_own_name_and_switch() {
        let rules = Rules::official();
        for rule in Rule::ALL {
            assert_eq!(rule.name().parse(), Ok(rule));
            rules.switch(rule, true);
            assert_eq!(Rule::ALL.into_iter().filter(|rule| rules.hold(*rule)).collect::<Vec<_>>(), [rule]);
            rules.switch(rule, false);
        }
        let strict = Rules::strict().with(Rule::Deletion, false);
        assert!(strict.hold(Rule::TokenReplay) && !strict.hold(Rule::Deletion));
        let error = "token-repaly".parse::<Rule>().expect_err("a slip").to_string();
        assert!(error.contains("token-repaly") && error.contains("token-replay, clock-skew"), "{error}");
    }
}
