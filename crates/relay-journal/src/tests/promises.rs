//! What every engine promises, as `relay_core::Journal` says it. Each function here takes a new, empty journal; each
//! engine runs all of them by [`keeps_every_promise`].

pub(crate) mod audit;
pub(crate) mod changes;
pub(crate) mod deeds;
pub(crate) mod events;
pub(crate) mod finding;
pub(crate) mod incidents;
pub(crate) mod keys;
pub(crate) mod leases;
pub(crate) mod messages;
pub(crate) mod pauses;
pub(crate) mod reports;

use jiff::{SignedDuration, Timestamp};
use relay_core::follow::due;
use relay_core::{
    Begin, Evidence, InboundChange, InboundDetails, InboundRecord, InboundState, Journal, KeyReuse,
    MailboxId, MessageId, NewInbound, NewOutbound, OutboundChange, OutboundDetails, OutboundRecord,
    OutboundState, Rejection, RelayId, Resent, SourceKey,
};
use uuid::Uuid;

/// Makes a test of each promise. `$fresh` is an async function that returns an `Arc<dyn Journal>` on a new store, and
/// whatever has to live as long as the test. With `several`, the store may be used by several instances at a time, so a
/// lease has one owner and runs out; with `one`, there is only one owner.
macro_rules! keeps_every_promise {
    ($fresh:path, several) => {
        keeps_every_promise! { $fresh, one }
        keeps_every_promise! { $fresh:
            leases {
                a_lease_is_held_by_one_and_handed_on_when_given_back
                a_lease_that_ran_out_goes_to_the_next
                a_renewed_lease_is_not_taken
            }
        }
    };
    ($fresh:path, one) => {
        keeps_every_promise! { $fresh:
            messages {
                every_outbound_state_comes_back_as_it_went_in
                every_inbound_state_comes_back_as_it_went_in
                a_stale_version_conflicts_and_changes_nothing
                a_write_made_again_is_found_done
                settling_twice_keeps_the_first_time_and_an_unknown_message_is_refused
                unsettled_lists_those_of_one_adapter_oldest_first
                what_is_due_comes_longest_due_first
                mailbox_times_are_kept_each_by_itself
            }
            keys {
                a_key_that_returns_is_held_until_it_is_settled
                a_key_that_never_returns_is_held_for_ever
                a_message_begun_again_under_its_own_id_is_new
                another_adapter_may_use_the_same_key
                a_key_may_be_long
                of_many_calls_with_one_key_one_is_new
                an_inbound_message_is_known_by_mailbox_and_id
                what_was_begun_and_has_not_ended_is_known_without_mesh
            }
            events {
                each_change_is_an_event_in_order_with_its_own_id
                what_was_told_is_not_told_again
                only_messages_that_tell_have_events_and_each_adapter_its_own
                the_history_holds_every_change_with_its_evidence
            }
            leases {
                every_taking_counts_also_by_the_same_owner
                a_lease_that_was_given_back_is_taken_again
                whoever_lost_a_lease_writes_nothing
                a_fence_that_never_was_is_refused
            }
            finding {
                a_sent_message_is_found_by_the_id_that_mesh_gave
                messages_of_a_local_id_come_newest_first
                counts_add_up
                the_oldest_unended_of_each_mailbox_is_named
                every_field_restricts_a_search
                words_find_by_their_beginning
                pages_follow_without_gap_or_repeat
                partners_are_counted
                a_message_is_found_by_its_id
            }
            reports {
                how_long_it_took_to_collect_is_told
                the_first_acceptance_and_the_first_collection_count
                traffic_adds_up
            }
            changes {
                changes_come_in_order_and_go_on_where_they_were_left
                a_cursor_at_forgotten_changes_goes_on_at_the_first_kept_one
                no_change_is_missed_while_many_are_made
            }
            deeds {
                deeds_come_back_as_they_went_in_newest_first
                pages_of_deeds_follow_without_gap_or_repeat
                a_deed_that_is_recorded_again_is_there_once
                deeds_have_a_chain_of_their_own
                deeds_made_at_the_same_time_have_a_place_each
                old_deeds_are_forgotten_and_the_rest_stays_sound
            }
            pauses {
                a_pause_lasts_until_it_is_ended
                a_pause_of_what_is_paused_replaces_it
            }
            incidents {
                an_incident_is_kept_until_it_is_removed
                each_owner_has_incidents_of_its_own
            }
            audit {
                the_chain_of_an_empty_journal_is_sound
                every_change_is_a_link_and_the_chain_is_sound
                what_is_still_to_be_told_is_not_forgotten
                pruning_forgets_what_ended_and_keeps_the_rest_sound
                pruning_keeps_what_has_not_ended_and_all_behind_it
                pruning_waits_for_the_follow_up_of_an_accepted_message
            }
        }
    };
    ($fresh:path: $($group:ident { $($promise:ident)* })*) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let (journal, _store) = $fresh().await;
                $crate::tests::promises::$group::$promise(&*journal).await;
            }
        )*)*
    };
}
pub(crate) use keeps_every_promise;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

