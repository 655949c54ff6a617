//! The Kubernetes samples, as far as they can be held without a cluster: against the schemas of its releases, and against
//! the relay, whose paths, port, flags and configuration they name.

use std::path::{Path, PathBuf};
use std::process::Command;

use relay_testkit::certificates::Authority;
use relay_testkit::private::write_private;
use serde_json::Value;

use crate::process::{binary, python};
use crate::scene::Scene;

/// What comes behind the drain at most: the console's connections, the last parts, the journal.
const BEHIND_THE_DRAIN_SECONDS: u64 = 25;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker/kubernetes")
}

/// What the samples say, once the schemas have been kept.
fn manifests() -> Value {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("the samples")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("health/manifests.py");
    let checked = Command::new(python()).arg(script).args(&paths).output().expect("Python");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    serde_json::from_slice(&checked.stdout).expect("JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn the_samples_keep_the_schemas_and_run_the_relay_without_rights() {
    let told = manifests();
    assert!(told["documents"].as_u64() > Some(6), "{told}");
    assert_eq!(list(&told["relays"]).len(), 2, "{told}");
    let help = Command::new(binary()).args(["run", "--help"]).output().expect("the relay");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for relay in list(&told["relays"]) {
        let arguments = list(&relay["arguments"]);
        assert_eq!(arguments[0], "run");
        assert!(help.contains(&format!("{} <FILE>", arguments[1].as_str().expect("an option"))), "{help}");
        assert_eq!(relay["port"]["console"], 8710);
        assert_eq!(relay["secure"]["readOnlyRootFilesystem"], true);
        assert_eq!(relay["secure"]["allowPrivilegeEscalation"], false);
        assert_eq!(
            (&relay["pod"]["runAsNonRoot"], &relay["pod"]["runAsUser"]),
            (&true.into(), &10001.into())
        );
        assert!(relay["limits"]["memory"].is_string());
        let grace = relay["grace"].as_u64().expect("seconds");
        assert!(grace >= relay_config_drain() + BEHIND_THE_DRAIN_SECONDS, "{grace}");
        for (probe, path) in
            [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
        {
            let asked = &relay["probes"][probe];
            assert_eq!(
                (&asked["path"], &asked["port"], &asked["scheme"]),
                (&path.into(), &"console".into(), &"HTTPS".into())
            );
        }
        // Liveness must not be quicker than what it is to find is certain.
        assert!(relay["probes"]["livenessProbe"]["seconds"].as_u64() >= Some(60));
    }
}

/// The drain that the samples configure, in seconds.
fn relay_config_drain() -> u64 {
    let told = manifests();
    let drains = list(&told["configurations"]).iter().map(|text| {
        let text = text.as_str().expect("a text");
        let drain =
            text.split_once("drain = \"").and_then(|(_, rest)| rest.split_once("s\"")).expect("a drain").0;
        drain.parse().expect("seconds")
    });
    drains.max().expect("a configuration")
}

#[test]
fn the_relay_takes_the_configurations_of_the_samples() {
    let told = manifests();
    let configurations = list(&told["configurations"]);
    assert_eq!(configurations.len(), 2);
    let authority = Authority::new("An authority");
    let (client, console) = (authority.client("client"), authority.server("mesh-relay"));
    for configuration in configurations {
        let place = tempfile::tempdir().expect("a folder");
        let files = [
            ("secrets/client.pem", client.certificate.as_str()),
            ("secrets/client.key", &client.key),
            ("secrets/shared.key", "a shared key"),
            ("secrets/x26hc005.pass", "password"),
            ("secrets/amqp.url", "amqps://relay:password@rabbitmq/%2f"),
            ("secrets/journal.url", "postgresql://relay:password@postgres/mesh"),
            ("secrets/probe.token", "a-token-that-has-more-than-32-characters"),
            ("roots/nhs.pem", authority.pem()),
            ("roots/internal.pem", authority.pem()),
            ("console/tls.crt", &console.certificate),
            ("console/tls.key", &console.key),
        ];
        let root = place.path().to_str().expect("a path");
        let text = configuration.as_str().expect("a text").replace("/etc/mesh-relay", root);
        for (name, content) in files.into_iter().chain([("config/mesh-relay.toml", text.as_str())]) {
            let path = place.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            write_private(&path, content);
        }
        let checked = Command::new(binary())
            .args(["check", "--config"])
            .arg(place.path().join("config/mesh-relay.toml"))
            .env("POD_NAME", "mesh-relay-0")
            .output()
            .expect("the relay");
        let said = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
        assert!(checked.status.success(), "{said}");
        assert!(!said.contains("warning"), "{said}");
    }
}

#[tokio::test]
async fn the_probes_are_answered_without_credentials_over_tls() {
    let authority = Authority::new("An authority");
    let console = authority.server("127.0.0.1");
    let scene = Scene::with(
        "tls = { cert = \"console.pem\", key = \"console.key\" }\nread_without_sign_in = false",
        "",
    )
    .await;
    scene.site.write("console.pem", &console.certificate);
    scene.site.write("console.key", &console.key);
    let running = scene.run().await;
    let probe = running.nobody().over_tls(crate::probes::trusting(&authority));
    let told = manifests();
    for relay in list(&told["relays"]) {
        for probed in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let path = relay["probes"][probed]["path"].as_str().expect("a path");
            crate::scene::until("the probe is content", async || probe.get(path).await.text() == "ok\n")
                .await;
        }
    }
    running.ends_well().await;
}
