//! Each thing that may change, one at a time.

use mesh_sandbox::{Call, Effect, Fault, Sandbox, SandboxConfig};
use relay_testkit::pairs::{Control, Root};
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB, Relay, Site};
use crate::told::{NOT_TAKEN, TAKEN, answers, last_answer, reload};

const CAROL: &str = "X26ABC3";
/// Files are looked at this often.
const LOOK: &str = "[reload]\nlook = \"100ms\"\n";
/// Files are not looked at.
const NO_LOOK: &str = "[reload]\nlook = \"0s\"\n";

async fn running(more: &str) -> (Sandbox, Site, Relay) {
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    site.write("relay.toml", text(&sandbox, &site) + more);
    let relay = site.run().await;
    (sandbox, site, relay)
}

fn text(sandbox: &Sandbox, site: &Site) -> String {
    site.configuration(&sandbox.base_url(), "")
}

fn drop_pair(from: &Root, sender: &str, recipient: &str, name: &str) {
    from.drop_pair(name, &Control::new(sender, recipient).local_id(name), name.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_as_it_was_is_left_alone() {
    let (sandbox, site, relay) = running(NO_LOOK).await;
    assert!(reload(&relay).await.starts_with(&format!("{TAKEN}: nothing changed")));
    // Comments and the order of keys say nothing.
    let reworded = format!("# A comment\n{}", text(&sandbox, &site)).replace(
        "id = \"X26ABC1\"\npassword = { file = \"mailbox.pass\" }",
        "password.file = \"mailbox.pass\"\nid = 'X26ABC1'",
    );
    site.write("relay.toml", reworded + NO_LOOK);
    assert!(reload(&relay).await.starts_with(&format!("{TAKEN}: nothing changed")));
    assert!(relay.stop().await.0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_with_its_adapter_comes_and_goes() {
    let (sandbox, site, relay) = running(NO_LOOK).await;
    let carol = Root(site.path(CAROL));
    let more = format!(
        "[[mailbox]]\nid = \"{CAROL}\"\npassword = {{ file = \"mailbox.pass\" }}\npoll = \"200ms\"\n\
         [[adapter]]\nname = \"carol\"\nkind = \"dts-folder\"\nmailbox = \"{CAROL}\"\nroot = \"{CAROL}\"\n\
         grace = \"100ms\"\nscan = \"500ms\"\n"
    );
    drop_pair(&site.alice, ALICE, CAROL, "before");
    eventually("it is sent", || site.alice.controls("SENT") == 1).await;
    site.write("relay.toml", text(&sandbox, &site) + NO_LOOK + &more);
    let answer = reload(&relay).await;
    assert!(answer.contains("mailbox X26ABC3 added; adapter carol added"), "{answer}");
    eventually("what waited for it arrives", || carol.controls("IN") == 1).await;
    drop_pair(&carol, CAROL, BOB, "reply");
    eventually("it sends", || site.bob.controls("IN") == 1).await;
    // The same mailbox with another folder.
    let moved = more.replace(&format!("root = \"{CAROL}\""), "root = \"elsewhere\"");
    site.write("relay.toml", text(&sandbox, &site) + NO_LOOK + &moved);
    let answer = reload(&relay).await;
    assert!(answer.starts_with(&format!("{TAKEN}: adapter carol changed")), "{answer}");
    drop_pair(&site.alice, ALICE, CAROL, "after");
    eventually("it arrives there", || Root(site.path("elsewhere")).controls("IN") == 1).await;
    assert_eq!(carol.controls("IN"), 1);
    site.write("relay.toml", text(&sandbox, &site) + NO_LOOK);
    let answer = reload(&relay).await;
    assert!(answer.contains("mailbox X26ABC3 removed; adapter carol removed"), "{answer}");
    drop_pair(&site.alice, ALICE, CAROL, "late");
    drop_pair(&site.alice, ALICE, BOB, "other");
    eventually("the others go on", || site.bob.controls("IN") == 2).await;
    assert_eq!(Root(site.path("elsewhere")).controls("IN"), 1);
    // Nobody holds its folders any more.
    drop(
        dts_folder::Folders::open(&site.path("elsewhere"), dts_folder::Use::Alone, dts_folder::Access::Usual)
            .expect("unlocked"),
    );
    let (status, log) = relay.stop().await;
    assert!(status.success() && !log.contains("ERROR"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_is_told_and_never_taken() {
    let (sandbox, site, relay) = running(LOOK).await;
    let good = text(&sandbox, &site) + LOOK;
    let locked =
        dts_folder::Folders::open(&site.path("locked"), dts_folder::Use::Alone, dts_folder::Access::Usual);
    let locked = locked.expect("folders");
    let another = good.clone()
        + "[[mailbox]]\nid = \"X26ABC3\"\npassword = { file = \"mailbox.pass\" }\n\
           [[adapter]]\nname = \"carol\"\nkind = \"dts-folder\"\nmailbox = \"X26ABC3\"\nroot = \"locked\"\n";
    for (bad, said) in [
        (good.replace("kind = \"dts-folder\"", "kind = \"dts-floder\""), "did you mean `dts-folder`"),
        (good.replace("mailbox.pass", "nothing.pass"), "cannot read the secret"),
        (good[..good.len() / 2].to_owned(), ""),
        (String::new(), "missing section [mesh]"),
        (good.replace("journal.db", "other.db"), "[journal] changed, which only a restart can take"),
        (good.clone() + "[log]\ntransfers = \"mesh.log\"\n", "[log] changed"),
        (another, "another relay works on"),
    ] {
        let before = answers(&relay);
        site.replace("relay.toml", &bad);
        eventually("it is seen", || answers(&relay) > before).await;
        let answer = last_answer(&relay);
        assert!(answer.starts_with(NOT_TAKEN) && answer.contains(said), "{said}: {answer}");
        let arrived = site.bob.controls("IN");
        drop_pair(&site.alice, ALICE, BOB, &format!("pair{arrived}"));
        eventually("the relay goes on", || site.bob.controls("IN") == arrived + 1).await;
    }
    let answered = answers(&relay);
    drop(locked);
    site.replace("relay.toml", &good);
    eventually("the good one is taken", || answers(&relay) > answered).await;
    assert!(last_answer(&relay).starts_with(&format!("{TAKEN}: nothing changed")));
    assert!(relay.stop().await.0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_in_its_file_and_messages_wait_while_it_is_wrong() {
    let (_sandbox, site, relay) = running(LOOK).await;
    site.replace("mailbox.pass", "wrong\n");
    eventually("it is taken", || relay.log().contains(TAKEN)).await;
    let answer = last_answer(&relay);
    assert!(
        answer.contains("mailbox X26ABC1 changed") && answer.contains("mailbox X26ABC2 changed"),
        "{answer}"
    );
    drop_pair(&site.alice, ALICE, BOB, "letter");
    eventually("MESH refuses", || site.outbound("received") == 1).await;
    assert_eq!((site.alice.controls("OUT"), site.alice.controls("FAILED")), (1, 0));
    site.replace("mailbox.pass", "password\n");
    eventually("it arrives", || site.bob.controls("IN") == 1).await;
    let log = relay.stop().await.1;
    assert!(!log.contains("wrong"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_being_written_is_taken_once_it_keeps_still() {
    let (sandbox, site, relay) = running("[reload]\nlook = \"300ms\"\n").await;
    let whole = text(&sandbox, &site) + "[reload]\nlook = \"300ms\"\n" + "# ";
    // Without Bob it would be sound, too.
    let part = whole.find("[[mailbox]]\nid = \"X26ABC2\"").expect("Bob's mailbox");
    for number in 0..8 {
        site.write("relay.toml", format!("{}{}", &whole[..part], "#".repeat(number)));
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    site.write("relay.toml", &whole);
    eventually("it is read", || answers(&relay) > 0).await;
    assert!(last_answer(&relay).starts_with(&format!("{TAKEN}: nothing changed")), "{}", relay.log());
    assert!(relay.stop().await.0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_of_sending_and_the_way_to_mesh_change() {
    let (sandbox, site, relay) = running(NO_LOOK).await;
    let wider = text(&sandbox, &site).replace("[send]\n", "[send]\nin_flight = 3\n") + NO_LOOK;
    site.write("relay.toml", &wider);
    assert!(reload(&relay).await.starts_with(&format!("{TAKEN}: bounds of sending changed")));
    drop_pair(&site.alice, ALICE, BOB, "one");
    eventually("it arrives", || site.bob.controls("IN") == 1).await;
    // Another MESH: what waits at the old one stays there.
    let other = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    site.write("relay.toml", wider.replace(&sandbox.base_url(), &other.base_url()));
    let answer = reload(&relay).await;
    assert!(answer.starts_with(&format!("{TAKEN}: how MESH is reached changed")), "{answer}");
    let calls = sandbox.requests().len();
    drop_pair(&site.alice, ALICE, BOB, "two");
    eventually("it arrives by the other", || site.bob.controls("IN") == 2).await;
    assert_eq!(sandbox.requests().len(), calls);
    assert!(relay.stop().await.0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_during_a_reload_is_heard_and_what_is_under_way_ends() {
    let (sandbox, site, relay) = running(NO_LOOK).await;
    let slow = Fault { calls: vec![Call::Send], ..Fault::new("slow", Effect::Delay { millis: 3000 }) };
    sandbox.faults().add(slow).expect("a fault");
    drop_pair(&site.alice, ALICE, BOB, "letter");
    eventually("it is on its way", || site.outbound("sending") == 1).await;
    let other = text(&sandbox, &site).replace("grace = \"100ms\"", "grace = \"150ms\"");
    site.write("relay.toml", other + NO_LOOK);
    crate::told::tell(&relay);
    eventually("it is heard", || relay.log().contains("the configuration is read again")).await;
    let (status, log) = relay.stop().await;
    assert!(status.success() && log.contains("the relay is to stop"), "{log}");
    assert_eq!((site.alice.controls("SENT"), site.outbound("accepted")), (1, 1));
}
