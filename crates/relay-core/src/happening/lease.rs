//! What happens to leases.

use super::Happening;
use crate::metric;

/// A lease ran out under work that was going on.
pub(crate) struct Lost<'a> {
    pub(crate) lease: &'a str,
}

impl Happening for Lost<'_> {
    fn tell(&self) {
        tracing::warn!(
            lease = %self.lease,
            "the lease is over; its work is dropped and taken up by whoever holds it next"
        );
        metric::LEASES_LOST.count([]);
    }
}

/// A lease is waited for.
pub(crate) struct Awaited<'a> {
    pub(crate) lease: &'a str,
    pub(crate) why: &'a str,
}

impl Happening for Awaited<'_> {
    fn tell(&self) {
        tracing::info!(lease = self.lease, why = self.why, "waiting for a lease");
    }
}

/// A lease that was waited for is held.
pub(crate) struct Held<'a> {
    pub(crate) lease: &'a str,
}

impl Happening for Held<'_> {
    fn tell(&self) {
        tracing::info!(lease = self.lease, "the lease is held");
    }
}
