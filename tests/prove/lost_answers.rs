//! A thousand sends whose answer is lost after MESH took them: none may arrive twice, and finding out may cost two
//! calls each at most.

use std::collections::HashMap;

use mesh_sandbox::{Call, Effect, Fault, Sandbox, SandboxConfig};
use relay_testkit::pairs::Control;
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB, Site};

/// Few enough that all first attempts of a batch are under way before the first second one.
const BATCH: usize = 64;
const BATCHES: usize = 16;

/// What one strategy cost.
#[derive(Default)]
struct Cost {
    lost: usize,
    duplicates: usize,
    missing: usize,
    extra_calls: usize,
    worst_extra: usize,
}

async fn batch(more: &str, control: &Control, calls_at_best: usize, cost: &mut Cost) {
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let lost = Fault {
        calls: vec![Call::Send],
        times: Some(BATCH as u64),
        ..Fault::new("lost answer", Effect::LoseAnswer)
    };
    sandbox.faults().add(lost).expect("a fault");
    let site = Site::new(&sandbox.base_url(), "");
    let config = std::fs::read_to_string(site.path("relay.toml")).expect("a configuration");
    site.write("relay.toml", config.replace("[send]\n", &format!("[send]\nin_flight = {BATCH}\n{more}")));
    for number in 0..BATCH {
        let control = control.clone().local_id(&format!("L{number}"));
        site.alice.drop_pair(&format!("P{number:03}"), &control, format!("payload {number}").as_bytes());
    }
    let relay = site.run().await;
    eventually("all are settled", || site.alice.controls("SENT") == BATCH).await;
    assert!(relay.stop().await.0.success());

    let mut delivered: HashMap<Vec<u8>, usize> = HashMap::new();
    for message in sandbox.messages(&BOB.parse().expect("a mailbox")) {
        if message.status != "uploading" {
            *delivered.entry(message.body()).or_default() += 1;
        }
    }
    // How many calls each message cost cannot be read off the requests, which carry no local id; the sum can.
    let about_sending = ["send", "send-chunk", "track", "track-local-id"];
    let requests = sandbox.requests();
    assert!(requests.len() < mesh_sandbox::REQUESTS_KEPT_MAX, "some requests were forgotten");
    let calls = requests.iter().filter(|request| about_sending.contains(&request.call)).count();
    let extra = calls.saturating_sub(BATCH * calls_at_best);
    cost.lost += sandbox.faults().fired().len();
    cost.duplicates += delivered.values().map(|count| count - 1).sum::<usize>();
    cost.missing += BATCH - delivered.len();
    cost.extra_calls += extra;
    cost.worst_extra = cost.worst_extra.max(extra.div_ceil(BATCH));
}

async fn strategy(name: &str, more: &str, control: Control, calls_at_best: usize) {
    let mut cost = Cost::default();
    for _ in 0..BATCHES {
        batch(more, &control, calls_at_best, &mut cost).await;
    }
    let Cost { lost, duplicates, missing, extra_calls, worst_extra } = cost;
    println!(
        "{name}: {lost} answers lost, {duplicates} delivered twice, {missing} not delivered, {:.2} extra calls each \
         (at most {worst_extra} on the average of a batch)",
        extra_calls as f64 / lost as f64
    );
    assert_eq!((lost, duplicates, missing), (BATCH * BATCHES, 0, 0));
    assert!(extra_calls <= 2 * lost, "more than two extra calls each");
}

#[tokio::test(flavor = "multi_thread")]
async fn probing_finds_each_message_whose_answer_was_lost() {
    strategy("probe", "", Control::new(ALICE, BOB), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_steps_never_leave_a_doubt() {
    let control = Control { allow_chunking: true, ..Control::new(ALICE, BOB) };
    let route = format!("route = [{{ match = {{ to = \"{BOB}\" }}, in_doubt = \"two-step\" }}]\n");
    strategy("two-step", &route, control, 2).await;
}
