//! Receiving: items 33 to 43; item 41 stands with the reports.

use std::fs;
use std::os::unix::fs::MetadataExt;

use mesh_sandbox::{Call, Effect, Fault};
use relay_testkit::pairs::element;
use relay_testkit::wait::eventually;

use crate::process::BOB;
use crate::scene::{Scene, Watcher, configure, letter, order, rename, write};

#[tokio::test]
async fn c33_both_files_in_in_are_named_by_the_message_id() {
    let (scene, relay) = Scene::running("").await;
    let id = scene.carry("X", &letter("L1"), b"payload").await;
    assert_eq!(id, scene.for_bob()[0].message_id.to_string());
    assert_eq!(scene.bob().names("IN"), [format!("{id}.ctl"), format!("{id}.dat")]);
    assert_eq!(element(&scene.bob().text("IN", &format!("{id}.ctl")), "DTSId"), id);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c34_the_data_is_complete_before_the_control_file_appears_whole() {
    let (scene, relay) = Scene::running("").await;
    let (inbox, length) = (scene.bob().folder("IN"), 400_000);
    let watcher = Watcher::start(move || {
        for entry in fs::read_dir(&inbox).expect("a listing").flatten() {
            let name = entry.file_name().into_string().expect("a name");
            // Whatever ends so is whole from the first moment; and nothing else is there at all.
            if name.ends_with(".dat") {
                assert_eq!(entry.metadata().expect("it").len(), length, "{name}");
            } else {
                let stem = name.strip_suffix(".ctl").expect("a control file");
                let text = fs::read_to_string(entry.path()).expect("it");
                assert!(text.ends_with("</DTSControl>\n"), "{name}");
                assert!(inbox.join(format!("{stem}.dat")).exists(), "{name}");
            }
        }
    });
    for name in ["a", "b", "c"] {
        let data = vec![1; usize::try_from(length).expect("small")];
        scene.alice().drop_pair(name, &letter(name).compressed_in_chunks(), &data);
    }
    eventually("all are there", || scene.bob().controls("IN") == 3).await;
    watcher.end();
    assert!(relay.stop().await.0.success());
}

/// The order of example D.
const MESH_ORDER: [&str; 18] = [
    "Version",
    "AddressType",
    "MessageType",
    "From_DTS",
    "To_DTS",
    "From_ESMTP",
    "To_ESMTP",
    "Subject",
    "LocalId",
    "DTSId",
    "PartnerId",
    "Compress",
    "Encrypted",
    "WorkflowId",
    "ProcessId",
    "DataChecksum",
    "IsCompressed",
    "StatusRecord",
];

/// The order of 2013 and 2015 (3.3).
const DTS_ORDER: [&str; 17] = [
    "Version",
    "AddressType",
    "MessageType",
    "From_ESMTP",
    "From_DTS",
    "To_ESMTP",
    "To_DTS",
    "Subject",
    "LocalId",
    "DTSId",
    "WorkflowId",
    "ProcessId",
    "Compress",
    "Encrypted",
    "DataChecksum",
    "IsCompressed",
    "StatusRecord",
];

#[tokio::test]
async fn c35_elements_in_in_stand_in_the_order_of_their_profile() {
    let (scene, relay) = Scene::running("profile = \"dts\"").await;
    let id = scene.carry("X", &letter("L1"), b"payload").await;
    let text = scene.bob().text("IN", &format!("{id}.ctl"));
    assert_eq!(order(&text), MESH_ORDER);
    for empty in ["PartnerId", "ProcessId", "DataChecksum"] {
        assert!(text.contains(&format!("<{empty}></{empty}>")), "{empty}");
    }
    for flag in ["Compress", "Encrypted", "IsCompressed"] {
        assert_eq!(element(&text, flag), "N");
    }
    // Back to Alice, whose folders follow the DTS client.
    let back = relay_testkit::pairs::Control::new(BOB, crate::process::ALICE).local_id("L2");
    scene.bob().drop_pair("Y", &back, b"payload");
    eventually("it is in IN", || scene.alice().controls("IN") == 1).await;
    let name = scene.alice().names("IN").remove(0);
    assert_eq!(order(&scene.alice().text("IN", &name)), DTS_ORDER);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c36_in_has_all_four_addresses() {
    let (scene, relay) = Scene::running("").await;
    let id = scene.carry("X", &letter("L1"), b"payload").await;
    let text = scene.bob().text("IN", &format!("{id}.ctl"));
    for (name, value) in [
        ("AddressType", "ALL"),
        ("MessageType", "Data"),
        ("From_DTS", "X26ABC1"),
        ("To_DTS", "X26ABC2"),
        ("From_ESMTP", "x26abc1@dts.nhs.uk"),
        ("To_ESMTP", "x26abc2@dts.nhs.uk"),
    ] {
        assert_eq!(element(&text, name), value, "{name}");
    }
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c37_the_outcome_in_in_is_in_uk_local_time() {
    let (scene, relay) = Scene::running("").await;
    for (days, word) in [(0, "now"), (183, "half a year later, on the other side of a clock change")] {
        if days > 0 {
            scene.sandbox.advance(jiff::SignedDuration::from_hours(24 * days)).expect("later");
        }
        let id = scene.carry(&format!("X{days}"), &letter("L1"), b"payload").await;
        let text = scene.bob().text("IN", &format!("{id}.ctl"));
        for (name, value) in [
            ("Event", "TRANSFER"),
            ("Status", "SUCCESS"),
            ("StatusCode", "00"),
            ("Description", "Transferred to recipient mailbox"),
        ] {
            assert_eq!(element(&text, name), value, "{name}");
        }
        // The id is UTC, the time beside it is London's.
        let utc: jiff::civil::DateTime =
            jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", &id[..14]).expect("the id's time");
        let london = utc.to_zoned(jiff::tz::TimeZone::UTC).expect("a time").timestamp();
        let told = element(&text, "DateTime");
        let expected = [0, 1].map(|s| dts_control::uk_local(london + jiff::SignedDuration::from_secs(s)));
        assert!(expected.iter().any(|time| time == told), "{word}: {told}, expected {expected:?}");
    }
    assert!(relay.stop().await.0.success());
}

#[test]
fn c37_both_changes_of_the_clock_are_known() {
    let at = |utc: &str| dts_control::uk_local(utc.parse().expect("a time"));
    assert_eq!(at("2026-03-29T00:59:59Z"), "20260329005959");
    assert_eq!(at("2026-03-29T01:00:00Z"), "20260329020000");
    assert_eq!(at("2026-10-25T00:59:59Z"), "20261025015959");
    assert_eq!(at("2026-10-25T01:00:00Z"), "20261025010000");
}

#[tokio::test]
async fn c38_the_data_in_in_is_byte_for_byte_the_senders_also_in_chunks() {
    let (scene, relay) = Scene::running("").await;
    let data: Vec<u8> = (0..500_000_u32).map(|i| (i % 251) as u8).collect();
    for (name, control) in [("plain", letter("L1")), ("chunked", letter("L2").compressed_in_chunks())] {
        let small = if name == "plain" { &data[..60_000] } else { &data };
        let id = scene.carry(name, &control, small).await;
        let received = fs::read(scene.bob().folder("IN").join(format!("{id}.dat"))).expect("the data");
        assert!(received == small, "{name}");
    }
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c39_mesh_is_told_only_when_both_files_are_in_in() {
    let (scene, relay) = Scene::running("").await;
    let slow = Fault {
        mailbox: Some(BOB.parse().expect("a mailbox")),
        calls: vec![Call::Download],
        ..Fault::new("slow", Effect::SlowBody { bytes_per_second: 100_000 })
    };
    scene.sandbox.faults().add(slow).expect("a fault");
    scene.alice().drop_pair("X", &letter("L1"), &[7; 60_000]);
    eventually("it is being fetched", || !scene.for_bob().is_empty()).await;
    let inbox = scene.bob().folder("IN");
    eventually("MESH is told", || {
        // Asked first: whatever is there when MESH knows was there before.
        let told = scene.for_bob()[0].status == "acknowledged";
        let there = fs::read_dir(&inbox).map_or(0, Iterator::count);
        assert!(!told || there == 2, "MESH is told and IN has {there} files");
        told
    })
    .await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c40_a_message_that_comes_again_makes_no_second_pair() {
    let (scene, relay) = Scene::running("").await;
    let lost = Fault {
        mailbox: Some(BOB.parse().expect("a mailbox")),
        calls: vec![Call::Acknowledge],
        times: Some(3),
        ..Fault::new("lost", Effect::CutRequest { after_bytes: 0 })
    };
    scene.sandbox.faults().add(lost).expect("a fault");
    scene.alice().drop_pair("X", &letter("L1"), b"payload");
    eventually("it is in IN", || scene.bob().controls("IN") == 1).await;
    // The application takes it before MESH has heard of it.
    for name in scene.bob().names("IN") {
        fs::remove_file(scene.bob().folder("IN").join(name)).expect("taken");
    }
    eventually("MESH is told", || scene.for_bob()[0].status == "acknowledged").await;
    assert!(scene.bob().names("IN").is_empty(), "it does not appear again");
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c42_while_in_takes_nothing_mesh_keeps_the_message() {
    let (scene, relay) = Scene::running("").await;
    let (inbox, aside) = (scene.bob().folder("IN"), scene.bob().folder("IN-aside"));
    rename(&inbox, &aside);
    write(&inbox, "in the way");
    scene.alice().drop_pair("X", &letter("L1"), b"payload");
    eventually("it is told", || relay.log().contains("writing a received message failed")).await;
    assert_eq!(scene.for_bob()[0].status, "accepted", "MESH keeps it");
    fs::remove_file(&inbox).expect("out of the way");
    rename(&aside, &inbox);
    eventually("it arrives", || scene.bob().controls("IN") == 1).await;
    eventually("MESH is told", || scene.for_bob()[0].status == "acknowledged").await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c43_the_group_of_a_folder_may_be_let_in() {
    let scene = Scene::new("").await;
    configure(&scene.site, &scene.sandbox.base_url(), "group_writable = true");
    let relay = scene.site.run().await;
    let back = relay_testkit::pairs::Control::new(BOB, crate::process::ALICE).local_id("L2");
    scene.bob().drop_pair("Y", &back, b"payload");
    eventually("it is in IN", || scene.alice().controls("IN") == 1).await;
    let mode = |path: &std::path::Path| fs::metadata(path).expect("it").mode();
    let inbox = scene.alice().folder("IN");
    assert_eq!(mode(&inbox) & 0o2070, 0o2070, "who may write there may delete there");
    for name in scene.alice().names("IN") {
        assert_eq!(mode(&inbox.join(&name)) & 0o060, 0o060, "{name}");
    }
    // Bob's were not asked for.
    assert_eq!(mode(&scene.bob().folder("IN")) & 0o2000, 0);
    assert!(relay.stop().await.0.success());
}
