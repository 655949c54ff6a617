//! Operation: items 44 to 50.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use relay_testkit::pairs::{Control, Root, element};
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB, Relay, command};
use crate::scene::{Scene, letter, write};

/// A configuration of the Java client for both mailboxes of a scene.
fn java_configuration(scene: &Scene) -> String {
    let home = scene.site.path("java");
    for name in ["log", "working", "sig"] {
        fs::create_dir_all(home.join(name)).expect("a folder");
    }
    let (url, home) = (scene.sandbox.base_url(), home.display());
    let mut text = format!(
        "<?xml version=\"1.0\"?>\n<MESHConfig>\n<PrimaryURL>{url}</PrimaryURL>\n<LogPath>{home}/log</LogPath>\n\
         <WorkPath>{home}/working</WorkPath>\n<SignalPath>{home}/sig</SignalPath>\n<AuthenticationKey>TestKey\
         </AuthenticationKey>\n<ProcessingDelay>1</ProcessingDelay>\n<NoSuchKey>1</NoSuchKey>\n"
    );
    for (mailbox, root) in [(ALICE, scene.alice()), (BOB, scene.bob())] {
        let root = root.0.display();
        text += &format!(
            "<Client><ClientIdentity>{mailbox}</ClientIdentity><ClientAuthentication>password</ClientAuthentication>\
             <InterfaceRoot>{root}</InterfaceRoot><CollectReport>Y</CollectReport><SaveSent>Y</SaveSent></Client>\n"
        );
    }
    let path = scene.site.path("meshclient.cfg");
    write(&path, text + "</MESHConfig>\n");
    path.display().to_string()
}

#[tokio::test]
async fn c44_the_java_clients_configuration_is_read_and_the_dts_clients_is_left_alone() {
    let scene = Scene::new("").await;
    let config = java_configuration(&scene);
    let relay = Relay::start_on("--meshclient-cfg", Path::new(&config)).await;
    assert_eq!(relay.log().matches("NoSuchKey").count(), 1, "{}", relay.log());
    scene.alice().drop_pair("X", &letter("L1"), b"payload");
    eventually("it is sent", || scene.alice().controls("SENT") == 1).await;
    eventually("it was collected", || scene.alice().reports().len() == 1).await;
    assert!(relay.stop().await.0.success());

    let old = scene.site.path("DTSClient.cfg");
    let text = "<DTSClient><ClientIdentity>X26ABC1</ClientIdentity></DTSClient>";
    write(&old, text);
    let before = fs::metadata(&old).expect("it").mtime_nsec();
    let secrets = scene.site.path("secrets").display().to_string();
    command(&["import", "--dts-cfg", &old.display().to_string(), "--secrets", &secrets]);
    assert_eq!(fs::read_to_string(&old).expect("it"), text);
    assert_eq!(fs::metadata(&old).expect("it").mtime_nsec(), before);
}

#[tokio::test]
async fn c45_the_stop_signal_ends_it_with_exit_code_0() {
    let scene = Scene::new("").await;
    let config = java_configuration(&scene);
    let relay = Relay::start_on("--meshclient-cfg", Path::new(&config)).await;
    write(&scene.site.path("java/sig/mexclient.sig"), "1");
    let (status, log) = relay.ended().await;
    assert_eq!(status.code(), Some(0), "{log}");
    let help = command(&["run", "--help"]);
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.contains("mexclient.sig") && help.contains("It ends with 0 after a stop signal"), "{help}");
}

#[tokio::test]
async fn c46_a_service_manager_can_start_and_stop_it() {
    // What systemd does: another working folder, hardly an environment, SIGTERM at the end. The unit says the same.
    let scene = Scene::new("").await;
    let config = scene.site.path("relay.toml");
    let mut relay = std::process::Command::new(crate::process::binary())
        .args(["run", "--config", &config.display().to_string()])
        .current_dir("/")
        .env_clear()
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the relay's program");
    scene.alice().drop_pair("X", &letter("L1"), b"payload");
    eventually("it is sent", || scene.alice().controls("SENT") == 1).await;
    let asked = std::process::Command::new("kill").args(["-TERM", &relay.id().to_string()]).status();
    assert!(asked.expect("kill").success());
    let mut status = None;
    eventually("it ends", || {
        status = relay.try_wait().expect("a status");
        status.is_some()
    })
    .await;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    let unit = include_str!("../../config/mesh-relay.service");
    assert!(unit.contains("ExecStart=/usr/bin/mesh-relay run --config") && unit.contains("Restart="));
}

