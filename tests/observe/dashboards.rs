//! The alert rules and the dashboard that come along: they are sound, and what they ask about is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use relay_core::metric::Declared;
use relay_testkit::certificates::Authority;
use serde_json::Value;

use crate::process::ALICE;
use crate::queue::Scene as QueueScene;
use crate::scene::{console_section, until};
use crate::scrape::Scrape;

/// Names Prometheus' own program for checking.
const PROMTOOL: &str = "MESH_RELAY_TEST_PROMTOOL";

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker").join(name)
}

fn promtool(folder: &Path, arguments: &[&str]) {
    let program = std::env::var_os(PROMTOOL)
        .unwrap_or_else(|| panic!("{PROMTOOL} names no promtool; run `make test`, or see tests/promtool.sh"));
    let ran = Command::new(program).args(arguments).current_dir(folder).output().expect("promtool");
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{arguments:?}: {said}");
}

/// The expressions of the alert rules by the names of their alerts, with what belongs to each.
fn alerts() -> Vec<(String, String)> {
    let text = fs::read_to_string(shipped("prometheus/alerts.yaml")).expect("the rules");
    text.split("- alert: ")
        .skip(1)
        .map(|rule| {
            let name = rule.lines().next().expect("a name").to_owned();
            let (_, rest) = rule.split_once("expr: ").expect("an expression");
            let folded = rest.strip_prefix(">-\n");
            let expression = match folded {
                Some(lines) => {
                    lines.lines().take_while(|line| line.starts_with("          ")).collect::<String>()
                }
                None => rest.lines().next().expect("a line").to_owned(),
            };
            assert!(rule.contains("runbook: docs/operating.md#"), "{name} has a runbook");
            assert!(rule.contains("severity: "), "{name} has a severity");
            (name, expression)
        })
        .collect()
}

