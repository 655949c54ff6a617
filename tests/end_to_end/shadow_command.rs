//! `mesh-relay shadow`: over the relay's own folders it finds nothing, over altered ones each difference; and it changes
//! nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use mesh_sandbox::Sandbox;
use relay_testkit::pairs::{Control, Root};
use relay_testkit::wait::eventually;
use serde_json::Value;

use crate::process::{ALICE, BOB, Site, binary, command};

/// A site whose relay writes every report, has carried a few pairs, and has stopped.
async fn carried() -> Site {
    let sandbox = Sandbox::loopback().await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    let reports = "reports = { collect = true, transfer = true, poll = true }\n";
    let config = site.configuration(&sandbox.base_url(), "");
    site.write("relay.toml", config.replace("scan = \"500ms\"\n", &format!("scan = \"500ms\"\n{reports}")));
    let relay = site.run().await;
    let to_bob = |local_id: &str| Control::new(ALICE, BOB).local_id(local_id);
    site.alice.drop_pair("plain", &to_bob("SECRET-1"), b"SECRET payload");
    site.alice.drop_pair("packed", &to_bob("SECRET-2").compressed_in_chunks(), &[b'x'; 100_000]);
    let odd = to_bob("SECRET-3").text().replace("  <Subject>", "  <Mine>SECRET</Mine>\n  <Subject>");
    site.alice.drop_files("odd", Some(odd.as_bytes()), Some(b"SECRET payload"));
    let to_nobody = Control::new(ALICE, "NOSUCHBOX").local_id("SECRET-4");
    site.alice.drop_pair("refused", &to_nobody, b"SECRET payload");
    let other_sender = Control::new(BOB, BOB).local_id("SECRET-5");
    site.alice.drop_pair("foreign", &other_sender, b"SECRET payload");
    site.alice.drop_files("broken", Some(b"<DTSControl><SECRET"), Some(b"SECRET payload"));
    site.bob.drop_pair("reply", &Control::new(BOB, ALICE).local_id("SECRET-6"), b"SECRET payload");
    eventually("all is carried", || {
        site.alice.controls("SENT") == 3
            && site.alice.controls("FAILED") == 3
            && site.bob.controls("SENT") == 1
            && site.bob.received().len() == 3
            && site.alice.received().len() == 1
    })
    .await;
    assert!(relay.stop().await.0.success());
    site
}

fn shadow(site: &Site, arguments: &[&str]) -> (i32, String, String) {
    let config = site.path("relay.toml");
    let mut all = vec!["shadow", "--config", config.to_str().expect("a path")];
    all.extend(arguments);
    let output = command(&all);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("an exit"), text(&output.stdout), text(&output.stderr))
}

/// The documents of the files, and of the summary.
fn documents(out: &str) -> (Vec<Value>, Value) {
    let mut all: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("a JSON document a line")).collect();
    let summary = all.pop().expect("a summary");
    assert_eq!(summary["type"], "summary");
    (all, summary)
}

/// Every file and folder with its time of change.
fn listing(root: &Path) -> BTreeMap<String, (SystemTime, u64)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a listing") {
            let path = entry.expect("an entry").path();
            let metadata = fs::symlink_metadata(&path).expect("metadata");
            let changed = metadata.modified().expect("a time");
            found.insert(path.display().to_string(), (changed, metadata.len()));
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