#[tokio::test]
async fn c47_how_often_the_inbox_is_looked_into_is_configured() {
    let lists = |scene: &Scene| {
        let of_alice = |seen: &&mesh_sandbox::RequestSeen| {
            seen.call == "list" && seen.mailbox.as_ref().is_some_and(|mailbox| mailbox.as_str() == ALICE)
        };
        scene.sandbox.requests().iter().filter(of_alice).count()
    };
    let scene = Scene::new("").await;
    let text = fs::read_to_string(scene.site.path("relay.toml")).expect("it");
    scene.site.write("relay.toml", text.replacen("poll = \"200ms\"", "poll = \"1h\"", 1));
    let relay = scene.site.run().await;
    eventually("the first look", || lists(&scene) == 1).await;
    // Bob's goes on at its own pace, and Alice's does not.
    scene.carry("X", &letter("L1"), b"payload").await;
    scene.carry("Y", &letter("L2"), b"payload").await;
    assert_eq!(lists(&scene), 1);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c48_a_line_of_the_log_for_every_file_and_no_address_in_it() {
    let scene = Scene::new("").await;
    let text = fs::read_to_string(scene.site.path("relay.toml")).expect("it");
    scene.site.write("relay.toml", text + "[log]\ntransfers = \"log/mesh.log\"\nnames = true\n");
    scene.sandbox.rules().switch(mesh_sandbox::Rule::GpRouting, true);
    let relay = scene.site.run().await;
    let id = scene.carry("Letter7", &letter("Lab-7"), b"payload").await;
    let nobody = letter("Lab-8").text().replace(BOB, "GPPROVIDER_9990548608_19550109_Sample");
    scene.alice().drop_files("Letter8", Some(nobody.as_bytes()), Some(b"payload"));
    scene.alice().drop_files("Letter9", Some(b"To: someone"), Some(b"payload"));
    eventually("all have ended", || scene.alice().names("OUT").is_empty()).await;
    eventually("two reports", || scene.alice().reports().len() == 2).await;
    assert!(relay.stop().await.0.success());
    let log = fs::read_to_string(scene.site.path("log/mesh.log")).expect("the log");
    let line = |has: &[&str]| log.lines().any(|line| has.iter().all(|text| line.contains(text)));
    let dts_id = format!("DTSId=\"{id}\"");
    for has in [
        &[
            "[X26ABC1] OUT TRANSFER SUCCESS 00",
            &dts_id,
            "WorkflowId=\"TEST_WORKFLOW\"",
            "File=\"Letter7.ctl\"",
            "LocalId=\"Lab-7\"",
        ][..],
        &["[X26ABC2] IN TRANSFER SUCCESS 00", &dts_id, "WorkflowId=\"TEST_WORKFLOW\"", "LocalId=\"Lab-7\""],
        &["[X26ABC1] IN SEND ERROR EPL-152", "LocalId=\"Lab-8\""],
        &["ERROR [X26ABC1] OUT COLLECT ERROR 01", "File=\"Letter9.ctl\""],
        &["[X26ABC1] IN RECEIVE SUCCESS 00"],
    ] {
        assert!(line(has), "no line with {has:?} in\n{log}");
    }
    assert!(!log.contains("9990548608") && !log.contains("Sample"), "{log}");
    let date = &log[..23];
    let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "9999-99-99 99:99:99,999");

    // Unless the site asks, nothing in it says who a patient may be.
    let text = fs::read_to_string(scene.site.path("relay.toml")).expect("it").replace("names = true", "");
    scene.site.write("relay.toml", text.replace("mesh.log", "quiet.log"));
    let relay = scene.site.run().await;
    scene.carry("Letter10", &letter("Lab-10"), b"payload").await;
    assert!(relay.stop().await.0.success());
    let log = fs::read_to_string(scene.site.path("log/quiet.log")).expect("the log");
    assert!(
        log.contains("OUT TRANSFER SUCCESS 00") && !log.contains("Letter") && !log.contains("Lab-"),
        "{log}"
    );
}

#[tokio::test]
async fn c49_two_relays_never_work_on_one_root() {
    let (scene, relay) = Scene::running("").await;
    // Another configuration with another journal, on Alice's folders by another way of writing them.
    let text = fs::read_to_string(scene.site.path("relay.toml")).expect("it");
    let text = text
        .replace("journal.db", "other.db")
        .replace(&format!("root = \"{ALICE}\""), &format!("root = \"{BOB}/../{ALICE}/.\""));
    scene.site.write("other.toml", text);
    let refused = command(&["run", "--config", &scene.site.path("other.toml").display().to_string()]);
    assert!(!refused.status.success());
    let shown = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(shown.contains("another relay works on"), "{shown}");
    scene.carry("X", &letter("L1"), b"payload").await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c50_a_hundred_megabytes_never_stand_in_memory() {
    let (scene, relay) = Scene::running("").await;
    let path = scene.alice().folder("OUT").join("X.dat");
    let data: Vec<u8> = (0..100_000_000_u32).map(|i| (i >> 7) as u8).collect();
    write(&path, &data);
    write(&scene.alice().folder("OUT").join("X.ctl"), Control::new(ALICE, BOB).compressed_in_chunks().text());
    let bob: &Root = scene.bob();
    eventually("it arrives", || bob.controls("IN") == 1).await;
    let name = bob.names("IN").remove(0);
    let arrived = fs::read(bob.folder("IN").join(name.replace(".ctl", ".dat"))).expect("the data");
    assert!(arrived == data, "byte for byte");
    assert_eq!(element(&bob.text("IN", &name), "IsCompressed"), "N");
    let peak = relay.peak_kib() / 1024;
    assert!(peak < 64, "{peak} MiB");
    assert!(relay.stop().await.0.success());
}
