//! `kill -9` where it hurts: after restart nothing is lost and nothing is doubled.

use std::fs;
use std::path::Path;

use mesh_sandbox::{Call, Effect, Fault, Sandbox, SandboxConfig, StoredMessage};
use relay_testkit::pairs::{Control, Root, element};
use relay_testkit::proxy::{Meddling, Proxy};
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB, Site};

async fn sandbox() -> Sandbox {
    Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox")
}

fn for_bob(sandbox: &Sandbox) -> Vec<StoredMessage> {
    sandbox.messages(&BOB.parse().expect("a mailbox"))
}

#[expect(clippy::disallowed_methods, reason = "a test moves a folder out of the way without ceremony")]
fn set_aside(from: &Path, to: &Path) {
    fs::rename(from, to).expect("moved");
}

/// Puts a file in the place of SENT, so that a pair can be accepted and cannot be settled.
fn block_sent(root: &Root) {
    set_aside(&root.folder("SENT"), &root.folder("SENT-aside"));
    fs::File::create(root.folder("SENT")).expect("a file");
}

fn unblock_sent(root: &Root) {
    fs::remove_file(root.folder("SENT")).expect("removed");
    set_aside(&root.folder("SENT-aside"), &root.folder("SENT"));
}

#[tokio::test]
async fn killed_between_accept_and_settle_the_pair_is_sent_once() {
    for dat_moved in [false, true] {
        let sandbox = sandbox().await;
        let site = Site::new(&sandbox.base_url(), "");
        let mut relay = site.run().await;
        block_sent(&site.alice);
        site.alice.drop_pair("pair", &Control::new(ALICE, BOB).local_id("L1"), b"payload");
        eventually("the pair is accepted", || site.outbound("accepted") == 1).await;
        eventually("the fault is told", || relay.log().contains("cannot be moved to SENT or FAILED")).await;
        relay.kill();
        assert_eq!(site.alice.names("OUT"), ["pair.ctl", "pair.dat"], "the source still holds it");

        unblock_sent(&site.alice);
        if dat_moved {
            // As if the kill had come one step later.
            set_aside(
                &site.alice.folder("OUT").join("pair.dat"),
                &site.alice.folder("SENT").join("pair.dat"),
            );
        }
        let relay = site.run().await;
        eventually("the pair is settled", || {
            site.alice.names("OUT").is_empty() && site.alice.controls("SENT") == 1
        })
        .await;
        eventually("and arrives", || site.bob.controls("IN") == 1).await;
        assert_eq!(site.alice.names("SENT"), ["pair.ctl", "pair.dat"]);
        let sent = site.alice.text("SENT", "pair.ctl");
        let stored = for_bob(&sandbox);
        assert_eq!(stored.len(), 1, "MESH has one message");
        assert_eq!(element(&sent, "DTSId"), stored[0].message_id.as_str());
        assert_eq!(site.bob.received(), [b"payload".to_vec()]);
        assert!(relay.stop().await.0.success());
    }
}

#[tokio::test]
async fn killed_between_download_and_acknowledge_the_message_arrives_once() {
    for taken in [false, true] {
        let sandbox = sandbox().await;
        let proxy = Proxy::start(sandbox.address(), "PUT ", Meddling::Hold, 1).await;
        let site = Site::new(&proxy.base_url(), "");
        let mut relay = site.run().await;
        site.alice.drop_pair("pair", &Control::new(ALICE, BOB).local_id("L1"), b"payload");
        eventually("the acknowledgement is under way", || proxy.met() == 1).await;
        assert_eq!(site.bob.controls("IN"), 1);
        assert_eq!(for_bob(&sandbox)[0].status, "accepted", "MESH still holds it");
        relay.kill();

        if taken {
            // The application has taken the pair meanwhile; it must not appear again.
            for name in site.bob.names("IN") {
                fs::remove_file(site.bob.folder("IN").join(name)).expect("taken");
            }
        }
        let relay = site.run().await;
        eventually("MESH is told", || for_bob(&sandbox)[0].status == "acknowledged").await;
        assert!(relay.stop().await.0.success());
        assert_eq!(site.bob.controls("IN"), usize::from(!taken));
        assert_eq!(site.bob.received().len(), usize::from(!taken));
    }
}

