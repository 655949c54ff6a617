//! How far a partition is done: the offset up to which every record that was taken has ended. Pure.

use std::collections::VecDeque;

/// Records of a partition that were taken and are not behind the watermark yet. Offsets have gaps, where records were
/// compacted away or belong to transactions, so what comes next is what was delivered next, never one more.
#[derive(Debug, Default)]
pub(crate) struct Watermark {
    taken: VecDeque<Taken>,
    /// The offset behind the last that was taken.
    next: Option<i64>,
}

#[derive(Debug)]
struct Taken {
    offset: i64,
    has_ended: bool,
}

impl Watermark {
    /// Takes the record at `offset`. `false`: it is not behind all that were taken, so that the partition went back.
    pub(crate) fn take(&mut self, offset: i64) -> bool {
        if self.next.is_some_and(|next| offset < next) {
            return false;
        }
        self.taken.push_back(Taken { offset, has_ended: false });
        self.next = Some(offset + 1);
        true
    }

    /// The record at `offset` has ended. One that was not taken, or has ended before, changes nothing.
    pub(crate) fn end(&mut self, offset: i64) {
        if let Ok(index) = self.taken.binary_search_by_key(&offset, |taken| taken.offset) {
            self.taken[index].has_ended = true;
        }
        while self.taken.front().is_some_and(|taken| taken.has_ended) {
            self.taken.pop_front();
        }
    }

    /// Where to go on reading after a crash: the first record that has not ended, or behind the last that was taken.
    /// `None`: nothing was taken.
    pub(crate) fn position(&self) -> Option<i64> {
        self.taken.front().map(|taken| taken.offset).or(self.next)
    }

    /// How many records were taken since the first that has not ended, that one included.
    pub(crate) fn gap(&self) -> usize {
        self.taken.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_stuck_record_holds_the_watermark_and_not_the_records() {
        let mut watermark = Watermark::default();
        assert_eq!(watermark.position(), None);
        for offset in [10, 11, 15] {
            assert!(watermark.take(offset));
        }
        watermark.end(15);
        watermark.end(11);
        assert_eq!((watermark.position(), watermark.gap()), (Some(10), 3));
        watermark.end(10);
        assert_eq!((watermark.position(), watermark.gap()), (Some(16), 0));
        assert!(!watermark.take(15), "the partition went back");
        assert!(watermark.take(20));
        assert_eq!(watermark.position(), Some(20));
    }

    proptest! {
        /// Against the plain meaning: nothing that has not ended is ever behind the position, all is once all has ended,
        /// and the position never goes back.
        #[test]
        fn the_position_is_the_first_that_has_not_ended(
            steps in proptest::collection::vec(1_i64..4, 1..60),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..200),
        ) {
            let mut watermark = Watermark::default();
            let mut offset = -1;
            let mut open = Vec::new();
            let mut before = i64::MIN;
            let mut order = order.into_iter();
            for step in steps {
                offset += step;
                prop_assert!(watermark.take(offset));
                open.push(offset);
                for index in order.by_ref().take(2) {
                    if !open.is_empty() {
                        let ended = open.remove(index.index(open.len()));
                        watermark.end(ended);
                        watermark.end(ended);
                    }
                    let position = watermark.position().expect("a position");
                    prop_assert_eq!(position, open.iter().copied().min().unwrap_or(offset + 1));
                    prop_assert!(position >= before);
                    before = position;
                }
            }
            while let Some(ended) = open.pop() {
                watermark.end(ended);
            }
            prop_assert_eq!(watermark.position(), Some(offset + 1));
            prop_assert_eq!(watermark.gap(), 0);
        }
    }
}
