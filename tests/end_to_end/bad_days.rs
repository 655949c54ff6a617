//! What a folder can do to a relay that runs: links that point elsewhere, files that change while they are sent, a disk
//! that fills, rights that are taken away. Nothing is lost, nothing outside the folders is touched, others go on.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mesh_sandbox::{Call, Effect, Fault, Sandbox, SandboxConfig};
use relay_testkit::pairs::Control;
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB, Site};

async fn scene() -> (Sandbox, Site) {
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    (sandbox, site)
}

fn letter(local_id: &str) -> Control {
    Control::new(ALICE, BOB).local_id(local_id)
}

#[expect(clippy::disallowed_methods, reason = "a test moves folders without ceremony")]
fn rename(from: &Path, to: &Path) {
    fs::rename(from, to).expect("moved");
}

#[expect(clippy::disallowed_methods, reason = "an application writes its files like this")]
fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).expect("a file written");
}

#[tokio::test]
async fn links_that_point_elsewhere_are_neither_read_nor_moved() {
    let (sandbox, site) = scene().await;
    let relay = site.run().await;
    let (secret, out) = (site.path("secret.txt"), site.alice.folder("OUT"));
    write(&secret, "nobody else's business");
    // A data file that is a link, a control file that is one, a pair of which both are, and links to nowhere.
    symlink(&secret, out.join("data.dat")).expect("a link");
    write(&out.join("data.ctl"), letter("L1").text());
    write(&site.path("elsewhere.ctl"), letter("L2").text());
    symlink(site.path("elsewhere.ctl"), out.join("control.ctl")).expect("a link");
    write(&out.join("control.dat"), "payload");
    symlink(site.path("elsewhere.ctl"), out.join("both.ctl")).expect("a link");
    symlink(&secret, out.join("both.dat")).expect("a link");
    symlink("nowhere", out.join("dangling.ctl")).expect("a link");
    symlink("/", out.join("root.ctl")).expect("a link");
    site.alice.drop_pair("good", &letter("L9"), b"payload");
    eventually("the good pair arrives", || site.bob.controls("IN") == 1).await;
    eventually("the one without usable data is refused", || site.alice.reports().len() == 1).await;
    assert!(relay.stop().await.0.success());

    assert_eq!(sandbox.messages(&BOB.parse().expect("a mailbox")).len(), 1);
    assert_eq!(fs::read_to_string(&secret).expect("it"), "nobody else's business");
    assert!(site.path("elsewhere.ctl").is_file());
    assert_eq!(site.alice.names("FAILED"), ["data.ctl"]);
    for left in ["both.ctl", "both.dat", "control.ctl", "control.dat", "dangling.ctl", "data.dat", "root.ctl"]
    {
        assert!(out.join(left).symlink_metadata().is_ok(), "{left} stays where it is");
    }
}

#[tokio::test]
async fn a_data_file_that_changes_while_it_is_sent_is_never_sent_as_a_mixture() {
    let (sandbox, site) = scene().await;
    let slow = Fault {
        mailbox: Some(ALICE.parse().expect("a mailbox")),
        calls: vec![Call::SendChunk],
        ..Fault::new("slow", Effect::Delay { millis: 150 })
    };
    sandbox.faults().add(slow).expect("a fault");
    let relay = site.run().await;
    let data = site.alice.folder("OUT").join("X.dat");
    let (first, second) = (vec![1_u8; 1_000_000], vec![2_u8; 1_000_000]);
    let control = letter("L1");
    site.alice.drop_pair("X", &Control { allow_chunking: true, ..control }, &first);
    let chunks =
        |sandbox: &Sandbox| sandbox.requests().iter().filter(|seen| seen.call == "send-chunk").count();
    eventually("some of it is sent", || chunks(&sandbox) >= 3).await;
    write(&data, &second);
    eventually("it has ended", || site.alice.names("OUT").is_empty()).await;
    eventually("what was sent arrives", || {
        site.alice.controls("SENT") == site.bob.controls("IN") || site.alice.controls("FAILED") == 1
    })
    .await;
    for received in site.bob.received() {
        assert!(received == first || received == second, "a mixture arrived");
    }
    // Whichever it was, the application finds what it wrote last.
    let kept = ["SENT", "FAILED"].map(|folder| site.alice.folder(folder).join("X.dat"));
    let kept = kept.iter().find_map(|path| fs::read(path).ok()).expect("the data");
    assert!(kept == second);
    assert!(relay.stop().await.0.success());
}

