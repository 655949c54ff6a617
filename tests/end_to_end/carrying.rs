//! A pair through the house: against our sandbox and against the official emulator.

use std::fs;

use mesh_sandbox::{Sandbox, SandboxConfig};
use relay_testkit::pairs::{Control, Root, element};
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB, Emulator, Site};

/// Longer than two chunks of the tests' configuration, and compressible.
fn letter() -> Vec<u8> {
    (0..6_000_u32).flat_map(|line| format!("PID|{line}||invented {}\r\n", line % 89).into_bytes()).collect()
}

fn ids(root: &Root) -> Vec<String> {
    root.names("IN").iter().filter_map(|name| name.strip_suffix(".ctl").map(str::to_owned)).collect()
}

async fn both_ways(mesh_url: &str) {
    let site = Site::new(mesh_url, "");
    let relay = site.run().await;
    let data = letter();
    let there = Control::new(ALICE, BOB).local_id("there-1").compressed_in_chunks();
    site.alice.drop_pair("ABC00000001", &there, &data);
    let back = Control::new(BOB, ALICE).local_id("back-1").compressed_in_chunks();
    let reply: Vec<u8> = data.iter().rev().copied().collect();
    site.bob.drop_pair("reply", &back, &reply);
    site.bob.drop_pair("short", &Control::new(BOB, ALICE).local_id("back-2"), b"\x00short\xff");

    eventually("the pairs are in the other IN, both ways", || {
        site.bob.controls("IN") == 1 && site.alice.controls("IN") == 2
    })
    .await;
    eventually("all pairs are in SENT", || {
        site.alice.controls("SENT") == 1 && site.bob.controls("SENT") == 2
    })
    .await;

    assert_eq!(site.bob.received(), std::slice::from_ref(&data));
    let received = site.alice.received();
    assert!(received.contains(&reply) && received.contains(&b"\x00short\xff".to_vec()));
    assert_eq!(fs::read(site.alice.folder("SENT").join("ABC00000001.dat")).expect("a file"), data);
    assert!(site.alice.names("OUT").is_empty() && site.bob.names("OUT").is_empty());

    let sent = site.alice.text("SENT", "ABC00000001.ctl");
    let id = ids(&site.bob).remove(0);
    for (name, expected) in [
        ("From_DTS", ALICE),
        ("To_DTS", BOB),
        ("LocalId", "there-1"),
        ("DTSId", &id),
        ("IsCompressed", "Y"),
        ("Event", "TRANSFER"),
        ("Status", "SUCCESS"),
        ("StatusCode", "00"),
        ("Description", "Data Transfer success confirmation."),
    ] {
        assert_eq!(element(&sent, name), expected, "{name} in SENT:\n{sent}");
    }
    let received = site.bob.text("IN", &format!("{id}.ctl"));
    for (name, expected) in [
        ("AddressType", "ALL"),
        ("MessageType", "Data"),
        ("From_DTS", ALICE),
        ("To_DTS", BOB),
        ("From_ESMTP", "x26abc1@dts.nhs.uk"),
        ("Subject", "Invented"),
        ("LocalId", "there-1"),
        ("DTSId", &id),
        ("Compress", "N"),
        ("IsCompressed", "N"),
        ("WorkflowId", "TEST_WORKFLOW"),
        ("StatusCode", "00"),
        ("Description", "Transferred to recipient mailbox"),
    ] {
        assert_eq!(element(&received, name), expected, "{name} in IN:\n{received}");
    }
    eventually("nothing is left in TEMP", || site.bob.names("TEMP").is_empty()).await;

    let (status, log) = relay.stop().await;
    assert!(status.success(), "{log}");
    for private in ["there-1", "Invented", "ABC00000001", "password", "TestKey", "invented"] {
        assert!(!log.contains(private), "{private} is in the log:\n{log}");
    }
}

#[tokio::test]
async fn a_pair_goes_both_ways_through_the_sandbox() {
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    both_ways(&sandbox.base_url()).await;
    let stored = sandbox.messages(&BOB.parse().expect("a mailbox"));
    assert_eq!(stored.len(), 1);
    assert!(stored[0].chunk_count > 2 && stored[0].body() == letter());
    assert_eq!(stored[0].status, "acknowledged");
}

#[tokio::test]
async fn a_pair_goes_both_ways_through_the_official_emulator() {
    let emulator = Emulator::start().await;
    both_ways(&emulator.base_url()).await;
}
