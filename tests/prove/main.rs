//! Long runs that say how well a promise is kept, with figures: `make prove`. Not part of `make test`.

#![expect(clippy::expect_used, reason = "a run ends at what it cannot go on from")]

mod huge;
mod instances;
mod kills;
mod legacy;
mod lost_answers;
#[path = "../legacy/run.rs"]
mod old_systems;
#[path = "../end_to_end/process.rs"]
#[expect(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
mod process;
mod queue_kills;
#[path = "../queues/mod.rs"]
mod queues;
#[path = "../crash_table/stranger.rs"]
mod stranger;
mod topic_kills;
