//! Bad input of every kind: a clear sentence that names the file or key and what to do, nothing lost, and other
//! pairs go on.

use std::fs;

use mesh_sandbox::{Sandbox, SandboxConfig};
use relay_testkit::pairs::{Control, element};
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB, Relay, Site, command, fixture};

/// A pair that can never be sent: what is dropped, and what the report says.
struct Bad {
    name: &'static str,
    control: Option<String>,
    data: Option<&'static [u8]>,
    event: &'static str,
    code: &'static str,
    says: &'static str,
}

fn bad(
    name: &'static str,
    control: impl Into<String>,
    data: Option<&'static [u8]>,
    (event, code, says): (&'static str, &'static str, &'static str),
) -> Bad {
    Bad { name, control: Some(control.into()), data, event, code, says }
}

#[tokio::test]
async fn pairs_that_can_never_be_sent_go_to_failed_with_a_report_and_others_go_on() {
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    let relay = site.run().await;
    let good = Control::new(ALICE, BOB).text();
    let data: Option<&[u8]> = Some(b"payload");
    let without = |element: &str| {
        good.lines().filter(|line| !line.contains(&format!("<{element}>"))).collect::<Vec<_>>().join("\n")
    };
    let cases = [
        bad("unreadable", "<DTSControl><Version>", data, ("COLLECT", "01", "unreadable.ctl cannot be read")),
        bad("notxml", "To: someone", data, ("COLLECT", "01", "notxml.ctl cannot be read")),
        bad("doctype", format!("<!DOCTYPE x>{good}"), data, ("COLLECT", "01", "doctype.ctl cannot be read")),
        bad("empty-control", "", data, ("COLLECT", "01", "empty-control.ctl cannot be read")),
        bad("no-recipient", without("To_DTS"), data, ("SEND", "08", "TO_DTS missing")),
        bad("no-workflow", without("WorkflowId"), data, ("TRANSFER", "06", "WorkflowId missing")),
        bad(
            "other-sender",
            good.replace("<From_DTS>X26ABC1", "<From_DTS>X26ABC3"),
            data,
            ("SEND", "07", "Invalid From Address in the control file"),
        ),
        bad("no-data", good.clone(), None, ("COLLECT", "02", "Data file is missing or inaccessible.")),
        bad(
            "empty-data",
            good.clone(),
            Some(b""),
            ("COLLECT", "02", "Data file is missing or inaccessible."),
        ),
        bad(
            "unregistered",
            good.replace("<To_DTS>X26ABC2", "<To_DTS>NOSUCHBOX"),
            data,
            ("SEND", "12", "Unregistered to address"),
        ),
        bad(
            "long-workflow",
            good.replace("TEST_WORKFLOW", &"W".repeat(301)),
            data,
            ("TRANSFER", "06", "more than the 300 that MESH takes"),
        ),
    ];
    for case in &cases {
        site.alice.drop_files(case.name, case.control.as_deref().map(str::as_bytes), case.data);
    }
    site.alice.drop_pair("good", &Control::new(ALICE, BOB).local_id("good"), b"payload");

    eventually("the good pair arrives", || site.bob.controls("IN") == 1).await;
    eventually("every bad one is reported", || site.alice.reports().len() == cases.len()).await;
    eventually("OUT is empty", || site.alice.names("OUT").is_empty()).await;
    let reports = site.alice.reports();
    for case in &cases {
        let found = reports.iter().any(|report| {
            element(report, "Event") == case.event
                && element(report, "Status") == "ERROR"
                && element(report, "StatusCode") == case.code
                && element(report, "Description").contains(case.says)
        });
        assert!(
            found,
            "no report for {}: {} {} {}\n{reports:#?}",
            case.name, case.event, case.code, case.says
        );
        let failed = site.alice.names("FAILED");
        assert!(failed.contains(&format!("{}.ctl", case.name)), "{} is not in FAILED", case.name);
        assert_eq!(failed.contains(&format!("{}.dat", case.name)), case.data.is_some(), "{}", case.name);
    }
    assert_eq!(site.alice.names("SENT"), ["good.ctl", "good.dat"]);
    assert_eq!(
        site.alice.text("FAILED", "notxml.ctl"),
        "To: someone",
        "what cannot be read is kept as it was"
    );
    assert_eq!(element(&site.alice.text("FAILED", "unregistered.ctl"), "StatusCode"), "12");
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn while_mesh_cannot_be_reached_pairs_stay_and_go_when_it_can() {
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let address = sandbox.address();
    let site = Site::new(&sandbox.base_url(), "");
    sandbox.shutdown().await;
    site.alice.drop_pair("pair", &Control::new(ALICE, BOB).local_id("L1"), b"payload");
    let relay = site.run().await;
    eventually("it is told by both ways", || {
        relay.log().contains("pairs stay in OUT") && relay.log().contains("messages stay at MESH")
    })
    .await;
    let log = relay.log();
    assert!(log.contains("check the MESH address, the network and firewalls"), "{log}");
    assert_eq!(site.alice.names("OUT").len(), 2);

    let mut config = SandboxConfig::loopback();
    config.listen = address;
    let _sandbox = Sandbox::start(config).await.expect("the sandbox is back");
    eventually("the pair arrives", || site.bob.controls("IN") == 1).await;
    eventually("and is settled", || site.alice.names("SENT").len() == 2).await;
    for told in ["sending goes on", "MESH answers again"] {
        eventually(told, || relay.log().contains(told)).await;
    }
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn with_a_wrong_password_pairs_stay_and_the_credentials_are_named() {
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    site.write("wrong.pass", "canary-password\n");
    let configuration = site.configuration(&sandbox.base_url(), "");
    let wrong = configuration.replacen("mailbox.pass", "wrong.pass", 1);
    site.write("relay.toml", &wrong);
    let relay = site.run().await;
    site.alice.drop_pair("pair", &Control::new(ALICE, BOB), b"payload");
    site.bob.drop_pair("other", &Control::new(BOB, BOB).local_id("other"), b"other");
    eventually("it is told", || relay.log().contains("pairs stay in OUT")).await;
    eventually("the other mailbox goes on", || site.bob.controls("IN") == 1).await;
    let log = relay.log();
    assert!(
        log.contains("mailbox X26ABC1") && log.contains("check mailbox id, password, shared key"),
        "{log}"
    );
    assert!(!log.contains("canary"), "{log}");
    assert_eq!(site.alice.names("OUT"), ["pair.ctl", "pair.dat"]);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named_at_start() {
    let site = Site::new("http://127.0.0.1:9", "");
    fs::create_dir_all(&site.alice.0).expect("a folder");
    fs::File::create(site.alice.folder("SENT")).expect("a file in the folder's place");
    let output = command(&["run", "--config", site.path("relay.toml").to_str().expect("a path")]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("adapter alice") && error.contains("X26ABC1/SENT"), "{error}");
    assert!(error.contains("give the relay's account the right"), "{error}");
}

#[tokio::test]
async fn a_second_relay_on_the_same_folders_is_refused() {
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    let relay = site.run().await;
    let output = command(&["run", "--config", site.path("relay.toml").to_str().expect("a path")]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("another relay works on"), "{error}");
    assert!(relay.stop().await.0.success());
}

#[test]
fn every_fault_of_a_configuration_is_told_with_its_place() {
    let site = Site::new("http://127.0.0.1:9", "");
    let text = site
        .configuration("http://127.0.0.1:9", "")
        .replacen("poll = \"200ms\"", "pol = \"200ms\"", 1)
        .replacen("grace = \"100ms\"", "grace = 100", 1)
        .replace(
            "kind = \"dts-folder\"\nmailbox = \"X26ABC2\"",
            "kind = \"dts-folde\"\nmailbox = \"X26ABC2\"",
        );
    site.write("relay.toml", &text);
    let path = site.path("relay.toml");
    let path = path.to_str().expect("a path");
    for arguments in [["check", "--config", path], ["run", "--config", path]] {
        let output = command(&arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        for part in ["unknown key `pol`", "did you mean `poll`", "`grace`", "no adapter of kind `dts-folde`"]
        {
            assert!(error.contains(part), "{part} is not told:\n{error}");
        }
        let line = text.lines().position(|line| line.starts_with("pol =")).expect("the line") + 1;
        assert!(error.contains(&format!("relay.toml:{line}:1")), "{error}");
    }
    let output = command(&["check", "--json", "--config", path]);
    let faults: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(faults.as_array().map(Vec::len), Some(3), "{faults:#}");
}

#[test]
fn a_sound_configuration_passes_and_things_it_refers_to_are_looked_at() {
    let site = Site::new("http://127.0.0.1:9", "");
    let path = site.path("relay.toml");
    let path = path.to_str().expect("a path");
    let output = command(&["check", "--config", path]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    fs::remove_file(site.path("mailbox.pass")).expect("removed");
    let adapter =
        "[[adapter]]\nname = \"third\"\nkind = \"dts-folder\"\nmailbox = \"X26ABC9\"\nroot = \"X26ABC1\"\n";
    site.write("relay.toml", format!("{}{adapter}", site.configuration("http://127.0.0.1:9", "")));
    let output = command(&["check", "--config", path]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in ["mailbox.pass", "mailbox X26ABC9 is not configured", "works on folder"] {
        assert!(error.contains(part), "{part} is not told:\n{error}");
    }
}

#[tokio::test]
async fn a_data_file_that_comes_late_or_grows_is_waited_for() {
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    // Far longer than the pauses below, so that a busy machine does not make them look like quiet.
    let patient = site.configuration(&sandbox.base_url(), "").replace("grace = \"100ms\"", "grace = \"3s\"");
    site.write("relay.toml", &patient);
    let relay: Relay = site.run().await;
    let control = Control::new(ALICE, BOB).local_id("late").text();
    site.alice.drop_files("late", Some(b""), None);
    for part in 1..=5 {
        site.alice.drop_files("late", None, Some(&vec![b'x'; part * 1000]));
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    }
    site.alice.drop_files("late", Some(control.as_bytes()), None);
    eventually("the pair arrives", || site.bob.controls("IN") == 1).await;
    assert_eq!(site.bob.received(), [vec![b'x'; 5000]]);
    assert!(site.alice.reports().is_empty());
    assert!(relay.stop().await.0.success());
}

#[test]
fn the_example_configurations_pass() {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let authority = relay_testkit::certificates::Authority::new("An authority");
    let identity = authority.client("MAILHOST1.X26.api.mesh-client.nhs.uk");
    let configurations = [
        ("config/sandbox.toml", 2),
        ("config/dts-folder.toml", 1),
        ("config/keystore-and-proxy.toml", 1),
        ("config/several-instances.toml", 1),
        ("config/amqp.toml", 1),
        ("config/kafka.toml", 1),
        ("config/console.toml", 1),
        ("config/http.toml", 1),
        ("docker/laboratory/amqp.toml", 2),
        ("docker/laboratory/kafka.toml", 2),
    ];
    for (name, adapters) in configurations {
        let site = Site::new("http://127.0.0.1:9", "");
        site.write("relay.toml", fs::read_to_string(top.join(name)).expect("an example"));
        // What the examples refer to.
        site.write("client.pem", &identity.certificate);
        site.write("client.key", &identity.key);
        site.write("nhs-int.pem", authority.pem());
        site.write("x26hc005.pass", "password");
        site.write("mesh.keystore", fixture("ec.jks"));
        site.write("keystore.pass", "changeit");
        site.write("journal.url", "postgresql://relay@127.0.0.1/relay");
        site.write("database.pem", authority.pem());
        site.write("broker.url", "amqps://engine:secret@localhost:5671/mesh");
        site.write("broker-roots.pem", authority.pem());
        site.write("shared.key", "TestKey");
        site.write("kafka-roots.pem", authority.pem());
        site.write("kafka.pass", "password");
        site.write("console.pem", &identity.certificate);
        site.write("console.key", &identity.key);
        for token in ["engine.token", "service-desk.token", "portal.token", "prometheus.token"] {
            site.write(token, token.repeat(4));
        }
        site.write("openid.secret", "secret");
        site.write("webhook.secret", "a secret of the webhook's");
        for roots in ["identity-roots.pem", "portal-roots.pem"] {
            site.write(roots, authority.pem());
        }
        let output = std::process::Command::new(crate::process::binary())
            .args(["check", "--config"])
            .arg(site.path("relay.toml"))
            .envs([
                ("MESH_SHARED_KEY", "TestKey"),
                ("MAILBOX_PASSWORD", "password"),
                ("PROXY_PASSWORD", "password"),
                ("AMQP_URL", "amqp://guest:guest@localhost/%2f"),
            ])
            .output()
            .expect("the relay's program");
        let (text, error) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{name}: {error}");
        assert!(text.contains(&format!("{adapters} adapter(s)")), "{text}");
    }
}
