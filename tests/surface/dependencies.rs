//! Who may know whom (`ARCHITECTURE.md`), held against what cargo says.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// What each crate may use of the house. A crate that is not listed may use nothing of it.
const MAY_KNOW: [(&str, &[&str]); 17] = [
    ("keystore", &["secret-file"]),
    ("mesh-client", &["keystore", "mesh-api"]),
    ("mesh-sandbox", &["mesh-api"]),
    ("relay-core", &["mesh-api"]),
    ("relay-journal", &["mesh-api", "relay-core"]),
    ("relay-config", &["mesh-api", "secret-file"]),
    ("relay-console", &["relay-core"]),
    ("relay-testkit", &["mesh-api", "relay-core"]),
    ("relay-carrier", &["relay-core"]),
    ("claim-check", &["relay-carrier", "relay-config", "relay-core"]),
    ("amqp", &["claim-check", "keystore", "relay-carrier", "relay-config", "relay-core"]),
    ("dts-folder", &["dts-control", "relay-core"]),
    ("http-adapter", &["keystore", "relay-carrier", "relay-config", "relay-core"]),
    ("kafka", &["claim-check", "relay-carrier", "relay-config", "relay-core", "secret-file"]),
    (
        "mesh-relay",
        &[
            "dts-control",
            "amqp",
            "claim-check",
            "dts-folder",
            "http-adapter",
            "kafka",
            "keystore",
            "mesh-api",
            "mesh-client",
            "mesh-sandbox",
            "meshclient-cfg",
            "relay-carrier",
            "relay-config",
            "relay-console",
            "relay-core",
            "relay-journal",
            "secret-file",
        ],
    ),
    ("mesh-relay-tests", &[]),
    ("mesh-relay-benches", &["mesh-api", "mesh-client", "relay-core", "relay-journal"]),
];

/// Crates that open no socket and no file, and what would let them.
const PURE: [&str; 4] = ["mesh-api", "dts-control", "meshclient-cfg", "relay-core"];
const IMPURE: [&str; 11] = [
    "hyper",
    "hyper-util",
    "axum",
    "rusqlite",
    "tokio-postgres",
    "lapin",
    "rdkafka",
    "object_store",
    "notify",
    "tempfile",
    "tokio-rustls",
];
const IMPURE_TOKIO: [&str; 4] = ["fs", "net", "process", "full"];

fn metadata() -> Metadata {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().exec().expect("cargo metadata")
}

fn normal(package: &Package) -> impl Iterator<Item = &cargo_metadata::Dependency> {
    package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal)
}

#[test]
fn crates_know_only_whom_they_may() {
    let metadata = metadata();
    let members: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let rules: BTreeMap<&str, &[&str]> = MAY_KNOW.into_iter().collect();
    for package in &metadata.packages {
        let allowed = rules.get(package.name.as_str()).copied().unwrap_or_default();
        for dependency in normal(package).filter(|dependency| members.contains(dependency.name.as_str())) {
            assert!(
                allowed.contains(&dependency.name.as_str()),
                "{} may not know {}; see ARCHITECTURE.md",
                package.name,
                dependency.name
            );
        }
    }
    for name in rules.keys() {
        assert!(members.contains(name), "the rule for {name} is about no crate");
    }
}

#[test]
fn the_test_kit_is_for_tests_only() {
    for package in &metadata().packages {
        assert!(
            normal(package).all(|dependency| dependency.name != "relay-testkit"),
            "{} ships the test kit",
            package.name
        );
    }
}

#[test]
fn pure_crates_cannot_open_a_socket_or_a_file() {
    let metadata = metadata();
    for name in PURE {
        let package = metadata.packages.iter().find(|package| package.name == name).expect("a crate");
        for dependency in normal(package) {
            assert!(!IMPURE.contains(&dependency.name.as_str()), "{name} uses {}", dependency.name);
            if dependency.name == "tokio" {
                for feature in IMPURE_TOKIO {
                    assert!(
                        !dependency.features.iter().any(|f| f == feature),
                        "{name} uses tokio's {feature}"
                    );
                }
            }
        }
    }
}

#[test]
fn client_and_sandbox_never_meet_even_in_tests() {
    let metadata = metadata();
    for (one, other) in [("mesh-client", "mesh-sandbox"), ("mesh-sandbox", "mesh-client")] {
        let package = metadata.packages.iter().find(|package| package.name == one).expect("a crate");
        assert!(
            package.dependencies.iter().all(|dependency| dependency.name != other),
            "{one} knows {other}"
        );
    }
}
