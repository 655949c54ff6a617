//! Journals of earlier releases.

use jiff::Timestamp;
use relay_core::{Collected, Journal, NewOutbound, OutboundState, Records};

use super::Database;
use crate::tests::promises::deeds::{chain, deed};
use crate::tests::promises::{accepted, at, begin, commit, message_id, outbound, to};

/// Takes back what the last two steps added to the tables.
const BEFORE_DEEDS: &str = "DROP TABLE mesh_relay.incident, mesh_relay.deed, mesh_relay.pause;
    ALTER TABLE mesh_relay.chain DROP COLUMN deed_number, DROP COLUMN deed_hash, DROP COLUMN deed_base_number,
        DROP COLUMN deed_base_hash;
    ALTER TABLE mesh_relay.outbound DROP COLUMN accepted_at, DROP COLUMN collected_at;
    UPDATE mesh_relay.journal SET version = 2";

#[tokio::test]
async fn when_messages_were_accepted_and_collected_is_found_in_their_histories() {
    let database = Database::new().await;
    let journal = database.open("one").await;
    let collected = OutboundState::Acknowledged { id: message_id("2026_1"), at: at(7_205) };
    let acknowledged = vec![accepted("2026_1"), collected];
    for (number, states) in
        [(1, vec![accepted("2026_1")]), (2, acknowledged.clone()), (3, acknowledged), (4, vec![])]
    {
        let message = outbound(number, &number.to_string());
        let mut record = begin(&journal, NewOutbound { tell: false, ..message }).await;
        for state in states {
            record = commit(&journal, record, to(state, at(9))).await;
        }
    }
    journal.close().await;
    let client = database.client().await;
    client.batch_execute(BEFORE_DEEDS).await.unwrap();

    let journal = database.open("one").await;
    assert_eq!(chain(&journal).await.last, 0, "and the journal is sound");
    let two_hours = Collected {
        messages: 2,
        average_seconds: 7_200,
        longest_seconds: 7_200,
        within_two_hours: 2,
        within_a_day: 2,
    };
    assert_eq!(journal.partners(at(0)).await.unwrap()[0].collected, two_hours);
    journal.record_deed(deed(1)).await.unwrap();
    assert_eq!(chain(&journal).await.last, 1);
    journal.close().await;

    // Once more, when a history is gone and a state is none.
    client.batch_execute(BEFORE_DEEDS).await.unwrap();
    let damage = "DELETE FROM mesh_relay.event WHERE state_name = 'accepted';
        UPDATE mesh_relay.outbound SET state = '{' WHERE source_key = '3'";
    client.batch_execute(damage).await.unwrap();
    database.open("one").await.close().await;
    let times = "SELECT accepted_at, collected_at FROM mesh_relay.outbound ORDER BY source_key";
    let times: Vec<(Option<Timestamp>, Option<Timestamp>)> =
        client.query(times, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    let (had, known) = (Some(at(5)), Some(at(7_205)));
    assert_eq!(times, [(had, None), (None, known), (None, None), (None, None)]);
}
