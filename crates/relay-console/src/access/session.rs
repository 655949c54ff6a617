//! Sessions: who signed in, for how long. In memory, so that a restart ends them all.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use relay_core::Caller;

use super::secret::{Fingerprint, fingerprint, random};

/// Most sessions at a time. Beyond that the one that has been idle longest ends.
pub const SESSIONS_MAX: usize = 1000;
/// Most sessions of one name at a time, so that nobody ends the sessions of others by signing in again and again.
pub const SESSIONS_PER_NAME_MAX: usize = 10;
/// Longest time without a request, after which a session has ended.
pub const SESSION_IDLE_MAX: SignedDuration = SignedDuration::from_mins(30);
/// Longest time from sign-in, after which a session has ended.
pub const SESSION_AGE_MAX: SignedDuration = SignedDuration::from_hours(10);
/// How far the clock may be set back without ending sessions.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_mins(1);

/// A session as a request finds it.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) caller: Caller,
    /// What a request that changes something must carry beside the cookie.
    pub(crate) csrf: String,
}

struct Kept {
    session: Session,
    made: Timestamp,
    seen: Timestamp,
}

impl Kept {
    fn is_current(&self, now: Timestamp) -> bool {
        let (age, idle) = (now.duration_since(self.made), now.duration_since(self.seen));
        let back = -CLOCK_SLACK;
        age >= back && age < SESSION_AGE_MAX && idle >= back && idle < SESSION_IDLE_MAX
    }
}

/// All sessions, by fingerprint of their id: who reads the relay's memory finds no id that could be sent.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<Fingerprint, Kept>>);

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<Fingerprint, Kept>> {
        // Each change is one insertion or removal: a panic leaves no half of one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session and answers with its id, for the cookie.
    pub(crate) fn begin(&self, caller: Caller, now: Timestamp) -> String {
        let mut sessions = self.lock();
        sessions.retain(|_, kept| kept.is_current(now));
        let of_name = sessions.iter().filter(|(_, kept)| kept.session.caller.name() == caller.name());
        if of_name.clone().count() >= SESSIONS_PER_NAME_MAX {
            let idlest = of_name.min_by_key(|(_, kept)| kept.seen).map(|(id, _)| *id);
            idlest.and_then(|id| sessions.remove(&id));
        } else if sessions.len() >= SESSIONS_MAX {
            let idlest = sessions.iter().min_by_key(|(_, kept)| kept.seen).map(|(id, _)| *id);
            idlest.and_then(|id| sessions.remove(&id));
        }
        let id = random();
        let session = Session { caller, csrf: random() };
        sessions.insert(fingerprint(&id), Kept { session, made: now, seen: now });
        id
    }

    /// The session of an id, which counts as used now.
    pub(crate) fn used(&self, id: &str, now: Timestamp) -> Option<Session> {
        let mut sessions = self.lock();
        let print = fingerprint(id);
        let kept = sessions.get_mut(&print)?;
        if !kept.is_current(now) {
            sessions.remove(&print);
            return None;
        }
        kept.seen = kept.seen.max(now);
        Some(kept.session.clone())
    }

    /// Whether a session goes on. Does not count as use.
    pub(crate) fn is_current(&self, print: &Fingerprint, now: Timestamp) -> bool {
        self.lock().get(print).is_some_and(|kept| kept.is_current(now))
    }

    pub(crate) fn end(&self, id: &str) {
        self.lock().remove(&fingerprint(id));
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }
}
