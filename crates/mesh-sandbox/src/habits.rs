//! What the server notes about each mailbox's owner: when seen, how often it polls, whether it is let in.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use mesh_api::MailboxId;
use serde::Serialize;

/// Shortest time between two listings of an inbox, unless more messages are known to wait (`mesh-api.md` 7.2).
pub const POLL_MIN: SignedDuration = SignedDuration::from_mins(5);

/// What is known of one mailbox's owner.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Habit {
    /// Whether the mailbox was switched on or off since the start; `None` leaves it as its file says.
    pub active: Option<bool>,
    /// The last good handshake; live wants one in 24 hours.
    pub last_handshake: Option<Timestamp>,
    /// The last listing from the inbox's beginning.
    pub last_listing: Option<Timestamp>,
    /// Whether the last listing told of more than it listed.
    pub more_waited: bool,
    /// Listings from the beginning.
    pub listings: u64,
    /// Listings that came too soon, whether the rule holds or not.
    pub listed_too_soon: u64,
}

/// What is known of all of them.
#[derive(Default)]
pub(crate) struct Habits(Mutex<HashMap<MailboxId, Habit>>);

impl Habits {
    pub(crate) fn of(&self, mailbox: &MailboxId) -> Habit {
        self.lock().get(mailbox).cloned().unwrap_or_default()
    }

    pub(crate) fn switch(&self, mailbox: &MailboxId, active: bool) {
        self.lock().entry(mailbox.clone()).or_default().active = Some(active);
    }

    pub(crate) fn shook_hands(&self, mailbox: &MailboxId, now: Timestamp) {
        self.lock().entry(mailbox.clone()).or_default().last_handshake = Some(now);
    }

    /// Notes a listing; `continued` when it goes on from an earlier page. Gives whether it came too soon.
    pub(crate) fn listed(&self, mailbox: &MailboxId, now: Timestamp, continued: bool, more: bool) -> bool {
        let mut habits = self.lock();
        let habit = habits.entry(mailbox.clone()).or_default();
        let too_soon = !continued
            && !habit.more_waited
            && habit.last_listing.is_some_and(|last| now.duration_since(last) < POLL_MIN);
        if !continued {
            habit.last_listing = Some(now);
            habit.listings += 1;
        }
        habit.more_waited = more;
        habit.listed_too_soon += u64::from(too_soon);
        too_soon
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MailboxId, Habit>> {
        // Each change is whole, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listing_is_too_soon_within_five_minutes_unless_more_was_known_to_wait() {
        let (habits, mailbox) = (Habits::default(), "A".parse().expect("a mailbox"));
        let at = |seconds: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        for (seconds, continued, more, too_soon) in [
            (0, false, true, false),
            (1, true, true, false),
            (2, false, false, false),
            (301, false, false, true),
            (302, true, false, false),
            (601, false, false, false),
            (602, false, false, true),
        ] {
            assert_eq!(habits.listed(&mailbox, at(seconds), continued, more), too_soon, "at {seconds} s");
        }
        assert_eq!((habits.of(&mailbox).listed_too_soon, habits.of(&mailbox).listings), (2, 5));
    }
}
