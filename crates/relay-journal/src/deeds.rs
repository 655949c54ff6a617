//! A walk along a chain of deeds, as both engines make it: link by link from the chain's base to its head.

use relay_core::NewDeed;
use relay_core::audit::{ChainReport, LinkHash};

/// A chain as it is kept: where it ends, and where its kept part begins.
pub(crate) struct Kept {
    /// Which chain: the instance that wrote it.
    pub(crate) name: String,
    /// Number of the last deed.
    pub(crate) number: u64,
    /// Its hash.
    pub(crate) hash: LinkHash,
    /// Number of the deed before the first one kept.
    pub(crate) base_number: u64,
    /// Its hash.
    pub(crate) base_hash: LinkHash,
}

/// A deed with its place, as it lies in the table.
pub(crate) struct Found {
    pub(crate) number: u64,
    pub(crate) deed: NewDeed,
    pub(crate) hash: Vec<u8>,
}

/// The walk.
pub(crate) struct Walk {
    chain: Kept,
    number: u64,
    hash: LinkHash,
    deeds: u64,
    fault: Option<String>,
}

impl Walk {
    /// Begins at the chain's base.
    pub(crate) fn along(chain: Kept) -> Self {
        let (number, hash) = (chain.base_number, chain.base_hash);
        Self { chain, number, hash, deeds: 0, fault: None }
    }

    /// The next deed of the table, in the order of their numbers. `None`: it cannot be read.
    pub(crate) fn follow(&mut self, found: Option<&Found>) {
        self.deeds += 1;
        // What comes behind a fault says no more.
        if self.fault.is_some() {
            return;
        }
        let expected = self.number + 1;
        let Some(Found { number, deed, hash }) = found else {
            self.fault = Some(format!("deed {expected} cannot be read"));
            return;
        };
        if *number != expected {
            self.fault = Some(format!("deed {expected} is missing; deed {number} stands in its place"));
            return;
        }
        let expected_hash = deed.hash(expected, &self.hash);
        if *hash != expected_hash {
            self.fault = Some(format!("deed {expected} was changed or is not where it was"));
            return;
        }
        (self.number, self.hash) = (expected, expected_hash);
    }

    /// The end of the table's deeds: it must be the chain's head.
    pub(crate) fn end(self) -> ChainReport {
        let Self { chain, number, hash, deeds, mut fault } = self;
        if fault.is_none() && (number, hash) != (chain.number, chain.hash) {
            fault = Some(format!(
                "the chain ends with deed {number}, and its head names deed {} with another hash or number; deeds at \
                 its end are missing or were changed",
                chain.number
            ));
        }
        ChainReport {
            chain: report_name(&chain.name),
            links: deeds,
            last: chain.number,
            head: chain.hash,
            fault,
        }
    }
}

/// How a report calls an instance's chain of deeds, beside its chain of messages.
pub(crate) fn report_name(instance: &str) -> String {
    format!("{instance} deeds")
}