/// A small disk, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn at(folder: &Path, kib: u32) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        let size = format!("size={kib}k,mode=0777");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).status();
        assert!(mounted.expect("mount").success(), "only root can run this test");
        Self(folder.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Without waiting for those who have it open.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_disk_that_fills_while_in_is_written_loses_nothing() {
    let (sandbox, site) = scene().await;
    // All of Bob's folders on one small disk: TEMP runs full first.
    let disk = SmallDisk::at(&site.bob.0, 400);
    let relay = site.run().await;
    write(&disk.0.join("ballast"), vec![0; 200_000]);
    site.alice.drop_pair("large", &letter("L1"), &[7; 60_000]);
    for number in 0..4 {
        site.alice.drop_pair(&format!("n{number}"), &letter(&format!("N{number}")), &[8; 60_000]);
    }
    eventually("all are sent", || site.alice.controls("SENT") == 5).await;
    eventually("it is told", || relay.log().contains("make room")).await;
    let delivered = site.bob.controls("IN");
    assert!(delivered < 5, "the disk took them all");
    for message in sandbox.messages(&BOB.parse().expect("a mailbox")) {
        let there = site.bob.folder("IN").join(format!("{}.ctl", message.message_id)).exists();
        assert!(there || message.status == "accepted", "MESH keeps what is not there");
    }
    for received in site.bob.received() {
        assert_eq!(received.len(), 60_000, "half a file");
    }
    fs::remove_file(disk.0.join("ballast")).expect("room");
    eventually("all arrive once there is room", || site.bob.controls("IN") == 5).await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn rights_that_are_taken_away_stop_a_pair_where_it_is_and_given_back_it_goes_on() {
    let (sandbox, site) = scene().await;
    let relay = site.run_unprivileged().await;
    let mode = |folder: &Path, mode: u32| {
        fs::set_permissions(folder, Permissions::from_mode(mode)).expect("changed");
    };
    let (sent, inbox, out) = (site.alice.folder("SENT"), site.bob.folder("IN"), site.alice.folder("OUT"));

    mode(&sent, 0o555);
    site.alice.drop_pair("one", &letter("L1"), b"payload");
    eventually("it is told", || relay.log().contains("make these folders, IN and TEMP writable")).await;
    mode(&sent, 0o755);
    eventually("it is settled", || site.alice.controls("SENT") == 1).await;

    mode(&inbox, 0o555);
    site.alice.drop_pair("two", &letter("L2"), b"payload");
    eventually("it is told", || relay.log().contains("give the relay's account the right to write there"))
        .await;
    assert!(sandbox.messages(&BOB.parse().expect("a mailbox")).iter().any(|m| m.status == "accepted"));
    mode(&inbox, 0o755);
    eventually("both are there", || site.bob.controls("IN") == 2).await;

    mode(&out, 0o000);
    eventually("it is told", || relay.log().contains("listing failed")).await;
    mode(&out, 0o777);
    site.alice.drop_pair("three", &letter("L3"), b"payload");
    eventually("all are there", || site.bob.controls("IN") == 3).await;
    assert!(relay.stop().await.0.success());
    assert_eq!(sandbox.messages(&BOB.parse().expect("a mailbox")).len(), 3, "nothing was sent twice");
}

#[tokio::test]
async fn names_that_no_header_takes_are_refused_or_left_and_the_next_pair_goes() {
    let (sandbox, site) = scene().await;
    let relay = site.run().await;
    let long = "n".repeat(251);
    for name in ["line\nbreak", "tab\tname", "bell\u{7}", long.as_str(), "-rf", "%2e%2e%2fx", "..", "$(id)"] {
        site.alice.drop_pair(name, &letter(name.trim()), b"payload");
    }
    let odd = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"latin-\xe9.ctl");
    write(&site.alice.folder("OUT").join(odd), letter("L0").text());
    site.alice.drop_pair("good", &letter("L9"), b"payload");
    eventually("the good pair arrives", || site.alice.names("SENT").contains(&"good.ctl".to_owned())).await;
    eventually("all others have ended", || {
        site.alice.names("OUT").iter().filter(|name| name.ends_with(".ctl")).count() == 0
    })
    .await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(site.alice.folder("OUT").join(odd).exists(), "what cannot be named stays");
    let sent = sandbox.messages(&BOB.parse().expect("a mailbox")).len();
    assert_eq!(sent, site.alice.controls("SENT"));
    assert_eq!(site.alice.controls("FAILED"), site.alice.reports().len());
    assert_eq!(sent + site.alice.controls("FAILED"), 8 + 1 - 1, "`..` is hidden and no control file");
    let log = relay.log();
    assert!(!log.contains("bell") && !log.contains("-rf"), "names stand in no log:\n{log}");
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn in_order_nothing_goes_before_one_that_has_to_wait() {
    let (_sandbox, site) = scene().await;
    let text = fs::read_to_string(site.path("relay.toml")).expect("the configuration");
    let root = format!("root = \"{ALICE}\"\n");
    let text = text
        .replace(&root, &format!("{root}in_order = true\n"))
        .replace("[send]\n", "[send]\nrate = { messages = 1, per = \"1s\" }\n");
    site.write("relay.toml", text);
    // Named against the order of their times.
    let names = ["z", "y", "x", "w"];
    for name in names {
        site.alice.drop_pair(name, &letter(name), b"payload");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let relay = site.run().await;
    eventually("all are sent", || site.alice.controls("SENT") == 4).await;
    let mut sent: Vec<(String, &str)> = names
        .iter()
        .map(|name| {
            let control = site.alice.text("SENT", &format!("{name}.ctl"));
            (relay_testkit::pairs::element(&control, "DTSId").to_owned(), *name)
        })
        .collect();
    // MESH's ids begin with the time.
    sent.sort();
    assert_eq!(sent.iter().map(|(_, name)| *name).collect::<Vec<_>>(), names);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_pair_that_mesh_cannot_be_given_in_time_goes_to_failed_and_one_that_can_is_sent() {
    let (sandbox, site) = scene().await;
    let text = fs::read_to_string(site.path("relay.toml")).expect("the configuration");
    site.write("relay.toml", text.replace("[send]\n", "[send]\ngive_up_after = \"3s\"\n"));
    let relay = site.run().await;
    eventually("MESH was asked", || sandbox.requests().iter().any(|seen| seen.call == "list")).await;
    site.alice.drop_pair("before", &letter("L0"), b"payload");
    eventually("it is sent", || site.alice.controls("SENT") == 1).await;
    let address = sandbox.address();
    sandbox.shutdown().await;
    site.alice.drop_pair("late", &letter("L1"), b"payload");
    eventually("it is given up", || site.alice.controls("FAILED") == 1).await;
    let about = || site.alice.reports().into_iter().find(|report| report.contains("<LocalId>L1<"));
    eventually("a report", || about().is_some()).await;
    let report = about().expect("a report");
    assert_eq!(relay_testkit::pairs::element(&report, "StatusCode"), "06");
    assert!(relay.stop().await.0.success());
    // Nobody tried this one while the relay was stopped: it is old, and goes all the same.
    site.alice.drop_pair("waited", &letter("L2"), b"payload");
    let relay = site.run().await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut config = SandboxConfig::loopback();
    config.listen = address;
    let _sandbox = Sandbox::start(config).await.expect("the sandbox is back");
    eventually("it is sent", || site.alice.names("SENT").contains(&"waited.ctl".to_owned())).await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn folders_that_are_not_mounted_are_not_taken_for_empty() {
    let (sandbox, site) = scene().await;
    let mut relay = site.run().await;
    // Accepted and not settled, when everything stops.
    let (temp, aside) = (site.alice.folder("TEMP"), site.alice.folder("TEMP-aside"));
    rename(&temp, &aside);
    write(&temp, "in the way");
    site.alice.drop_pair("X", &letter("L1"), b"payload");
    eventually("MESH has it", || site.outbound("accepted") == 1).await;
    relay.kill();
    fs::remove_file(&temp).expect("out of the way");
    rename(&aside, &temp);
    let away = site.path("not-mounted");
    rename(&site.alice.0, &away);
    for _ in 0..2 {
        let relay = site.run().await;
        eventually("it is told", || relay.log().contains("mount what it is on")).await;
        assert!(relay.stop().await.0.success());
        assert!(!site.alice.folder("OUT").exists(), "nothing is left that could be taken for it");
    }
    let _ = fs::remove_dir(&site.alice.0);
    rename(&away, &site.alice.0);
    let relay = site.run().await;
    eventually("it is settled", || site.alice.names("SENT").len() == 2).await;
    assert!(relay.stop().await.0.success());
    assert_eq!(sandbox.messages(&BOB.parse().expect("a mailbox")).len(), 1, "MESH has it once");
}
