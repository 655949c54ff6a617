//! Why a broker's message can never be sent: a word for programs and a sentence for people.

use std::fmt;

use thiserror::Error;

/// Why, for programs that read parked messages. The texts are for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It has no message id.
    NoMessageId,
    /// A header that must be there is missing.
    MissingHeader,
    /// A header's value is too long, or holds what MESH does not take.
    BadHeader,
    /// A header that begins as the relay's own do is none of them.
    UnknownHeader,
    /// A header is no text.
    NotText,
    /// Reading it broke: a fault of the relay's.
    Unreadable,
    /// It is to be sent from another mailbox than this queue's.
    OtherMailbox,
    /// The time after which it was not to be sent is over.
    TooLate,
    /// It has no payload.
    Empty,
    /// Its payload is longer than is let through.
    TooLarge,
    /// It names a payload that cannot be had, or is not what it says.
    BadReference,
    /// Another message came under the same id.
    OtherContent,
    /// MESH refused it.
    Refused,
    /// MESH did not take it in time.
    Expired,
    /// Nobody knows whether MESH has it.
    InDoubt,
    /// A person parked it.
    ByPerson,
    /// It was cancelled.
    Cancelled,
}

impl Reason {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoMessageId => "no-message-id",
            Self::MissingHeader => "missing-header",
            Self::BadHeader => "bad-header",
            Self::UnknownHeader => "unknown-header",
            Self::NotText => "not-text",
            Self::Unreadable => "unreadable",
            Self::OtherMailbox => "other-mailbox",
            Self::TooLate => "too-late",
            Self::Empty => "empty",
            Self::TooLarge => "too-large",
            Self::BadReference => "bad-reference",
            Self::OtherContent => "other-content",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::InDoubt => "in-doubt",
            Self::ByPerson => "by-person",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Reason {
    /// The reason that a word stands for.
    pub(crate) fn of(word: &str) -> Option<Self> {
        const ALL: [Reason; 17] = [
            Reason::NoMessageId,
            Reason::MissingHeader,
            Reason::BadHeader,
            Reason::UnknownHeader,
            Reason::NotText,
            Reason::Unreadable,
            Reason::OtherMailbox,
            Reason::TooLate,
            Reason::Empty,
            Reason::TooLarge,
            Reason::BadReference,
            Reason::OtherContent,
            Reason::Refused,
            Reason::Expired,
            Reason::InDoubt,
            Reason::ByPerson,
            Reason::Cancelled,
        ];
        ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A message that cannot be sent. The sentence names headers and never what they hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{sentence}")]
pub struct Unfit {
    /// Why, for programs.
    pub reason: Reason,
    /// Why and what to do.
    pub sentence: String,
}

impl Unfit {
    /// Reads with `read`. A reading that breaks, which would be a fault of the relay's, makes this one message unfit and
    /// stops no other.
    ///
    /// # Errors
    /// As `read`, or [`Reason::Unreadable`].
    pub fn guard<T>(read: impl FnOnce() -> Result<T, Self>) -> Result<T, Self> {
        // What was read is given up whole, so nothing half changed can be seen.
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).unwrap_or_else(|_| {
            let sentence =
                "reading it broke, which is a fault of the relay's; report it with the relay's log";
            Err(Self::new(Reason::Unreadable, sentence))
        })
    }

    pub(crate) fn new(reason: Reason, sentence: impl Into<String>) -> Self {
        Self { reason, sentence: sentence.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_that_breaks_makes_one_message_unfit() {
        let broken = Unfit::guard(|| -> Result<(), Unfit> { panic!("a test's own") });
        assert_eq!(broken.map_err(|unfit| unfit.reason), Err(Reason::Unreadable));
        assert_eq!(Unfit::guard(|| Ok(7)), Ok(7));
    }
}
