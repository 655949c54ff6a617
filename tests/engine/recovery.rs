//! A start that finds much unfinished.

use std::time::Instant;

use futures_util::{StreamExt, stream};
use relay_core::{
    Clock, Evidence, Journal, KeyReuse, MessageId, NewOutbound, OutboundDetails, OutboundState, Records,
    RelayId, Resent,
};
use uuid::Uuid;

use super::*;

const RECORDS: u32 = 10_000;
/// Wide enough for a slow machine and a build without optimisation; what grows with the square does not fit.
const TIME_MAX: Duration = Duration::from_secs(30);
/// How many messages a source works on at a time.
const AT_A_TIME: usize = 64;
/// Lengths of a message in one request and of one in three.
const NINE: usize = 9;
const THREE_CHUNKS: usize = 25;

/// Where a crash left the message with this number.
fn state(number: u32) -> OutboundState {
    let (attempt, resent) = (1, Resent::No);
    match number % 5 {
        0 => OutboundState::Received { attempts: 0, resent },
        1 => OutboundState::Sending { attempt, of: 1, resent },
        2 => OutboundState::Sending { attempt, of: 3, resent },
        3 => OutboundState::InDoubt {
            attempt,
            since: TestClock::default().now(),
            probes: 0,
            strategy: DoubtStrategy::Probe,
            resent,
        },
        _ => OutboundState::Accepted {
            id: id(number),
            at: TestClock::default().now(),
            by: Evidence::Answer,
            resent,
            followed: 0,
        },
    }
}

fn id(number: u32) -> MessageId {
    format!("BEFORE_{number}").parse().expect("an id")
}

/// The message itself, as its source offers it once more.
fn offered(number: u32) -> SourceMessage {
    let length = if number % 5 == 2 { THREE_CHUNKS } else { NINE };
    message(&format!("M{number}"), &format!("L{number}"), length)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_unfinished_messages_are_recovered_in_seconds() {
    let bench = Bench::with(policy());
    let at = bench.clock.now();
    let records = stream::iter(0..RECORDS).map(|number| {
        let SourceMessage { key, envelope, payload, .. } = offered(number);
        let new = NewOutbound {
            relay_id: RelayId(Uuid::from_u128(1 << 64 | u128::from(number))),
            source: key,
            reuse: KeyReuse::OnceSettled,
            fingerprint: None,
            mailbox: mailbox(),
            details: Some(OutboundDetails {
                recipient: envelope.to.to_string(),
                workflow: envelope.workflow.to_string(),
                local_id: envelope.local_id,
                file_name: None,
                length: payload.length(),
            }),
            tell: false,
            reply: None,
            state: state(number),
            at,
        };
        let journal = bench.journal.clone();
        async move { journal.begin_outbound(new, None).await.expect("recorded") }
    });
    records.buffer_unordered(AT_A_TIME * 4).for_each(|_| std::future::ready(())).await;

    let began = Instant::now();
    let bench = bench.restart().await;
    let unsettled = bench.relay.unsettled("test").await.expect("a list");
    assert_eq!(unsettled.len(), RECORDS as usize);
    let found = began.elapsed();
    let relay = &bench.relay;
    let recovered = stream::iter(0..RECORDS).map(|number| async move {
        let ended = loop {
            match relay.send(offered(number)).await {
                Ok(ended) => break ended,
                Err(deferral) => tokio::time::sleep(deferral.after).await,
            }
        };
        assert!(matches!(ended.outcome(), Outcome::Accepted(_)), "{number}: {:?}", ended.outcome());
        relay.settled(&ended).await.expect("recorded");
    });
    recovered.buffer_unordered(AT_A_TIME).for_each(|()| std::future::ready(())).await;
    let took = began.elapsed();

    assert!(bench.relay.unsettled("test").await.expect("a list").is_empty());
    let accepted_before = (0..RECORDS).filter(|number| number % 5 == 4).count();
    assert_eq!(bench.mesh.delivered().len(), RECORDS as usize - accepted_before, "each was sent once");
    assert!(bench.journal.verify().await.expect("a report").is_sound());
    println!("{RECORDS} unfinished messages found in {found:.1?}, all ended and settled after {took:.1?}");
    assert!(took < TIME_MAX, "recovery took {took:?}");
}
