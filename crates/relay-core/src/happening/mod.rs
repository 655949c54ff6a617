//! What happens, one struct for each kind of happening.
//!
//! A struct holds what is known of a happening, and [`Happening::tell`] gives the line of the log, which is also the event
//! in the span that is open, and the metrics. So none of them can be forgotten where something happens, and no text of a
//! message gets into any of them: the fields are ids, words of ours, and errors, which hold nothing of a message.
//!
//! Adapters and the journal have happenings of their own beside their work; what counts in `mesh_relay_messages_total` is told here, where
//! the journal has it, and by nobody else.

pub(crate) mod events;
pub(crate) mod follow;
pub(crate) mod inbound;
pub(crate) mod lease;
pub(crate) mod mailbox;
pub(crate) mod outbound;
pub mod settle;
pub(crate) mod upkeep;

/// Something that happened.
pub trait Happening {
    /// Writes the line of the log and counts.
    fn tell(&self);
}
