//! Which tokens were used already (`mesh-api.md` 2.2).

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use mesh_api::Authorization;

/// How far a token's time may be from the server's, either way.
pub const SKEW_MAX: SignedDuration = SignedDuration::from_hours(2);

/// How long a used token is remembered: its time stays acceptable for twice [`SKEW_MAX`] at most. Where the rule about
/// the time does not hold, it could be used again after that.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(4);

/// Most tokens remembered; beyond it the oldest are forgotten, and could be used again.
pub const TOKENS_REMEMBERED_MAX: usize = 1_000_000;

/// The tokens that were used. Only a fingerprint of each is kept.
#[derive(Default)]
pub(crate) struct UsedTokens(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    keys: [RandomState; 2],
    seen: HashSet<u128>,
    by_age: VecDeque<(Timestamp, u128)>,
}

impl UsedTokens {
    /// Marks a token as used. Gives whether this was its first use.
    pub(crate) fn use_up(&self, token: &Authorization, now: Timestamp) -> bool {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.forget(now);
        let [one, two] = remembered
            .keys
            .each_ref()
            .map(|key| u128::from(key.hash_one((&token.mailbox, &token.nonce, &token.nonce_count))));
        let print = one << 64 | two;
        let first = remembered.seen.insert(print);
        if first {
            remembered.by_age.push_back((now, print));
        }
        first
    }
}

impl Remembered {
    fn forget(&mut self, now: Timestamp) {
        while let Some((at, print)) = self.by_age.front() {
            if self.by_age.len() < TOKENS_REMEMBERED_MAX && now.duration_since(*at) <= REMEMBERED_FOR {
                return;
            }
            self.seen.remove(print);
            self.by_age.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use mesh_api::{MailboxId, SharedKey};

    use super::*;

    #[test]
    fn a_token_is_used_once_until_it_would_be_too_old_anyhow() {
        let used = UsedTokens::default();
        let now: Timestamp = "2026-03-29T23:45:12Z".parse().expect("a time");
        let mailbox: MailboxId = "A".parse().expect("a mailbox");
        let token = |nonce: &str| Authorization::new(&mailbox, "p", &SharedKey::new("k"), nonce, now);
        assert!(used.use_up(&token("one"), now));
        assert!(used.use_up(&token("two"), now));
        assert!(!used.use_up(&token("one"), now));
        let counted = Authorization { nonce_count: "1".to_owned(), ..token("one") };
        assert!(used.use_up(&counted, now), "the count is part of it");
        assert!(!used.use_up(&token("one"), now + REMEMBERED_FOR));
        assert!(used.use_up(&token("one"), now + REMEMBERED_FOR + SignedDuration::from_secs(1)));
    }
}