/// Changes a file as another client might have written it.
fn alter(site: &Site, root: &Root, folder: &str, name: &str, from: &str, to: &str) {
    let text = root.text(folder, name);
    assert!(text.contains(from), "{from} is not in {name}:\n{text}");
    let path = root.folder(folder).join(name);
    let place = path.strip_prefix(site.folder.path()).expect("in the site");
    site.write(place.to_str().expect("a name"), text.replacen(from, to, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relays_own_folders_have_no_difference_and_nothing_is_changed() {
    let site = carried().await;
    for file in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(site.path(file));
    }
    let before = listing(site.folder.path());
    // What cannot be read may be half written as long as it is young.
    eventually("no file is young", || {
        documents(&shadow(&site, &["--json"]).1).0.iter().all(|file| file["verdict"] != "unfinished")
    })
    .await;
    let (code, out, error) = shadow(&site, &["--json"]);
    let (files, summary) = documents(&out);
    let others: Vec<_> = files.iter().filter(|file| file["verdict"] != "same").collect();
    // A report on a file that cannot be read does not say of whom it is.
    assert!(
        others.iter().all(|file| file["verdict"] == "not_derivable" && file["code"] == "01"),
        "{others:?}"
    );
    assert_eq!((code, error.as_str(), summary["differs"].as_bool()), (0, "", Some(false)));
    let of_kind = |folder: &str, kind: &str| {
        files.iter().filter(|file| file["folder"] == folder && file["kind"] == kind).count()
    };
    assert_eq!((of_kind("SENT", "data"), of_kind("IN", "data"), of_kind("FAILED", "data")), (4, 4, 2));
    for (event, code) in
        [("COLLECT", "00"), ("TRANSFER", "00"), ("RECEIVE", "00"), ("SEND", "12"), ("SEND", "07")]
    {
        let of_event = |file: &&Value| file["event"] == event && file["code"] == code;
        assert!(files.iter().any(|file| of_event(&file)), "no report {event} {code}");
    }

    let (code, out, error) = shadow(&site, &[]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(out.contains("No difference in values: of ") && out.contains("X26ABC1"), "{out}");
    assert!(!out.contains("SECRET"), "{out}");
    assert_eq!(listing(site.folder.path()), before, "nothing is written, and no journal appears");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_difference_is_named_with_its_file_and_without_private_values() {
    let site = carried().await;
    let (alice, bob) = (&site.alice, &site.bob);
    // Values that an application can see.
    alter(&site, alice, "SENT", "plain.ctl", "<StatusCode>00<", "<StatusCode>0<");
    alter(&site, alice, "SENT", "packed.ctl", "  <IsCompressed>Y</IsCompressed>\n", "");
    alter(&site, bob, "SENT", "reply.ctl", "<From_DTS>X26ABC2<", "<From_DTS>X26ABC9<");
    alter(&site, alice, "FAILED", "refused.ctl", "<StatusCode>12<", "<StatusCode>14<");
    alter(&site, alice, "FAILED", "foreign.ctl", "<StatusCode>07<", "<StatusCode>06<");
    let received: Vec<_> = bob.names("IN").into_iter().filter(|name| name.ends_with(".dat")).collect();
    let control = |data: &String| data.replace(".dat", ".ctl");
    let (one, other) = (control(&received[0]), control(&received[1]));
    alter(&site, bob, "IN", &one, "Transferred to recipient mailbox", "Delivered to client");
    // Layout alone, as a client that edits text leaves it.
    alter(&site, bob, "IN", &other, "<PartnerId></PartnerId>", "<PartnerId/>");
    alter(&site, alice, "SENT", "odd.ctl", "  <Version>1.0</Version>\n", "");
    alter(&site, alice, "SENT", "odd.ctl", "  <AddressType>", "  <Version>1.0</Version>\n  <AddressType>");
    alter(&site, alice, "SENT", "odd.ctl", "  <Mine>SECRET</Mine>\n", "");
    alter(&site, alice, "SENT", "odd.ctl", "  <Subject>", "  <Mine>SECRET</Mine>\n  <Subject>");
    alter(&site, alice, "SENT", "odd.ctl", "<DTSControl>\n", "<?xml version=\"1.0\"?>\n<DTSControl>\n");
    let before = listing(site.folder.path());

    let (code, out, error) = shadow(&site, &["--json"]);
    assert_eq!((code, error.as_str()), (1, ""));
    let (files, summary) = documents(&out);
    assert_eq!(summary["differs"], true);
    let found = |folder: &str, name: &str| {
        let file = files.iter().find(|file| file["folder"] == folder && file["file"] == name);
        file.unwrap_or_else(|| panic!("{folder}/{name} is not listed"))
    };
    let plain = found("SENT", "plain.ctl");
    assert_eq!(plain["verdict"], "value");
    assert_eq!(plain["values"][0]["element"], "StatusRecord/StatusCode");
    assert_eq!((&plain["values"][0]["theirs"], &plain["values"][0]["ours"]), (&"0".into(), &"00".into()));
    assert_eq!(found("SENT", "packed.ctl")["values"][0]["how"], "absent");
    let reply = found("SENT", "reply.ctl");
    assert_eq!((&reply["verdict"], &reply["refused"]["code"]), (&"refused".into(), &"07".into()));
    assert_eq!(found("IN", &one)["values"][0]["element"], "StatusRecord/Description");
    let other = found("IN", &other);
    assert_eq!((&other["verdict"], &other["layout"][0]), (&"layout".into(), &"empty_form".into()));
    let odd = found("SENT", "odd.ctl");
    assert_eq!((&odd["verdict"], &odd["differs"]), (&"layout".into(), &false.into()), "{odd}");
    assert_eq!(odd["layout"], serde_json::json!(["declaration", "order"]));
    assert_eq!(found("FAILED", "foreign.ctl")["values"][0]["ours"], "07");
    // What MESH said is taken from the file: nothing shows that it said otherwise.
    assert_eq!(found("FAILED", "refused.ctl")["verdict"], "same");

    let (code, out, _) = shadow(&site, &["--examples", "1"]);
    assert_eq!(code, 1);
    for says in [
        "1 x SENT data: StatusRecord/StatusCode is \"0\"; the relay writes \"00\"\n          X26ABC1/SENT/plain.ctl",
        "1 x SENT data: IsCompressed is absent; the relay writes one",
        "1 x SENT data: the relay would put the pair into FAILED: SEND 07, Invalid From Address in the control file",
        "1 x SENT data: order of the elements",
        "1 x IN data: empty elements as one tag or two",
        "7 of ",
    ] {
        assert!(out.contains(says), "{says}:\n{out}");
    }
    assert!(!out.contains("SECRET"), "{out}");
    assert_eq!(listing(site.folder.path()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_are_looked_at_in_place_of_the_folders() {
    let site = carried().await;
    let sent = site.path(ALICE).join("SENT");
    let sent = sent.to_str().expect("a path");
    let (code, _, error) = shadow(&site, &["--sent", sent]);
    assert!(code == 2 && error.contains("--mailbox"), "{error}");
    let (code, out, _) = shadow(&site, &["--sent", sent, "--mailbox", ALICE, "--json"]);
    let (files, _) = documents(&out);
    assert_eq!((code, files.len()), (0, 3));
    // As Bob, none of it would have been sent.
    let (code, out, _) = shadow(&site, &["--sent", sent, "--mailbox", BOB, "--json"]);
    let (files, _) = documents(&out);
    assert!(code == 1 && files.iter().all(|file| file["verdict"] == "refused"), "{out}");
    let (code, _, error) = shadow(&site, &["--mailbox", "X26ABC3"]);
    assert!(code == 2 && error.contains("X26ABC3"), "{error}");
    let (code, _, error) = shadow(&site, &["--sent", "nowhere", "--mailbox", ALICE]);
    assert!(code == 2 && error.contains("nowhere"), "{error}");
    assert_eq!(command(&["shadow"]).status.code(), Some(2));
}

/// No key, no certificate and no server are needed.
#[test]
fn a_client_configuration_is_enough() {
    let site = Site::new("http://127.0.0.1:9", "");
    site.write(
        "meshclient.cfg",
        format!(
            "<MESHConfig>\n<PrimaryURL>https://mesh.example</PrimaryURL>\n<KeyStorePath>nowhere.keystore</KeyStorePath>\n\
             <KeyStorePassword>x</KeyStorePassword>\n<Client>\n<ClientIdentity>{ALICE}</ClientIdentity>\n\
             <ClientAuthentication>password</ClientAuthentication>\n<InterfaceRoot>{}</InterfaceRoot>\n\
             <SaveSent>Y</SaveSent>\n<CollectReport>Y</CollectReport>\n</Client>\n</MESHConfig>\n",
            site.path(ALICE).display()
        ),
    );
    let cfg = site.path("meshclient.cfg");
    let run = || command(&["shadow", "--meshclient-cfg", cfg.to_str().expect("a path")]);
    let output = run();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && error.contains("cannot be listed"), "{error}");
    fs::create_dir_all(site.path(ALICE).join("SENT")).expect("a folder");
    let output = run();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && out.contains("There are no control files."), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_files_are_told_as_they_come_and_summed_up_at_the_end() {
    let site = carried().await;
    let text = site.alice.text("SENT", "plain.ctl").replace("<StatusCode>00<", "<StatusCode>0<");
    let config = site.path("relay.toml");
    let mut child = Command::new(binary())
        .args(["shadow", "--follow", "--json", "--mailbox", ALICE, "--config"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the relay's program");
    let id = child.id();
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map(Result::unwrap);
    let work = tokio::task::spawn_blocking(move || {
        let is_of = |line: &String, name: &str| line.contains(&format!("\"file\":\"{name}\""));
        // The last of the first look.
        lines.by_ref().find(|line| is_of(line, "refused.ctl")).expect("the first look");
        site.write(&format!("{ALICE}/SENT/late.dat"), "data");
        site.write(&format!("{ALICE}/SENT/late.ctl"), "");
        site.write(&format!("{ALICE}/SENT/late.ctl"), text);
        let late = lines.by_ref().find(|line| is_of(line, "late.ctl")).expect("the new file");
        let killed = Command::new("kill").args(["-INT", &id.to_string()]).status().expect("kill");
        assert!(killed.success());
        (late, lines.last().expect("a summary"))
    });
    let (late, summary) = work.await.expect("an end");
    let late: Value = serde_json::from_str(&late).expect("JSON");
    assert_eq!((&late["verdict"], &late["values"][0]["theirs"]), (&"value".into(), &"0".into()));
    let summary: Value = serde_json::from_str(&summary).expect("JSON");
    assert_eq!((&summary["type"], &summary["counts"]["different"]), (&"summary".into(), &1.into()));
    assert_eq!(child.wait().expect("an end").code(), Some(1));
}
