//! Reports: items 24 to 32.

use std::collections::HashSet;

use jiff::SignedDuration;
use mesh_sandbox::Rule;
use relay_testkit::pairs::element;
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB, Site};
use crate::scene::{Scene, configure, letter, order, reports_on};

const ALL: &str = "reports = { collect = true, transfer = true, delay = true, poll = true }";
/// Nobody answers there.
const NOWHERE: &str = "http://127.0.0.1:1";

#[tokio::test]
async fn c24_a_collect_report_comes_once_and_before_anything_is_sent() {
    let site = Site::new(NOWHERE, "");
    configure(&site, NOWHERE, "reports = { collect = true }");
    let relay = site.run().await;
    let stale =
        letter("L1").text().replace("<Compress>", "<DTSId>20200101000000000000_0A1B2C</DTSId><Compress>");
    site.alice.drop_files("X", Some(stale.as_bytes()), Some(b"payload"));
    eventually("it is there", || reports_on(&site.alice, "COLLECT", "00").len() == 1).await;
    let report = reports_on(&site.alice, "COLLECT", "00").remove(0);
    for (name, value) in [
        ("MessageType", "Report"),
        ("From_DTS", ALICE),
        ("To_DTS", BOB),
        ("Subject", "Invented"),
        ("LocalId", "L1"),
        ("DTSId", "20200101000000000000_0A1B2C"),
        ("IsCompressed", "N"),
        ("Status", "SUCCESS"),
        ("Description", "Data collect success confirmation."),
    ] {
        assert_eq!(element(&report, name), value, "{name}");
    }
    assert_eq!(site.alice.names("OUT"), ["X.ctl", "X.dat"], "nothing could be sent");
    eventually("it is tried", || relay.log().contains("pairs stay in OUT")).await;
    // Neither another try nor another start makes another one, not even when the application took the first.
    let first = site.alice.names("IN");
    for name in &first {
        std::fs::remove_file(site.alice.folder("IN").join(name)).expect("taken");
    }
    assert!(relay.stop().await.0.success());
    let relay = site.run().await;
    eventually("it is tried again", || relay.log().contains("pairs stay in OUT")).await;
    assert!(reports_on(&site.alice, "COLLECT", "00").is_empty());
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c25_the_other_reports_are_off_unless_they_are_asked_for() {
    let (scene, relay) = Scene::running("").await;
    scene.carry("X", &letter("L1"), b"payload").await;
    eventually("the mailbox was looked into", || lists(&scene, ALICE) > 2).await;
    assert!(scene.alice().names("IN").is_empty());
    assert!(relay.stop().await.0.success());

    let (scene, relay) = Scene::running(ALL).await;
    scene.carry("X", &letter("L1"), b"payload").await;
    eventually("a transfer report", || reports_on(scene.alice(), "TRANSFER", "00").len() == 1).await;
    let report = reports_on(scene.alice(), "TRANSFER", "00").remove(0);
    assert_eq!(element(&report, "DTSId"), scene.for_bob()[0].message_id.to_string());
    assert_eq!(element(&report, "Description"), "Data Transfer success confirmation.");
    assert_eq!(reports_on(scene.alice(), "COLLECT", "00").len(), 1);
    eventually("poll reports", || reports_on(scene.alice(), "RECEIVE", "00").len() >= 2).await;
    assert!(relay.stop().await.0.success());

    let site = Site::new(NOWHERE, "");
    configure(&site, NOWHERE, ALL);
    let relay = site.run().await;
    site.alice.drop_pair("X", &letter("L1"), b"payload");
    eventually("a delay report", || reports_on(&site.alice, "TRANSFER", "05").len() == 1).await;
    let report = reports_on(&site.alice, "TRANSFER", "05").remove(0);
    assert_eq!((element(&report, "Status"), element(&report, "LocalId")), ("SUCCESS", "L1"));
    eventually("a poll that fails is told", || reports_on(&site.alice, "RECEIVE", "15").len() == 1).await;
    assert!(relay.stop().await.0.success());
}

/// How often a mailbox was listed.
fn lists(scene: &Scene, mailbox: &str) -> usize {
    let is_list = |seen: &mesh_sandbox::RequestSeen| {
        seen.call == "list" && seen.mailbox.as_ref().is_some_and(|id| id.as_str() == mailbox)
    };
    scene.sandbox.requests().iter().filter(|seen| is_list(seen)).count()
}

#[tokio::test]
async fn c26_every_failed_file_has_a_report_and_what_there_is_of_it_goes_to_failed() {
    let (scene, relay) = Scene::running("").await;
    scene.alice().drop_files("no-data", Some(letter("L1").text().as_bytes()), None);
    scene.alice().drop_files("no-xml", Some(b"To: someone"), Some(b"payload"));
    let unregistered = letter("L3").text().replace(BOB, "NOSUCHBOX");
    scene.alice().drop_files("no-box", Some(unregistered.as_bytes()), Some(b"payload"));
    eventually("three reports", || scene.alice().reports().len() == 3).await;
    eventually("OUT is empty", || scene.alice().names("OUT").is_empty()).await;
    assert_eq!(
        scene.alice().names("FAILED"),
        ["no-box.ctl", "no-box.dat", "no-data.ctl", "no-xml.ctl", "no-xml.dat"]
    );
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c27_reports_say_that_they_are_and_have_no_data() {
    let (scene, relay) = Scene::running(ALL).await;
    scene.carry("X", &letter("L1"), b"payload").await;
    scene.alice().drop_files("bad", Some(b"To: someone"), Some(b"payload"));
    eventually("all kinds", || scene.alice().reports().len() >= 4).await;
    let names = scene.alice().names("IN");
    assert!(names.iter().all(|name| name.ends_with(".ctl")), "{names:?}");
    for name in names {
        assert_eq!(element(&scene.alice().text("IN", &name), "MessageType"), "Report", "{name}");
    }
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c28_every_report_on_a_file_echoes_its_local_id_subject_and_workflow() {
    let (scene, relay) = Scene::running(ALL).await;
    scene.carry("X", &letter("L1"), b"payload").await;
    let unregistered = letter("L1").text().replace(BOB, "NOSUCHBOX");
    scene.alice().drop_files("no-box", Some(unregistered.as_bytes()), Some(b"payload"));
    let on_files =
        || scene.alice().reports().into_iter().filter(|report| element(report, "Event") != "RECEIVE");
    eventually("two collected, one transferred, one failed", || on_files().count() == 4).await;
    for report in on_files() {
        let echoed = ["LocalId", "Subject", "WorkflowId"].map(|name| element(&report, name));
        assert_eq!(echoed, ["L1", "Invented", "TEST_WORKFLOW"], "{report}");
    }
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c29_the_names_of_reports_are_unique_for_ever_and_no_messages() {
    let (scene, relay) = Scene::running(ALL).await;
    let mut seen = HashSet::new();
    for round in 0..3 {
        // The same name each time, and the application takes everything away.
        let id = scene.carry("X", &letter("L1"), b"payload").await;
        eventually("the reports of this round", || reports_on(scene.alice(), "TRANSFER", "00").len() == 1)
            .await;
        assert!(seen.insert(id), "round {round}");
        for name in scene.alice().names("IN") {
            let stem = name.strip_suffix(".ctl").expect("a report").to_owned();
            assert!(seen.insert(stem), "{name} in round {round}");
            std::fs::remove_file(scene.alice().folder("IN").join(name)).expect("taken");
        }
    }
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c30_events_and_codes_are_the_interfaces_own_and_meshs_own() {
    let (scene, relay) = Scene::running("").await;
    let text = letter("L1").text();
    let cases = [
        ("other-sender", text.replace("<From_DTS>X26ABC1", "<From_DTS>X26ABC3"), ("SEND", "07")),
        ("no-recipient", text.replace("<To_DTS>X26ABC2</To_DTS>", ""), ("SEND", "08")),
        ("address-type", text.replace(">DTS<", ">FAX<"), ("SEND", "10")),
        ("message-type", text.replace(">Data<", ">Report<"), ("SEND", "11")),
        ("unregistered", text.replace(BOB, "NOSUCHBOX"), ("SEND", "12")),
        ("unreadable", text.replace("</DTSControl>", ""), ("COLLECT", "01")),
    ];
    for (name, control, _) in &cases {
        scene.alice().drop_files(name, Some(control.as_bytes()), Some(b"payload"));
    }
    scene.alice().drop_files("no-data", Some(text.as_bytes()), None);
    eventually("all are reported", || scene.alice().reports().len() == cases.len() + 1).await;
    for (name, _, (event, code)) in &cases {
        assert_eq!(reports_on(scene.alice(), event, code).len(), 1, "{name}");
    }
    assert_eq!(reports_on(scene.alice(), "COLLECT", "02").len(), 1);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c31_long_codes_can_be_written_as_two_digits() {
    for (more, code, begins) in [
        ("", "EPL-152", "Invalid NHS Number"),
        ("two_digit_codes = true", "12", "EPL-152 Invalid NHS Number"),
    ] {
        let (scene, relay) = Scene::running(more).await;
        scene.sandbox.rules().switch(Rule::GpRouting, true);
        let nobody = letter("L1").text().replace(BOB, "GPPROVIDER_9990548608_19550109_Sample");
        scene.alice().drop_files("X", Some(nobody.as_bytes()), Some(b"payload"));
        eventually("MESH reports it", || reports_on(scene.alice(), "SEND", code).len() == 1).await;
        let report = reports_on(scene.alice(), "SEND", code).remove(0);
        assert!(element(&report, "Description").starts_with(begins), "{report}");
        assert_eq!(element(&report, "LocalId"), "L1");
        assert!(!relay.log().contains("9990548608"), "who the patient is stands in no log");
        assert!(relay.stop().await.0.success());
    }
}

#[tokio::test]
async fn c32_what_may_still_work_leaves_the_pair_in_out() {
    let site = Site::new(NOWHERE, "");
    let relay = site.run().await;
    site.alice.drop_pair("X", &letter("L1"), b"payload");
    eventually("it is tried", || relay.log().contains("pairs stay in OUT")).await;
    assert_eq!(site.alice.names("OUT"), ["X.ctl", "X.dat"]);
    assert!(site.alice.names("FAILED").is_empty());
    assert!(relay.stop().await.0.success());

    // A wrong password: code 04 and 17, once each, about the mailbox and not about the pair.
    let scene = Scene::new("").await;
    scene.site.write("mailbox.pass", "wrong\n");
    let relay = scene.site.run().await;
    scene.alice().drop_pair("X", &letter("L1"), b"payload");
    eventually("it is told", || {
        reports_on(scene.alice(), "TRANSFER", "04").len() == 1
            && reports_on(scene.alice(), "RECEIVE", "17").len() == 1
    })
    .await;
    for report in scene.alice().reports() {
        assert_eq!(element(&report, "LocalId"), "");
        assert_eq!(element(&report, "To_DTS"), ALICE);
    }
    assert_eq!(scene.alice().names("OUT"), ["X.ctl", "X.dat"]);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c41_a_message_that_nobody_collects_comes_back_as_a_report() {
    for (more, from, to) in [("", BOB, ALICE), ("server_reports = { swap = false }", ALICE, BOB)] {
        let scene = Scene::new(more).await;
        let relay = scene.site.run().await;
        // A mailbox of the sandbox that no relay empties.
        let sleeper = "X26ABC3";
        let control = letter("L1").text().replace(BOB, sleeper);
        scene.alice().drop_files("X", Some(control.as_bytes()), Some(b"payload"));
        eventually("it is sent", || scene.alice().controls("SENT") == 1).await;
        let id = element(&scene.alice().text("SENT", "X.ctl"), "DTSId").to_owned();
        scene.sandbox.rules().switch(Rule::InboxExpiry, true);
        scene.sandbox.advance(SignedDuration::from_hours(5 * 24 + 1)).expect("later");
        eventually("the report", || reports_on(scene.alice(), "SEND", "14").len() == 1).await;
        let report = reports_on(scene.alice(), "SEND", "14").remove(0);
        let other = |address: &str| if address == BOB { sleeper } else { ALICE }.to_owned();
        for (name, value) in [
            ("AddressType", "ALL"),
            ("MessageType", "Report"),
            ("Status", "ERROR"),
            ("LocalId", "L1"),
            ("WorkflowId", "TEST_WORKFLOW"),
            ("PartnerId", &id),
            ("From_DTS", &other(from)),
            ("To_DTS", &other(to)),
        ] {
            assert_eq!(element(&report, name), value, "{name}\n{report}");
        }
        assert_eq!(order(&report).last().map(String::as_str), Some("StatusRecord"));
        assert!(relay.stop().await.0.success());
    }
}