pub(crate) fn hours(hours: i64) -> Timestamp {
    at(0) + SignedDuration::from_hours(hours)
}

pub(crate) fn relay_id(number: u128) -> RelayId {
    RelayId(Uuid::from_u128(number))
}

pub(crate) fn mailbox(name: &str) -> MailboxId {
    name.parse().unwrap()
}

pub(crate) fn message_id(text: &str) -> MessageId {
    text.parse().unwrap()
}

/// A message of the adapter `pathology` whose key may come again.
pub(crate) fn outbound(number: u128, key: &str) -> NewOutbound {
    NewOutbound {
        relay_id: relay_id(number),
        source: SourceKey { adapter: "pathology".to_owned(), message: key.to_owned() },
        reuse: KeyReuse::OnceSettled,
        fingerprint: None,
        mailbox: mailbox("X26ABC1"),
        details: Some(OutboundDetails {
            recipient: "X26ABC2".to_owned(),
            workflow: "PATH_MEDRPT_V3".to_owned(),
            local_id: Some("report-1".parse().unwrap()),
            file_name: Some("report.dat".to_owned()),
            length: 17,
        }),
        tell: true,
        reply: None,
        state: OutboundState::Received { attempts: 0, resent: Resent::No },
        at: at(0),
    }
}

pub(crate) fn inbound(number: u128, id: &str) -> NewInbound {
    NewInbound {
        relay_id: relay_id(number),
        mailbox: mailbox("X26ABC1"),
        message_id: message_id(id),
        at: at(0),
    }
}

pub(crate) fn details() -> InboundDetails {
    InboundDetails {
        sender: "X26ABC3".to_owned(),
        workflow: "TOC_DISCHARGE".to_owned(),
        local_id: Some("letter-9".parse().unwrap()),
        file_name: Some("letter.xml".to_owned()),
        report: false,
    }
}

/// A change that is followed up as the engine does.
pub(crate) fn to(state: OutboundState, at: Timestamp) -> OutboundChange {
    let due = due(&state);
    OutboundChange { state, note: None, due, at }
}

pub(crate) fn inbound_to(state: InboundState, at: Timestamp) -> InboundChange {
    InboundChange { state, note: None, details: None, at }
}

pub(crate) fn sending() -> OutboundState {
    OutboundState::Sending { attempt: 1, of: 1, resent: Resent::No }
}

pub(crate) fn accepted(id: &str) -> OutboundState {
    OutboundState::Accepted {
        id: message_id(id),
        at: at(5),
        by: Evidence::Answer,
        resent: Resent::No,
        followed: 0,
    }
}

pub(crate) fn rejected() -> OutboundState {
    OutboundState::Rejected(Rejection {
        event: "SEND".to_owned(),
        code: "12".to_owned(),
        description: "Unregistered to address".to_owned(),
        message_id: None,
    })
}

#[track_caller]
pub(crate) fn new<R>(begun: Begin<R>) -> R {
    match begun {
        Begin::New(record) => record,
        Begin::Known(_) => panic!("the message is known already"),
    }
}

#[track_caller]
pub(crate) fn known<R>(begun: Begin<R>) -> R {
    match begun {
        Begin::Known(record) => record,
        Begin::New(_) => panic!("the message is new"),
    }
}

pub(crate) async fn begin(journal: &dyn Journal, message: NewOutbound) -> OutboundRecord {
    new(journal.begin_outbound(message, None).await.unwrap())
}

pub(crate) async fn begin_inbound(journal: &dyn Journal, message: NewInbound) -> InboundRecord {
    new(journal.begin_inbound(message, None).await.unwrap())
}

/// Commits a change and returns the record behind it.
pub(crate) async fn commit(
    journal: &dyn Journal,
    record: OutboundRecord,
    change: OutboundChange,
) -> OutboundRecord {
    journal.commit_outbound(&record, change.clone(), None).await.unwrap();
    OutboundRecord { state: change.state, version: record.version + 1, ..record }
}

/// The same for an inbound message.
pub(crate) async fn commit_inbound(
    journal: &dyn Journal,
    record: InboundRecord,
    change: InboundChange,
) -> InboundRecord {
    journal.commit_inbound(&record, change.clone(), None).await.unwrap();
    InboundRecord { state: change.state, version: record.version + 1, ..record }
}

/// An outbound message from its beginning to its settled rejection.
pub(crate) async fn rejected_and_settled(journal: &dyn Journal, number: u128, seen: Timestamp) {
    let message = NewOutbound { at: seen, ..outbound(number, &format!("{number}.ctl")) };
    let record = begin(journal, message).await;
    commit(journal, record, to(rejected(), seen)).await;
    journal.settle(relay_id(number), seen, None).await.unwrap();
}
