//! The three questions that every error which reaches retry logic answers (design, section 3).

use std::time::Duration;

/// Is it worth trying again?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// Yes, later, unchanged.
    Transient,
    /// No: the same request fails the same way.
    Permanent,
    /// Yes, but not before the far side's own delay.
    Throttled {
        /// How long the far side asks to be left alone.
        retry_after: Duration,
    },
}

/// Did the far side do what was asked? Unknown is an answer of its own and is never guessed (INV-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It did.
    Applied,
    /// It certainly did not.
    NotApplied,
    /// The request may have arrived and no usable answer came back.
    Unknown,
}

/// Whose is it to mend?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The MESH service or the network to it.
    Mesh,
    /// The organisation's own system that made or takes the message.
    Organisation,
    /// Whoever configures and runs the relay: credentials, certificates, folders, disk.
    Operator,
    /// The relay's developers.
    Relay,
}

/// Implemented by every error that can reach retry logic.
pub trait Classify {
    /// Whether to try again.
    fn class(&self) -> FailureClass;
    /// Whether it took effect.
    fn effect(&self) -> Effect;
    /// Whose it is to mend.
    fn owner(&self) -> Owner;
}