#[tokio::test]
async fn a_lost_answer_does_not_double_the_message() {
    let sandbox = sandbox().await;
    let post = "POST /messageexchange/X26ABC1/outbox ";
    let proxy = Proxy::start(sandbox.address(), post, Meddling::LoseAnswer, 1).await;
    let site = Site::new(&proxy.base_url(), "");
    let relay = site.run().await;
    site.alice.drop_pair("pair", &Control::new(ALICE, BOB).local_id("L1"), b"payload");
    eventually("the pair is settled", || site.alice.controls("SENT") == 1).await;
    assert_eq!(proxy.met(), 1, "the answer was lost");
    assert_eq!(for_bob(&sandbox).len(), 1, "MESH has one message");
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn killed_again_and_again_under_load_nothing_is_lost_and_nothing_doubled() {
    const PAIRS: usize = 120;
    const KILLS: usize = 6;
    let sandbox = sandbox().await;
    let site = Site::new(&sandbox.base_url(), "");
    for number in 0..PAIRS {
        let control = Control::new(ALICE, BOB).local_id(&format!("L{number}"));
        site.alice.drop_pair(&format!("P{number:04}"), &control, format!("payload {number}").as_bytes());
    }
    for kill in 1..=KILLS {
        let mut relay = site.run().await;
        // Somewhere in the middle of the work, later each time.
        let reached = PAIRS * kill / (KILLS + 2);
        eventually("some are sent", || for_bob(&sandbox).len() >= reached).await;
        relay.kill();
    }
    let relay = site.run().await;
    eventually("all are settled", || site.alice.controls("SENT") == PAIRS).await;
    eventually("all have arrived", || site.bob.controls("IN") == PAIRS).await;
    eventually("all are acknowledged", || for_bob(&sandbox).iter().all(|m| m.status == "acknowledged")).await;
    assert!(relay.stop().await.0.success());

    let mut received = site.bob.received();
    let mut expected: Vec<Vec<u8>> = (0..PAIRS).map(|n| format!("payload {n}").into_bytes()).collect();
    received.sort();
    expected.sort();
    assert_eq!(received, expected);
    assert_eq!(for_bob(&sandbox).len(), PAIRS, "MESH has each once");
    assert!(site.alice.names("OUT").is_empty() && site.alice.names("FAILED").is_empty());
    assert_eq!(site.alice.names("IN"), Vec::<String>::new(), "no reports");
}

#[tokio::test]
async fn a_control_file_touched_before_it_is_settled_is_not_sent_again() {
    for killed in [false, true] {
        let sandbox = sandbox().await;
        let site = Site::new(&sandbox.base_url(), "");
        let mut relay = site.run().await;
        block_sent(&site.alice);
        site.alice.drop_pair("pair", &Control::new(ALICE, BOB), b"payload");
        eventually("the fault is told", || relay.log().contains("cannot be moved to SENT or FAILED")).await;
        if killed {
            relay.kill();
        }
        let control = fs::File::options().append(true).open(site.alice.folder("OUT").join("pair.ctl"));
        control.expect("a file").set_modified(std::time::SystemTime::UNIX_EPOCH).expect("touched");
        unblock_sent(&site.alice);
        if killed {
            relay = site.run().await;
        }
        eventually("the pair is settled", || {
            site.alice.names("OUT").is_empty() && site.alice.controls("SENT") == 1
        })
        .await;
        assert_eq!(site.alice.names("SENT"), ["pair.ctl", "pair.dat"]);
        assert_eq!(for_bob(&sandbox).len(), 1, "MESH has one message");
        assert!(site.alice.reports().is_empty());
        assert!(relay.stop().await.0.success());
    }
}

#[tokio::test]
async fn a_pair_put_in_the_place_of_one_that_is_being_settled_is_sent_too() {
    // With a control file of its own, and with the very same words.
    for second in ["second", "first"] {
        for killed in [false, true] {
            let sandbox = sandbox().await;
            let site = Site::new(&sandbox.base_url(), "");
            let mut relay = site.run().await;
            block_sent(&site.alice);
            site.alice.drop_pair("pair", &Control::new(ALICE, BOB).local_id("first"), b"first");
            eventually("the fault is told", || relay.log().contains("cannot be moved to SENT or FAILED"))
                .await;
            if killed {
                relay.kill();
            }
            let control = Control::new(ALICE, BOB).local_id(second);
            site.alice.drop_pair("pair", &control, b"second, longer");
            unblock_sent(&site.alice);
            if killed {
                relay = site.run().await;
            }
            eventually("both arrive", || site.bob.controls("IN") == 2).await;
            eventually("both are settled", || {
                site.alice.names("OUT").is_empty() && site.alice.names("SENT").len() == 2
            })
            .await;
            let mut received = site.bob.received();
            received.sort();
            assert_eq!(received, [b"first".to_vec(), b"second, longer".to_vec()]);
            assert_eq!(element(&site.alice.text("SENT", "pair.ctl"), "LocalId"), second);
            let data = fs::read(site.alice.folder("SENT").join("pair.dat")).expect("a file");
            assert_eq!(data, b"second, longer");
            assert!(site.alice.reports().is_empty());
            assert!(relay.stop().await.0.success());
        }
    }
}

#[tokio::test]
async fn a_pair_taken_away_while_it_waits_ends() {
    for killed in [false, true] {
        let sandbox = sandbox().await;
        let site = Site::new(&sandbox.base_url(), "");
        sandbox.shutdown().await;
        let mut relay = site.run().await;
        site.alice.drop_pair("pair", &Control::new(ALICE, BOB), b"payload");
        eventually("it waits", || relay.log().contains("pairs stay in OUT")).await;
        if killed {
            relay.kill();
        }
        for name in ["pair.ctl", "pair.dat"] {
            fs::remove_file(site.alice.folder("OUT").join(name)).expect("taken away");
        }
        if killed {
            relay = site.run().await;
        }
        eventually("its message ends", || site.outbound("cancelled") == 1).await;
        let (status, log) = relay.stop().await;
        assert!(status.success() && log.contains("was taken out of OUT"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_mid_download_it_goes_on_at_the_chunk_it_was_at() {
    const CHUNKS: usize = 10;
    let sandbox = sandbox().await;
    let site = Site::new(&sandbox.base_url(), "");
    let data: Vec<u8> = (0..CHUNKS as u32 * 64_000 / 4).flat_map(u32::to_le_bytes).collect();
    let control = Control { allow_chunking: true, ..Control::new(ALICE, BOB) };
    // The fifth chunk never comes to its end.
    let slow = Fault {
        mailbox: Some(BOB.parse().expect("a mailbox")),
        calls: vec![Call::Download],
        skip: 4,
        ..Fault::new("slow", Effect::SlowBody { bytes_per_second: 100 })
    };
    sandbox.faults().add(slow).expect("a fault");
    let mut relay = site.run().await;
    site.alice.drop_pair("huge", &control.local_id("L1"), &data);
    let fetched = || {
        let requests = sandbox.requests();
        requests.iter().filter(|request| matches!(request.call, "download" | "download-chunk")).count()
    };
    eventually("the fifth chunk is on its way", || fetched() == 5).await;
    eventually("four chunks are recorded", || {
        let temp = site.bob.folder("TEMP");
        let open = fs::read_dir(temp).expect("TEMP").filter_map(Result::ok).map(|entry| entry.path());
        open.filter_map(|open| fs::read_to_string(open.join("progress")).ok())
            .any(|text| text.starts_with("4 "))
    })
    .await;
    relay.kill();
    assert!(sandbox.faults().remove("slow"));

    let relay = site.run().await;
    eventually("it has arrived", || site.bob.controls("IN") == 1).await;
    assert_eq!(site.bob.received(), [data]);
    assert_eq!(fetched(), CHUNKS + 1, "one chunk was fetched twice, the others once");
    eventually("nothing is left in TEMP", || site.bob.names("TEMP").is_empty()).await;
    assert!(relay.stop().await.0.success());
}
