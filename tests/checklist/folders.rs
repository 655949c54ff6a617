//! Folders: items 1 to 6.

use std::fs;

use relay_testkit::pairs::{Control, Root};
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB, Relay};
use crate::scene::{Scene, letter, rename, write};

const FOLDERS: [&str; 5] = ["IN", "OUT", "SENT", "FAILED", "TEMP"];

#[tokio::test]
async fn c01_any_number_of_mailboxes_each_with_its_own_folders_in_upper_case() {
    let scene = Scene::new("").await;
    let config = fs::read_to_string(scene.site.path("relay.toml")).expect("the configuration");
    let third = "[[mailbox]]\nid = \"X26ABC3\"\npassword = { file = \"mailbox.pass\" }\npoll = \"200ms\"\n\
                 [[adapter]]\nname = \"third\"\nkind = \"dts-folder\"\nmailbox = \"X26ABC3\"\nroot = \"far/away\"\n\
                 grace = \"100ms\"\n";
    scene.site.write("relay.toml", config + third);
    let relay = scene.site.run().await;
    let far = Root(scene.site.path("far/away"));
    for root in [scene.alice(), scene.bob(), &far] {
        for name in FOLDERS {
            assert!(root.folder(name).is_dir(), "{name} of {}", root.0.display());
        }
    }
    far.drop_pair("one", &Control::new("X26ABC3", BOB), b"one");
    scene.alice().drop_pair("two", &Control::new(ALICE, "X26ABC3"), b"two");
    eventually("Bob has it", || scene.bob().controls("IN") == 1).await;
    eventually("the third has it", || far.controls("IN") == 1).await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c02_existing_folders_of_any_case_are_used_and_none_is_made_beside_them() {
    let scene = Scene::new("").await;
    for name in ["in", "Out", "sent"] {
        fs::create_dir_all(scene.alice().folder(name)).expect("a folder");
    }
    let relay = scene.site.run().await;
    write(&scene.alice().folder("Out").join("X.dat"), "data");
    write(&scene.alice().folder("Out").join("X.ctl"), letter("L1").text());
    eventually("it is in the folder that was there", || scene.alice().names("sent").len() == 2).await;
    let mut names: Vec<String> = fs::read_dir(&scene.alice().0)
        .expect("a listing")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    assert_eq!(names, ["FAILED", "Out", "TEMP", "in", "sent"]);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c03_files_and_folders_that_are_not_the_relays_stay_untouched() {
    let scene = Scene::new("").await;
    for folder in FOLDERS {
        let folder = scene.alice().folder(folder);
        fs::create_dir_all(folder.join("archive")).expect("a folder");
        write(&folder.join("archive/X.ctl"), letter("L1").text());
        write(&folder.join("notes.txt"), "mine");
        write(&folder.join("orphan.dat"), "mine");
        write(&folder.join(".hidden.ctl"), "mine");
    }
    let relay = scene.site.run().await;
    scene.carry("pair", &letter("L1"), b"payload").await;
    assert!(relay.stop().await.0.success());
    let relay = scene.site.run().await;
    scene.carry("again", &letter("L2"), b"payload").await;
    assert!(relay.stop().await.0.success());
    for folder in FOLDERS {
        let text = |name: &str| scene.alice().text(folder, name);
        assert_eq!(text("notes.txt"), "mine", "{folder}");
        assert_eq!(text("orphan.dat"), "mine", "{folder}");
        assert_eq!(text(".hidden.ctl"), "mine", "{folder}");
        assert_eq!(text("archive/X.ctl"), letter("L1").text(), "{folder}");
    }
}

#[tokio::test]
async fn c04_sent_and_failed_are_never_tidied_unless_it_is_asked_for() {
    let scene = Scene::new("").await;
    let long_ago = std::time::UNIX_EPOCH;
    for folder in ["SENT", "FAILED"] {
        fs::create_dir_all(scene.alice().folder(folder)).expect("a folder");
        for name in ["old.ctl", "old.dat"] {
            let file = fs::File::create(scene.alice().folder(folder).join(name)).expect("a file");
            file.set_modified(long_ago).expect("a time");
        }
    }
    let relay = scene.site.run().await;
    scene.carry("pair", &letter("L1"), b"payload").await;
    assert!(relay.stop().await.0.success());
    assert_eq!(scene.alice().names("SENT"), ["old.ctl", "old.dat", "pair.ctl", "pair.dat"]);
    assert_eq!(scene.alice().names("FAILED"), ["old.ctl", "old.dat"]);
    // What happens where it is asked for, the adapter's own tests show: they can let time go by.
    let faults = crate::process::command(&["check", "--config", &asking(&scene, "keep = { sent = \"5m\" }")]);
    assert_eq!(faults.status.code(), Some(2));
    let shown = String::from_utf8_lossy(&faults.stderr).into_owned();
    assert!(shown.contains("keep.sent must be three hours at least"), "{shown}");
    let sound =
        crate::process::command(&["check", "--config", &asking(&scene, "keep = { sent = \"2160h\" }")]);
    assert!(sound.status.success(), "{}", String::from_utf8_lossy(&sound.stderr));
}

/// A configuration with this in Alice's section.
fn asking(scene: &Scene, more: &str) -> String {
    crate::scene::configure(&scene.site, &scene.sandbox.base_url(), more);
    scene.site.path("relay.toml").display().to_string()
}

#[tokio::test]
async fn c05_files_may_vanish_from_in_and_sent_at_any_time() {
    let (scene, relay) = Scene::running("").await;
    for round in 0..5 {
        let name = format!("pair{round}");
        let id = scene.carry(&name, &letter(&name), b"payload").await;
        // Applications take their files as they please (Q1).
        fs::remove_file(scene.bob().folder("IN").join(format!("{id}.dat"))).expect("taken");
        fs::remove_file(scene.alice().folder("SENT").join(format!("{name}.dat"))).expect("taken");
        fs::remove_file(scene.bob().folder("IN").join(format!("{id}.ctl"))).expect("taken");
    }
    fs::remove_dir_all(scene.alice().folder("SENT")).expect("even the whole folder");
    fs::create_dir(scene.alice().folder("SENT")).expect("a new one");
    scene.carry("last", &letter("last"), b"payload").await;
    assert_eq!((scene.bob().controls("IN"), scene.alice().controls("SENT")), (1, 1), "nothing comes back");
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn c06_a_folder_without_events_is_scanned_and_one_on_another_volume_is_copied_to() {
    let scene = Scene::new("").await;
    let elsewhere = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    fs::create_dir_all(&scene.alice().0).expect("a folder");
    std::os::unix::fs::symlink(elsewhere.path(), scene.alice().folder("SENT")).expect("a link");
    let relay: Relay = scene.site.run().await;
    // As after a share was connected again: the watch is on the folder that was there before.
    rename(&scene.alice().folder("OUT"), &scene.alice().folder("OUT-before"));
    fs::create_dir(scene.alice().folder("OUT")).expect("a folder");
    scene.carry("pair", &letter("L1"), b"payload").await;
    eventually("SENT has it", || scene.alice().controls("SENT") == 1).await;
    assert_eq!(scene.alice().text("SENT", "pair.dat"), "payload");
    let there: Vec<_> = fs::read_dir(elsewhere.path()).expect("a listing").collect();
    assert_eq!(there.len(), 2, "and nothing that was only for copying");
    assert!(relay.stop().await.0.success());
}
