//! Forms that are taken once: whoever reloads the page behind one does not do it again.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

/// Forms that are remembered. One that was sent so many ago and comes again is taken for new.
const REMEMBERED: usize = 2_000;

/// The forms that were taken.
#[derive(Default)]
pub(crate) struct Once(Mutex<VecDeque<Uuid>>);

impl Once {
    /// A name for a form.
    pub(crate) fn name() -> String {
        Uuid::new_v4().to_string()
    }

    /// Takes a form by its name. `false`: it was taken before, or has no name.
    pub(crate) fn take(&self, name: &str) -> bool {
        let Ok(name) = Uuid::try_parse(name) else { return false };
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.contains(&name) {
            return false;
        }
        if taken.len() >= REMEMBERED {
            taken.pop_front();
        }
        taken.push_back(name);
        true
    }

    /// Lets a form be sent once more of which nothing was done.
    pub(crate) fn give_back(&self, name: &str) {
        if let Ok(name) = Uuid::try_parse(name) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|taken| *taken != name);
        }
    }
}
