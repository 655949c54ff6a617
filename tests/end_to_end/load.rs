//! A thousand small pairs at once. What is asserted is that nothing is lost; the figures are printed.

use std::collections::HashSet;

use mesh_sandbox::{Sandbox, SandboxConfig};
use relay_testkit::pairs::Control;
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB, Site};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_pairs_dropped_at_once_all_arrive() {
    const PAIRS: usize = 1_000;
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    let relay = site.run().await;
    for number in 0..PAIRS {
        let control = Control::new(ALICE, BOB).local_id(&format!("L{number}"));
        site.alice.drop_pair(&format!("P{number:04}"), &control, format!("payload {number}").as_bytes());
    }
    let dropped = tokio::time::Instant::now();
    eventually("all have arrived and are settled", || {
        site.bob.controls("IN") == PAIRS && site.alice.controls("SENT") == PAIRS
    })
    .await;
    let took = dropped.elapsed();
    let received: HashSet<Vec<u8>> = site.bob.received().into_iter().collect();
    assert_eq!(received.len(), PAIRS);
    assert!(site.alice.names("OUT").is_empty() && site.alice.names("FAILED").is_empty());
    println!(
        "{PAIRS} pairs from OUT to the other IN in {:.1} s, {:.0} a second; peak memory of the relay {:.1} MiB",
        took.as_secs_f64(),
        PAIRS as f64 / took.as_secs_f64(),
        relay.peak_kib() as f64 / 1024.0
    );
    assert!(relay.stop().await.0.success());
}
