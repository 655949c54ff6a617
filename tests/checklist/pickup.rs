//! Picking up: items 7 to 17.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use relay_testkit::pairs::element;
use relay_testkit::wait::eventually;

use crate::scene::{Scene, letter, reports_on, write};

#[tokio::test]
async fn c07_only_a_control_file_with_its_data_file_is_acted_on() {
    let (scene, relay) = Scene::running("").await;
    let out = scene.alice().folder("OUT");
    write(&out.join("alone.dat"), "data");
    write(&out.join("pair.txt"), "text");
    write(&out.join("other.ctl.bak"), letter("L0").text());
    fs::create_dir(out.join("folder.ctl")).expect("a folder");
    scene.carry("pair", &letter("L1"), b"payload").await;
    assert_eq!(scene.for_bob().len(), 1);
    assert_eq!(scene.alice().names("OUT"), ["alone.dat", "folder.ctl", "other.ctl.bak", "pair.txt"]);
    assert!(scene.alice().reports().is_empty());
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c08_an_empty_or_cut_control_file_is_not_ready_while_it_is_young() {
    let (scene, relay) = Scene::running("grace = \"1500ms\"\nscan = \"200ms\"").await;
    let out = scene.alice().folder("OUT");
    let text = letter("L1").text();
    write(&out.join("X.dat"), "payload");
    write(&out.join("X.ctl"), "");
    // Several looks at OUT go by, and file-system events.
    tokio::time::sleep(Duration::from_millis(700)).await;
    write(&out.join("X.ctl"), &text[..text.len() / 2]);
    tokio::time::sleep(Duration::from_millis(700)).await;
    write(&out.join("X.ctl"), &text);
    eventually("it is sent", || scene.alice().controls("SENT") == 1).await;
    assert!(scene.alice().names("FAILED").is_empty() && scene.alice().reports().is_empty());
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c09_a_pair_is_taken_only_when_both_files_have_been_quiet() {
    let (scene, relay) = Scene::running("grace = \"1s\"\nscan = \"200ms\"").await;
    let out = scene.alice().folder("OUT");
    write(&out.join("X.dat"), "");
    write(&out.join("X.ctl"), letter("L1").text());
    let mut whole = Vec::new();
    for part in 0..8_u8 {
        // The data file grows behind its control file.
        let piece = vec![part; 1_000];
        let mut data = OpenOptions::new().append(true).open(out.join("X.dat")).expect("the data file");
        data.write_all(&piece).expect("written");
        whole.extend(piece);
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let last = Instant::now() - Duration::from_millis(250);
    eventually("it arrives", || scene.bob().controls("IN") == 1).await;
    assert!(last.elapsed() >= Duration::from_secs(1), "taken {:?} after the last change", last.elapsed());
    assert_eq!(scene.bob().received(), [whole]);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c10_what_is_there_at_the_start_goes_without_waiting_for_a_poll() {
    let scene = Scene::new("scan = \"1h\"").await;
    scene.alice().drop_pair("X", &letter("L1"), b"payload");
    let relay = scene.site.run().await;
    eventually("it is sent", || scene.alice().controls("SENT") == 1).await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c11_a_data_file_is_never_changed_in_place() {
    let (scene, relay) = Scene::running("").await;
    let archive = scene.site.path("archive.dat");
    write(&archive, "the application's own copy");
    let before = fs::metadata(&archive).expect("it").modified().expect("a time");
    fs::hard_link(&archive, scene.alice().folder("OUT").join("X.dat")).expect("a link");
    write(&scene.alice().folder("OUT").join("X.ctl"), letter("L1").compressed_in_chunks().text());
    eventually("it is sent", || scene.alice().controls("SENT") == 1).await;
    assert_eq!(fs::read_to_string(&archive).expect("it"), "the application's own copy");
    assert_eq!(fs::metadata(&archive).expect("it").modified().expect("a time"), before);
    assert!(relay.stop().await.0.success());
}

/// Drops pairs with these control files, and waits until all of them were sent. The golden set has many more.
async fn all_are_sent(cases: &[(&str, Vec<u8>)]) {
    let (scene, relay) = Scene::running("").await;
    for (name, control) in cases {
        scene.alice().drop_files(name, Some(control), Some(b"payload"));
    }
    eventually("all have ended", || {
        scene.alice().controls("SENT") + scene.alice().controls("FAILED") == cases.len()
    })
    .await;
    let reports = scene.alice().reports();
    assert_eq!(scene.alice().controls("SENT"), cases.len(), "{reports:#?}");
    assert_eq!(scene.for_bob().len(), cases.len());
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c12_every_form_of_control_file_is_taken() {
    let plain = letter("L1").text();
    let body = plain.trim_start_matches("<DTSControl>\n").trim_end_matches("</DTSControl>\n");
    let reversed: Vec<&str> = body.lines().rev().collect();
    let utf16: Vec<u8> =
        [0xFEFF].into_iter().chain(plain.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    all_are_sent(&[
        ("declared", format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n{plain}").into_bytes()),
        ("marked", format!("\u{feff}{}", plain.replace('\n', "\r\n")).into_bytes()),
        ("utf16", utf16),
        ("reversed", format!("<DTSControl>{}</DTSControl>", reversed.concat()).into_bytes()),
        ("padded", plain.replace(">X26ABC2<", ">\n\t X26ABC2 \n<").into_bytes()),
        (
            "attributes",
            plain.replace("<DTSControl>", "<DTSControl Version=\"1.0\" xml:lang=\"en\">").into_bytes(),
        ),
        ("unknown", plain.replace("</DTSControl>", "<Site><Ward>7</Ward></Site></DTSControl>").into_bytes()),
        ("short", plain.replace("</DTSControl>", "<ProcessId/><PartnerId /></DTSControl>").into_bytes()),
    ])
    .await;
}

#[tokio::test]
async fn c14_address_types_and_message_types_are_taken_in_any_case() {
    let with = |from: &str, to: &str| letter("L1").text().replace(from, to).into_bytes();
    all_are_sent(&[
        ("all", with(">DTS<", ">ALL<")),
        ("lower", with(">Data<", ">data<")),
        ("upper", with(">Data<", ">DATA<")),
        ("address", with(">DTS<", ">dts<")),
    ])
    .await;
}

#[tokio::test]
async fn c15_every_shape_of_name_is_taken() {
    let names = [
        "0123456789abcdef0123456789abcdef",
        "X26HC001LAB00000417",
        "00000417",
        "ABC_22112026_1015",
        "results.csv",
        "X26HC0018c1f4d7e-0000-4000-8000-000000000001",
    ];
    let cases: Vec<(&str, Vec<u8>)> =
        names.iter().map(|name| (*name, letter(name).text().into_bytes())).collect();
    all_are_sent(&cases).await;
}

#[tokio::test]
async fn c13_a_sent_pair_dropped_again_is_a_new_message() {
    let (scene, relay) = Scene::running("").await;
    let first = scene.carry("X", &letter("L1"), b"payload").await;
    let sent = scene.alice().text("SENT", "X.ctl");
    assert!(sent.contains(&first));
    write(&scene.alice().folder("OUT").join("X-again.dat"), "payload");
    write(&scene.alice().folder("OUT").join("X-again.ctl"), &sent);
    eventually("it is sent", || scene.alice().names("SENT").contains(&"X-again.ctl".to_owned())).await;
    let again = scene.alice().text("SENT", "X-again.ctl");
    assert_ne!(element(&again, "DTSId"), first);
    assert_eq!(scene.for_bob().len(), 2);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c16_elements_that_old_applications_leave_out_may_be_missing() {
    let (scene, relay) = Scene::running("").await;
    let least = "<DTSControl><From_DTS>X26ABC1</From_DTS><To_DTS>X26ABC2</To_DTS>\
                 <MessageType>Data</MessageType><WorkflowId>TEST_WORKFLOW</WorkflowId></DTSControl>";
    scene.alice().drop_files("X", Some(least.as_bytes()), Some(b"payload"));
    eventually("it arrives", || scene.bob().controls("IN") == 1).await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c17_a_file_that_cannot_be_opened_yet_is_tried_again() {
    let scene = Scene::new("").await;
    let relay = scene.site.run_unprivileged().await;
    let control = scene.alice().folder("OUT").join("X.ctl");
    scene.alice().drop_pair("Y", &letter("L0"), b"payload");
    eventually("the account may work here", || scene.alice().controls("SENT") == 1).await;
    let hidden = scene.alice().folder("OUT").join("hidden");
    write(&hidden, letter("L1").text());
    fs::set_permissions(&hidden, Permissions::from_mode(0o000)).expect("locked");
    write(&scene.alice().folder("OUT").join("X.dat"), "payload");
    crate::scene::rename(&hidden, &control);
    eventually("the fault is told", || relay.log().contains("a control file cannot be opened")).await;
    assert!(reports_on(scene.alice(), "COLLECT", "01").is_empty());
    fs::set_permissions(&control, Permissions::from_mode(0o644)).expect("unlocked");
    eventually("it is sent", || scene.alice().controls("SENT") == 2).await;
    assert!(scene.alice().reports().is_empty());
    assert!(relay.stop().await.0.success());
}
