//! `docs/metrics.md`: what is committed is what is declared.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use relay_core::metric::{ALL, Declared};

use crate::scene::Scene;
use crate::scrape::Scrape;

/// Asks for the committed document to be written anew: `write`.
const SNAPSHOT: &str = "MESH_RELAY_SNAPSHOT";

const BEFORE: &str = "\
# Metrics

`/metrics` on the console's port shows all of these as Prometheus reads them, and `[telemetry]` sends them to a collector
of OpenTelemetry under the same names. Without `[console]` and `[telemetry]` none are kept.

On loopback anybody may read them, as the overview. Beyond it, or with `read_without_sign_in = false`, a token of the role
`viewer` is needed: give Prometheus one as a `[[console.caller]]` of its own and name its file in the job,
`authorization: { credentials_file: /etc/prometheus/mesh-relay.token }`. `docker/prometheus` has a job and alert rules,
`docker/grafana` a dashboard.

Labels take words that stand in the code and names that stand in the configuration. Nothing of a message is ever in one.
Counters begin at zero with each start. What stands open is read from the journal every five seconds, so several instances
that share a journal tell the same numbers: take `max` of them, not `sum`.

<!-- From the declarations in crates/relay-core/src/metric/catalogue.rs; renew with MESH_RELAY_SNAPSHOT=write and the test
`document` of `--test observe`. -->

| metric | kind | labels | meaning |
|---|---|---|---|
";

const BETWEEN: &str = "
Buckets of histograms, in their unit:

";

const AFTER: &str = "
Of the process itself, where the system tells (Linux does):

";

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md")
}

/// A description with its words of code as such.
fn row(declared: &Declared) -> String {
    let labels: Vec<String> = declared.labels.iter().map(|label| format!("`{label}`")).collect();
    let description = declared.description.trim().replace('|', "\\|");
    format!("| `{}` | {} | {} | {description} |", declared.name, declared.kind.name(), labels.join(", "))
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the document is written for people")]
async fn every_metric_stands_in_the_document() {
    let (_scene, running) = Scene::running().await;
    let scrape = Scrape::of(&running.nobody()).await;
    let mut text = BEFORE.to_owned();
    for declared in ALL {
        writeln!(text, "{}", row(declared)).expect("text");
    }
    text += BETWEEN;
    for declared in ALL.iter().filter(|declared| !declared.buckets.is_empty()) {
        let buckets: Vec<String> = declared.buckets.iter().map(f64::to_string).collect();
        writeln!(text, "- `{}`: {}", declared.name, buckets.join(", ")).expect("text");
    }
    text += AFTER;
    for (name, help) in scrape.help.iter().filter(|(name, _)| name.starts_with("process_")) {
        writeln!(text, "- `{name}`: {}", help.trim_end_matches('.')).expect("text");
    }
    // Nothing is told that is not declared.
    for (name, labels) in scrape.metrics() {
        if name.starts_with("process_") {
            continue;
        }
        let declared = Declared::find(&name).unwrap_or_else(|| panic!("{name} is declared"));
        assert!(labels.iter().all(|label| declared.labels.contains(&label.as_str())), "{name}: {labels:?}");
        assert_eq!(scrape.kinds[&name], declared.kind.name(), "{name}");
        assert_eq!(scrape.help[&name], declared.description.trim(), "{name}");
    }
    running.ends_well().await;

    if std::env::var_os(SNAPSHOT).is_some_and(|asked| asked == "write") {
        std::fs::write(committed(), &text).expect("the document written");
    }
    let kept = std::fs::read_to_string(committed()).unwrap_or_default();
    let differs = kept.lines().zip(text.lines()).position(|(kept, new)| kept != new);
    assert!(
        kept == text,
        "docs/metrics.md is not what is declared, first at line {}; if the change is meant, run this test once more with \
         {SNAPSHOT}=write, and commit the file",
        differs.unwrap_or_else(|| kept.lines().count().min(text.lines().count())) + 1
    );
}
