//! Sign-ins that were begun and have not come back from the provider.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use openidconnect::{Nonce, PkceCodeVerifier};
use tokio::time::Instant;

use crate::access::secret::{Fingerprint, fingerprint};

/// Most sign-ins under way. Beyond that the oldest is forgotten.
pub const LOGINS_MAX: usize = 1000;
/// Most sign-ins under way from one address, so that one cannot make those of others be forgotten.
pub const LOGINS_PER_PEER_MAX: usize = 50;
/// Longest time that a sign-in may take.
pub const LOGIN_AGE_MAX: Duration = Duration::from_secs(10 * 60);

/// A sign-in that was begun.
pub(crate) struct Login {
    /// What the ID token must hold.
    pub(crate) nonce: Nonce,
    /// What shows the provider that the code is used by whoever asked for it.
    pub(crate) verifier: PkceCodeVerifier,
    /// Where the provider leads back to.
    pub(crate) redirect: String,
    /// Where to go afterwards.
    pub(crate) next: String,
    /// The cookie of the browser that began it.
    pub(crate) browser: Fingerprint,
    /// From where it was begun.
    pub(crate) peer: Option<IpAddr>,
}

/// All sign-ins under way, by the state that comes back.
#[derive(Default)]
pub(crate) struct Logins(Mutex<HashMap<Fingerprint, (Instant, Login)>>);

impl Logins {
    pub(crate) fn begin(&self, state: &str, login: Login) {
        let now = Instant::now();
        let mut logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|_, (began, _)| now.duration_since(*began) < LOGIN_AGE_MAX);
        let of_peer = logins.iter().filter(|(_, (_, other))| other.peer == login.peer);
        let oldest = if of_peer.clone().count() >= LOGINS_PER_PEER_MAX {
            of_peer.min_by_key(|(_, (began, _))| *began).map(|(state, _)| *state)
        } else if logins.len() >= LOGINS_MAX {
            logins.iter().min_by_key(|(_, (began, _))| *began).map(|(state, _)| *state)
        } else {
            None
        };
        oldest.and_then(|state| logins.remove(&state));
        logins.insert(fingerprint(state), (now, login));
    }

    /// The sign-in that a state belongs to, once, and only for the browser that began it. One that another browser asks
    /// for stays where it is.
    pub(crate) fn finish(&self, state: &str, browser: &str) -> Option<Login> {
        let state = fingerprint(state);
        let mut logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, login) = logins.get(&state)?;
        if login.browser != fingerprint(browser) {
            return None;
        }
        let late = began.elapsed() >= LOGIN_AGE_MAX;
        let (_, login) = logins.remove(&state)?;
        (!late).then_some(login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(peer: u8) -> Login {
        Login {
            nonce: Nonce::new("nonce".to_owned()),
            verifier: PkceCodeVerifier::new("verifier".to_owned()),
            redirect: String::new(),
            next: "/".to_owned(),
            browser: fingerprint("browser"),
            peer: Some(IpAddr::from([10, 0, 0, peer])),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_comes_back_once_in_time_and_to_the_browser_that_began_it() {
        let logins = Logins::default();
        logins.begin("state", login(1));
        assert!(logins.finish("other", "browser").is_none());
        assert!(logins.finish("state", "another browser").is_none());
        assert!(logins.finish("state", "browser").is_some(), "which the wrong ones did not hinder");
        assert!(logins.finish("state", "browser").is_none(), "twice");
        logins.begin("late", login(1));
        tokio::time::advance(LOGIN_AGE_MAX).await;
        assert!(logins.finish("late", "browser").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_does_not_crowd_out_another() {
        let logins = Logins::default();
        logins.begin("theirs", login(1));
        for number in 0..2 * LOGINS_PER_PEER_MAX {
            tokio::time::advance(Duration::from_millis(1)).await;
            logins.begin(&format!("{number}"), login(2));
        }
        assert_eq!(logins.0.lock().expect("a lock").len(), 1 + LOGINS_PER_PEER_MAX);
        assert!(logins.finish("theirs", "browser").is_some());
        assert!(logins.finish("0", "browser").is_none(), "its own oldest went");
    }
}
