//! Leases and fences.

use std::sync::Arc;
use std::time::Duration;

use relay_core::{Fence, InboundState, Journal, JournalError, MailboxTimes};

use super::{at, begin, begin_inbound, inbound, inbound_to, mailbox, outbound, relay_id, sending, to};

const LEASE: &str = "mailbox:X26ABC1";
/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);
/// Over before it can be asked about.
const SHORT: Duration = Duration::from_millis(1);
/// How often a lease is tried that is about to run out.
const TRIES: u32 = 5_000;

async fn take(journal: &dyn Journal, owner: &str, ttl: Duration) -> Option<Fence> {
    journal.take_lease(LEASE, owner, ttl).await.unwrap()
}

/// Takes a lease as soon as the one before has run out.
async fn take_over(journal: &dyn Journal, owner: &str) -> Fence {
    for _ in 0..TRIES {
        if let Some(fence) = take(journal, owner, LONG).await {
            return fence;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("the lease did not run out");
}

pub(crate) async fn every_taking_counts_also_by_the_same_owner(journal: &dyn Journal) {
    let first = take(journal, "a", LONG).await.unwrap();
    let second = take(journal, "a", LONG).await.unwrap();
    assert_eq!(&*second.lease, LEASE);
    assert!(0 < first.epoch && first.epoch < second.epoch);
    assert!(!journal.renew_lease(&first, LONG).await.unwrap());
    assert!(journal.renew_lease(&second, LONG).await.unwrap());
    let other = journal.take_lease("mailbox:X26ABC2", "a", LONG).await.unwrap().unwrap();
    assert_eq!(&*other.lease, "mailbox:X26ABC2");
    assert!(journal.renew_lease(&second, LONG).await.unwrap(), "each by itself");
}

pub(crate) async fn a_lease_that_was_given_back_is_taken_again(journal: &dyn Journal) {
    let first = take(journal, "a", LONG).await.unwrap();
    journal.release_lease(&first).await.unwrap();
    assert!(!journal.renew_lease(&first, LONG).await.unwrap());
    let refused = journal.begin_outbound(outbound(1, "a.ctl"), Some(&first)).await;
    assert!(matches!(refused, Err(JournalError::Fenced { .. })), "it is no longer in force");
    let second = take(journal, "a", LONG).await.unwrap();
    assert!(first.epoch < second.epoch);
    // Given back late, it is left alone.
    journal.release_lease(&first).await.unwrap();
    assert!(journal.renew_lease(&second, LONG).await.unwrap());
    journal.begin_outbound(outbound(1, "a.ctl"), Some(&second)).await.unwrap();
}

pub(crate) async fn whoever_lost_a_lease_writes_nothing(journal: &dyn Journal) {
    let lost = take(journal, "a", LONG).await.unwrap();
    let held = take(journal, "a", LONG).await.unwrap();
    refused_and_allowed(journal, &lost, &held).await;
}

/// Every write is refused with the one fence and done with the other.
async fn refused_and_allowed(journal: &dyn Journal, lost: &Fence, held: &Fence) {
    let before = begin(journal, outbound(1, "a.ctl")).await;
    let inside = begin_inbound(journal, inbound(2, "20260101_1")).await;
    let (fence, ours) = (Some(lost), mailbox("X26ABC1"));
    let event = journal.untold("pathology", &[], 1).await.unwrap()[0].id;
    let gone = inbound_to(InboundState::Gone, at(1));
    let times = MailboxTimes { polled_at: Some(at(1)), handshake_at: None };
    let refused = [
        journal.begin_outbound(outbound(3, "b.ctl"), fence).await.map(drop),
        journal.commit_outbound(&before, to(sending(), at(1)), fence).await,
        journal.settle(relay_id(1), at(1), fence).await,
        journal.begin_inbound(inbound(4, "20260101_2"), fence).await.map(drop),
        journal.commit_inbound(&inside, gone.clone(), fence).await,
        journal.told(&[event], fence).await,
        journal.commit_mailbox_times(&ours, times, fence).await,
    ];
    for (index, refused) in refused.into_iter().enumerate() {
        assert!(matches!(refused, Err(JournalError::Fenced { lease }) if &*lease == LEASE), "{index}");
    }
    assert_eq!(journal.counts().await.unwrap().iter().map(|count| count.messages).sum::<u64>(), 2);
    assert_eq!(journal.history(relay_id(1)).await.unwrap().len(), 1);
    assert_eq!(journal.untold("pathology", &[], 10).await.unwrap().len(), 1);
    assert_eq!(journal.mailbox_times(&ours).await.unwrap(), MailboxTimes::default());
    assert_eq!(journal.unsettled("pathology").await.unwrap().len(), 1);

    let fence = Some(held);
    journal.commit_outbound(&before, to(sending(), at(1)), fence).await.unwrap();
    journal.settle(relay_id(1), at(1), fence).await.unwrap();
    journal.begin_inbound(inbound(4, "20260101_2"), fence).await.unwrap();
    journal.commit_inbound(&inside, gone, fence).await.unwrap();
    journal.told(&[event], fence).await.unwrap();
    journal.commit_mailbox_times(&ours, times, fence).await.unwrap();
}

pub(crate) async fn a_fence_that_never_was_is_refused(journal: &dyn Journal) {
    let never = Fence { lease: Arc::from("mailbox:X26NONE"), epoch: 1 };
    let refused = journal.begin_outbound(outbound(1, "a.ctl"), Some(&never)).await;
    assert!(matches!(refused, Err(JournalError::Fenced { .. })));
    assert!(!journal.renew_lease(&never, LONG).await.unwrap());
    journal.release_lease(&never).await.unwrap();
}

pub(crate) async fn a_lease_is_held_by_one_and_handed_on_when_given_back(journal: &dyn Journal) {
    let first = take(journal, "a", LONG).await.unwrap();
    assert_eq!(take(journal, "b", LONG).await, None);
    assert!(journal.take_lease("mailbox:X26ABC2", "b", LONG).await.unwrap().is_some(), "each by itself");
    journal.release_lease(&first).await.unwrap();
    let second = take(journal, "b", LONG).await.unwrap();
    assert!(first.epoch < second.epoch);
    assert_eq!(take(journal, "a", LONG).await, None);
    journal.release_lease(&first).await.unwrap();
    assert_eq!(take(journal, "a", LONG).await, None, "what was given back late is left alone");
}

pub(crate) async fn a_lease_that_ran_out_goes_to_the_next(journal: &dyn Journal) {
    let lost = take(journal, "a", SHORT).await.unwrap();
    let held = take_over(journal, "b").await;
    assert!(lost.epoch < held.epoch);
    assert!(!journal.renew_lease(&lost, LONG).await.unwrap());
    refused_and_allowed(journal, &lost, &held).await;
}

pub(crate) async fn a_renewed_lease_is_not_taken(journal: &dyn Journal) {
    let fence = take(journal, "a", Duration::from_secs(60)).await.unwrap();
    assert!(journal.renew_lease(&fence, LONG).await.unwrap());
    assert_eq!(take(journal, "b", LONG).await, None);
    // Made short, it runs out.
    assert!(journal.renew_lease(&fence, SHORT).await.unwrap());
    take_over(journal, "b").await;
}