/// The expressions of the dashboard.
fn panels() -> Vec<(String, String)> {
    let text = fs::read_to_string(shipped("grafana/mesh-relay.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        let title = panel["title"].as_str().expect("a title").to_owned();
        if panel["type"] == "row" {
            continue;
        }
        assert!(
            panel["description"].as_str().is_some_and(|text| text.ends_with('.')),
            "{title} says what it shows"
        );
        for target in panel["targets"].as_array().expect("targets") {
            found.push((title.clone(), target["expr"].as_str().expect("an expression").to_owned()));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().expect("variables") {
        if let Some(query) = variable["query"]["query"].as_str() {
            let (inner, _) =
                query.strip_prefix("label_values(").and_then(|rest| rest.split_once(',')).expect("a query");
            found.push((format!("variable {}", variable["name"]), inner.to_owned()));
        }
    }
    found
}

/// Names of metrics in an expression, with the labels that stand in braces behind them.
fn metrics(expression: &str) -> Vec<(String, BTreeSet<String>)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = ["mesh_relay_", "process_"].iter().filter_map(|start| rest.find(start)).min() {
        rest = &rest[at..];
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let mut labels = BTreeSet::new();
        if let Some(inside) = rest.strip_prefix('{') {
            let (inside, behind) = inside.split_once('}').expect("an end of labels");
            for matcher in inside.split(", ").filter(|matcher| !matcher.is_empty()) {
                let label: String = matcher.chars().take_while(|c| is_name(*c)).collect();
                labels.insert(label);
            }
            rest = behind;
        }
        found.push((name, labels));
    }
    found
}

/// Labels by which an expression groups or joins.
fn groupings(expression: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    for word in ["by (", "on ("] {
        for part in expression.split(word).skip(1) {
            let (inside, _) = part.split_once(')').expect("an end of labels");
            labels.extend(
                inside.split(',').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()),
            );
        }
    }
    labels
}

#[test]
fn the_alert_rules_are_sound_and_fire_when_they_should() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(shipped("prometheus/alerts.yaml"), folder.path().join("alerts.yaml")).expect("the rules");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("observe/alerts_test.yaml");
    fs::copy(tests, folder.path().join("alerts_test.yaml")).expect("their tests");
    promtool(folder.path(), &["check", "rules", "alerts.yaml"]);
    promtool(folder.path(), &["test", "rules", "alerts_test.yaml"]);
    promtool(&shipped("prometheus"), &["check", "config", "prometheus.yaml"]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test sets its place up without ceremony")]
fn the_dashboards_expressions_are_sound() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (_, expression) in panels() {
        // What Grafana puts in.
        let expression = expression.replace("$__rate_interval", "5m");
        let quoted = serde_json::to_string(&expression).expect("text");
        rules += &format!("      - {{ record: x, expr: {quoted} }}\n");
    }
    fs::write(folder.path().join("rules.yaml"), rules).expect("the rules written");
    promtool(folder.path(), &["check", "rules", "rules.yaml"]);
}

#[tokio::test]
async fn everything_that_is_asked_about_is_told() {
    // A relay with a queue, a certificate and a console, between which a message went.
    let scene = QueueScene::new().await;
    let identity = Authority::new("authority").client("X26.api.mesh-client.nhs.uk");
    scene.site.write("client.pem", &identity.certificate);
    scene.site.write("client.key", &identity.key);
    scene.configure_with(&scene.sandbox.base_url(), true, "", &console_section(&scene.site, ""));
    scene.reword(&[("[journal]", "identity = { cert = \"client.pem\", key = \"client.key\" }\n[journal]")]);
    scene.make().await;
    let relay = scene.site.run().await;
    let log = relay.log();
    let address = log.lines().find_map(|line| line.split_once("the console is open address="));
    let address = address.expect("the console's address").1.trim().parse().expect("an address");
    let nobody = crate::caller::Caller::nobody(address);
    scene.put("ORDER-1", b"a message").await;
    scene.broker.take_all(&scene.inbound, 1).await;
    scene.broker.take_all(&scene.status, 3).await;
    let delivered = [("direction", "inbound"), ("outcome", "delivered")];
    let told = [("adapter", "alice"), ("outcome", "told")];
    until("all was counted", async || {
        let scrape = Scrape::of(&nobody).await;
        scrape.count("mesh_relay_messages_total", &delivered) == 1.0
            && scrape.count("mesh_relay_events_total", &told) >= 3.0
            && scrape.count("mesh_relay_mailbox_last_handshake_seconds", &[("mailbox", ALICE)]) > 0.0
            && scrape.sum("mesh_relay_adapter_ready", &[]).is_some()
    })
    .await;
    let scrape = Scrape::of(&nobody).await;
    let real: BTreeMap<String, BTreeSet<String>> = scrape.metrics();
    let (status, log) = relay.stop().await;
    assert!(status.success(), "{log}");

    let asked: Vec<_> = alerts().into_iter().chain(panels()).collect();
    assert!(asked.len() > 40, "{}", asked.len());
    // What Prometheus itself adds.
    let from_prometheus = ["instance", "job", "le"];
    let mut used = BTreeSet::new();
    for (place, expression) in asked {
        let named = metrics(&expression);
        assert!(
            !named.is_empty() || expression.contains("up{"),
            "{place} asks about something: {expression}"
        );
        let mut known: BTreeSet<&str> = from_prometheus.into();
        for (series, labels) in &named {
            let metric = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
                series
                    .strip_suffix(end)
                    .filter(|name| scrape.kinds.get(*name).is_some_and(|kind| kind == "histogram"))
            });
            let metric = metric.unwrap_or(series);
            let own = real.get(metric).unwrap_or_else(|| panic!("{place}: there is no {metric}"));
            for label in labels {
                let is_known = own.contains(label) || from_prometheus.contains(&label.as_str());
                assert!(is_known, "{place}: {metric} has no label {label}");
            }
            known.extend(own.iter().map(String::as_str));
            used.insert(metric.to_owned());
        }
        for label in groupings(&expression) {
            assert!(known.contains(label.as_str()), "{place} groups by {label}, which nothing there has");
        }
    }
    // What is declared is of use to somebody who looks.
    let unused: Vec<&str> = relay_core::metric::ALL
        .iter()
        .map(|declared: &Declared| declared.name)
        .filter(|name| !used.contains(*name) && !name.starts_with("mesh_relay_kafka_"))
        .collect();
    assert!(unused.is_empty(), "no alert and no panel shows {unused:?}");
}
