//! After sending: items 18 to 23.

use std::fs;

use relay_testkit::pairs::element;
use relay_testkit::wait::eventually;

use crate::scene::{Scene, Watcher, letter, order, rename, write};

#[tokio::test]
async fn c18_sent_has_the_pair_under_its_name_data_first_and_the_control_file_whole() {
    let (scene, relay) = Scene::running("").await;
    let sent = scene.alice().folder("SENT");
    let watcher = Watcher::start(move || {
        for entry in fs::read_dir(&sent).expect("a listing").flatten() {
            let name = entry.file_name().into_string().expect("a name");
            if let Some(stem) = name.strip_suffix(".ctl") {
                let text = fs::read_to_string(entry.path()).expect("a control file");
                assert!(text.ends_with("</DTSControl>\n"), "{name} is not whole");
                assert_eq!(element(&text, "StatusCode"), "00");
                let data = fs::read(sent.join(format!("{stem}.dat"))).expect("the data before it");
                assert_eq!(data, [7; 50_000]);
            } else {
                assert!(name.ends_with(".dat"), "{name}");
            }
        }
    });
    for name in ["a", "Name.With.Dots", "UPPER"] {
        scene.alice().drop_pair(name, &letter(name), &[7; 50_000]);
    }
    eventually("all are sent", || scene.alice().controls("SENT") == 3).await;
    watcher.end();
    assert_eq!(
        scene.alice().names("SENT"),
        ["Name.With.Dots.ctl", "Name.With.Dots.dat", "UPPER.ctl", "UPPER.dat", "a.ctl", "a.dat"]
    );
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c19_sent_keeps_the_applications_words_and_adds_the_five_parts_of_the_outcome() {
    let (scene, relay) = Scene::running("").await;
    let text = "<DTSControl><Version>1.0</Version><AddressType>ALL</AddressType><MessageType>Data</MessageType>\
                <From_DTS>x26Abc1</From_DTS><To_DTS>x26abc2</To_DTS><From_ESMTP>a@example.org</From_ESMTP>\
                <To_ESMTP>b@example.org</To_ESMTP><Subject>Blood &amp; bone: it's</Subject><LocalId>Lab 7/é</LocalId>\
                <Compress>Y</Compress><WorkflowId>TEST_WORKFLOW</WorkflowId></DTSControl>";
    scene.alice().drop_files("X", Some(text.as_bytes()), Some(b"payload"));
    eventually("it is sent", || scene.alice().controls("SENT") == 1).await;
    let sent = scene.alice().text("SENT", "X.ctl");
    for (name, value) in [
        ("AddressType", "ALL"),
        ("From_DTS", "x26Abc1"),
        ("To_DTS", "x26abc2"),
        ("LocalId", "Lab 7/é"),
        ("WorkflowId", "TEST_WORKFLOW"),
        ("IsCompressed", "Y"),
        ("Event", "TRANSFER"),
        ("Status", "SUCCESS"),
        ("StatusCode", "00"),
        ("Description", "Data Transfer success confirmation."),
    ] {
        assert_eq!(element(&sent, name), value, "{name}");
    }
    assert!(element(&sent, "Subject").starts_with("Blood &amp; bone: it"), "{sent}");
    assert_eq!(element(&sent, "DTSId"), scene.for_bob()[0].message_id.to_string());
    assert_eq!(element(&sent, "DateTime").len(), 14);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c20_sent_has_the_canonical_order() {
    let (scene, relay) = Scene::running("").await;
    scene.carry("X", &letter("L1").compressed_in_chunks(), b"payload").await;
    let canonical = [
        "Version",
        "AddressType",
        "MessageType",
        "From_DTS",
        "To_DTS",
        "Subject",
        "LocalId",
        "DTSId",
        "Compress",
        "WorkflowId",
        "IsCompressed",
        "AllowChunking",
        "StatusRecord",
    ];
    assert_eq!(order(&scene.alice().text("SENT", "X.ctl")), canonical);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c21_with_save_sent_off_nothing_is_kept() {
    let (scene, relay) = Scene::running("save_sent = false").await;
    scene.carry("X", &letter("L1"), b"payload").await;
    eventually("OUT is empty", || scene.alice().names("OUT").is_empty()).await;
    assert!(scene.alice().names("SENT").is_empty() && scene.alice().names("FAILED").is_empty());
    assert!(scene.alice().names("IN").is_empty());
    // What can never be sent is kept all the same.
    scene.alice().drop_files("bad", Some(b"no control file"), Some(b"payload"));
    eventually("it is in FAILED", || scene.alice().names("FAILED").len() == 2).await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c22_the_data_in_sent_is_byte_for_byte_the_applications() {
    let (scene, relay) = Scene::running("").await;
    let data: Vec<u8> = (0..300_000_u32).map(|i| (i.wrapping_mul(i) / 7) as u8).collect();
    scene.carry("X", &letter("L1").compressed_in_chunks(), &data).await;
    assert_eq!(fs::read(scene.alice().folder("SENT").join("X.dat")).expect("the data"), data);
    assert_eq!(scene.bob().received(), [data]);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c23_a_crash_between_acceptance_and_the_move_sends_nothing_twice() {
    for save_sent in ["save_sent = true", "save_sent = false"] {
        let (scene, mut relay) = Scene::running(save_sent).await;
        // Neither SENT nor TEMP takes anything: accepted, and not moved.
        let (temp, aside) = (scene.alice().folder("TEMP"), scene.alice().folder("TEMP-aside"));
        rename(&temp, &aside);
        write(&temp, "in the way");
        scene.alice().drop_pair("X", &letter("L1"), b"payload");
        eventually("MESH has it", || scene.for_bob().len() == 1).await;
        eventually("it cannot be moved", || relay.log().contains("cannot be moved to SENT or FAILED")).await;
        relay.kill();
        fs::remove_file(&temp).expect("out of the way");
        rename(&aside, &temp);
        let relay = scene.site.run().await;
        eventually("OUT is empty", || scene.alice().names("OUT").is_empty()).await;
        assert_eq!(scene.for_bob().len(), 1, "MESH has one message");
        assert_eq!(scene.alice().controls("SENT"), usize::from(save_sent.ends_with("true")));
        assert!(relay.stop().await.0.success());
    }
}
