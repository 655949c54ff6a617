//! The crash table of `queue-bridging.md` 4.6, row by row: a relay of real parts in a process of its own is killed at a
//! point with a name, started again, and what is found in the end is compared with what the row says.
//!
//! The table speaks of a spool, which this relay does not have (INV-1): the source keeps its message until the journal
//! has its end, so "spooled" and "scheduled" are `received` here, and "before ack" is before the pair leaves OUT. Of what
//! comes from MESH, MESH keeps it: "spooled, not published" is `delivering` here, and it is downloaded again.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod books;
mod child;
mod inbound;
mod lost;
mod outbound;
#[path = "../end_to_end/process.rs"]
#[expect(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
mod process;
mod queue;
#[path = "../queues/mod.rs"]
mod queues;
mod relay;
mod resolving;
mod routed;
mod scene;
mod stage;
mod stranger;
mod topic;

/// The rows, as the table numbers them.
const TABLE: [&str; 22] = [
    "before journal commit",
    "after commit, before the source's copy is moved",
    "before attempt row",
    "after attempt row, before first byte",
    "inside the body",
    "body complete, no answer",
    "answer read, not committed",
    "first chunk answer lost",
    "between chunks",
    "last chunk answer lost",
    "after accepted, event unpublished",
    "event published, outbox row still open",
    "during download",
    "spooled, not published",
    "published, confirm not seen or not committed",
    "data renamed, control not",
    "delivered, not acked",
    "ack answer lost",
    "journal lost, message unacked",
    "journal lost, outbound sending or accepted",
    "lease lost in mid-step",
    "REPORT processed, not acked",
];

/// Rows that only brokers have: they are about their confirm, and a folder has none.
const OF_BROKERS_ALONE: [usize; 2] = [14, 15];
/// Rows that a broker's queue or topic has as well as a folder, and that are tried on all. The others are about chunks, which
/// are the same for all, about files, or about the journal.
const OF_ALL: [usize; 12] = [1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 17, 18];

/// Whether one of the files has a test of the row's name.
fn is_tried(row: usize, files: &[&str]) -> bool {
    files.iter().any(|file| file.contains(&format!("\nasync fn row_{row:02}_")))
}

#[test]
fn every_row_is_tried_by_a_test_of_its_name_on_folders_queues_and_topics() {
    let on_folders = [
        include_str!("outbound.rs"),
        include_str!("resolving.rs"),
        include_str!("inbound.rs"),
        include_str!("lost.rs"),
    ];
    let on_queues = [include_str!("queue/outbound.rs"), include_str!("queue/inbound.rs")];
    let on_topics = [
        include_str!("topic/outbound.rs"),
        include_str!("topic/inbound.rs"),
        include_str!("topic/unanswered.rs"),
    ];
    for (row, crash) in (1..).zip(TABLE) {
        let alone = OF_BROKERS_ALONE.contains(&row);
        assert_eq!(is_tried(row, &on_folders), !alone, "row {row}, {crash}");
        for (what, files) in [("queue", &on_queues[..]), ("topic", &on_topics[..])] {
            let has = alone || OF_ALL.contains(&row);
            assert_eq!(is_tried(row, files), has, "row {row}, {crash}, of a {what}");
        }
    }
}
