//! The crash table of `queue-bridging.md` 4.6, row by row: a relay of real parts in a process of its own is killed at a
//! point with a name, started again, and what is found in the end is compared with what the row says.
//!
//! The table speaks of a spool, which this relay does not have (INV-1): the source keeps its message until the journal
//! has its end, so "spooled" and "scheduled" are `received` here, and "before ack" is before the pair leaves OUT.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod books;
mod child;
mod inbound;
mod lost;
mod outbound;
#[path = "../end_to_end/process.rs"]
#[expect(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
mod process;
mod relay;
mod resolving;
mod scene;
mod stranger;

/// Who tries a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tried {
    /// Tests of this program, named after the row.
    Here,
    /// The tests of the adapters for queues: the row is about a broker's confirm, and a folder has none.
    ByQueueAdapters,
}

/// The rows, as the table numbers them.
const TABLE: [(&str, Tried); 22] = [
    ("before journal commit", Tried::Here),
    ("after commit, before the source's copy is moved", Tried::Here),
    ("before attempt row", Tried::Here),
    ("after attempt row, before first byte", Tried::Here),
    ("inside the body", Tried::Here),
    ("body complete, no answer", Tried::Here),
    ("answer read, not committed", Tried::Here),
    ("first chunk answer lost", Tried::Here),
    ("between chunks", Tried::Here),
    ("last chunk answer lost", Tried::Here),
    ("after accepted, event unpublished", Tried::Here),
    ("event published, outbox row still open", Tried::Here),
    ("during download", Tried::Here),
    ("spooled, not published", Tried::ByQueueAdapters),
    ("published, confirm not seen or not committed", Tried::ByQueueAdapters),
    ("data renamed, control not", Tried::Here),
    ("delivered, not acked", Tried::Here),
    ("ack answer lost", Tried::Here),
    ("journal lost, message unacked", Tried::Here),
    ("journal lost, outbound sending or accepted", Tried::Here),
    ("lease lost in mid-step", Tried::Here),
    ("REPORT processed, not acked", Tried::Here),
];

#[test]
fn every_row_is_tried_by_a_test_of_its_name_or_belongs_to_the_queue_adapters() {
    let tests = [
        include_str!("outbound.rs"),
        include_str!("resolving.rs"),
        include_str!("inbound.rs"),
        include_str!("lost.rs"),
    ]
    .concat();
    for (row, (crash, tried)) in (1..).zip(TABLE) {
        let has_test = tests.contains(&format!("\nasync fn row_{row:02}_"));
        assert_eq!(has_test, tried == Tried::Here, "row {row}, {crash}");
    }
}
