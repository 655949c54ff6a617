//! What the consumer's thread knows of its partitions: what is in work, how far each is done, and what is to be done next.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::partition::Stint;
use crate::watermark::Watermark;

/// Pause before a partition is read again whose work broke off, so that what breaks it each time does not keep the machine.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// In the place of the group's offset where that is to be moved no more.
pub(crate) const FORGOTTEN: i64 = i64::MAX;

/// What the thread is asked for.
pub(crate) enum Command {
    /// A record's end is in the journal.
    Ended { partition: i32, epoch: u64, offset: i64 },
    /// Whether a record is being worked on, or waits.
    AtWork(bool),
    /// A record is gone from memory, ended or not.
    Room { bytes: u64 },
    /// The work on a partition can begin: nobody else is at work on it any more.
    Began(Stint),
    /// Nothing of a partition is in work any more.
    Left(Stint),
    /// A partition is to be read again from its first record that has not ended.
    Again(Stint),
    /// Whether nothing is to be taken for a while.
    Paused(bool),
    /// To end.
    Stop,
}

#[derive(Default)]
pub(crate) struct Hold {
    pub(crate) parts: HashMap<i32, Part>,
    pub(crate) epochs: u64,
    /// Records in work, of all partitions, and those given back that have not ended yet.
    pub(crate) in_work: u32,
    /// Of all that were taken and are in memory.
    pub(crate) bytes: u64,
    /// Since when there has been no room.
    pub(crate) full_since: Option<Instant>,
    /// Partitions of which it is not known yet where the group is.
    pub(crate) new: Vec<i32>,
    pub(crate) is_paused: bool,
    pub(crate) is_stopping: bool,
    /// Ended since the group's offsets were moved last.
    pub(crate) ended: u32,
}

/// A partition that is this member's.
pub(crate) struct Part {
    pub(crate) epoch: u64,
    pub(crate) watermark: Watermark,
    /// What the group's offset is, as far as that is known here.
    pub(crate) committed: Option<i64>,
    /// As the library was told last. Not known at the beginning: a partition that was paused when it was given back still is
    /// when it comes again.
    pub(crate) is_paused: Option<bool>,
    pub(crate) is_wide: bool,
    /// Nobody else is at work on it. Until then nothing is taken: what waits here would keep other partitions waiting.
    pub(crate) has_begun: bool,
    pub(crate) has_left: bool,
    /// To be read again from where the watermark is, then.
    pub(crate) again_at: Option<Instant>,
}

impl Part {
    pub(crate) fn new(epoch: u64) -> Self {
        Self {
            epoch,
            watermark: Watermark::default(),
            committed: None,
            is_paused: None,
            is_wide: false,
            has_begun: false,
            has_left: false,
            again_at: None,
        }
    }

    /// Where the group's offset is to go, if it is to go anywhere.
    pub(crate) fn due(&self) -> Option<i64> {
        self.watermark
            .position()
            .filter(|position| self.committed.is_some_and(|committed| *position > committed))
    }
}

/// Wide at the bound, and until half of that is free again: each pause costs the library what it has fetched ahead, and up
/// to a second.
pub(crate) fn is_wide(was: bool, gap: u64, most: u64) -> bool {
    gap >= most || (was && gap > most / 2)
}

impl Hold {
    pub(crate) fn part(&mut self, stint: Stint) -> Option<&mut Part> {
        self.parts.get_mut(&stint.partition).filter(|part| part.epoch == stint.epoch)
    }

    pub(crate) fn apply(&mut self, command: Command) {
        match command {
            Command::Ended { partition, epoch, offset } => {
                self.ended += 1;
                if let Some(part) = self.part(Stint { partition, epoch }) {
                    part.watermark.end(offset);
                }
            }
            Command::AtWork(true) => self.in_work += 1,
            Command::AtWork(false) => self.in_work = self.in_work.saturating_sub(1),
            Command::Room { bytes } => self.bytes = self.bytes.saturating_sub(bytes),
            Command::Began(stint) => {
                if let Some(part) = self.part(stint) {
                    part.has_begun = true;
                }
            }
            Command::Left(stint) => {
                if let Some(part) = self.part(stint) {
                    part.has_left = true;
                }
            }
            Command::Again(stint) => {
                if let Some(part) = self.part(stint) {
                    part.again_at = Some(Instant::now() + AGAIN_AFTER);
                }
            }
            Command::Paused(is_paused) => self.is_paused = is_paused,
            Command::Stop => self.is_stopping = true,
        }
    }
}
