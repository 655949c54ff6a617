//! Which pairs have a local id: reports name no other (9, Q4).

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::Place;

/// Pairs that are remembered; reports on others are not derivable.
const PAIRS_MAX: usize = 1_000_000;

/// Pairs with one local id that are remembered: applications that count wrap round.
const ALIKE_MAX: usize = 4;

/// Finds pairs by local id, of which only a hash is kept.
#[derive(Default)]
pub(super) struct Index {
    hasher: RandomState,
    pairs: HashMap<u64, Vec<(Place, String)>>,
    count: usize,
}

impl Index {
    /// Remembers the control file of a pair. One without a local id cannot be found.
    pub(super) fn add(&mut self, place: Place, name: &str, local_id: Option<&str>) {
        let Some(key) = self.key(local_id) else { return };
        if self.count >= PAIRS_MAX {
            return;
        }
        let alike = self.pairs.entry(key).or_default();
        let pair = (place, name.to_owned());
        if alike.len() < ALIKE_MAX && !alike.contains(&pair) {
            alike.push(pair);
            self.count += 1;
        }
    }

    /// Control files of pairs that probably have the local id.
    pub(super) fn find(&self, local_id: Option<&str>) -> &[(Place, String)] {
        let found = self.key(local_id).and_then(|key| self.pairs.get(&key));
        found.map(Vec::as_slice).unwrap_or_default()
    }

    fn key(&self, local_id: Option<&str>) -> Option<u64> {
        local_id.filter(|id| !id.is_empty()).map(|id| self.hasher.hash_one(id))
    }
}
