//! Links between pages lead somewhere.

use std::collections::BTreeMap;

use relay_core::IncidentKind;

use crate::page::{Page, top};
use crate::tables::{NOT_RUN, SUBSTITUTIONS};

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let pages = Page::all();
    let anchors: BTreeMap<_, _> = pages.iter().map(|page| (page.name.as_str(), &page.anchors)).collect();
    let mut faults = vec![];
    for page in &pages {
        let folder = if page.name.starts_with("docs/") { "docs/" } else { "" };
        for (line, link) in &page.links {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.name.clone(),
                _ => plain(&format!("{folder}{path}")),
            };
            let known = anchors.get(target.as_str());
            if !top().join(&target).exists() {
                faults.push(format!("{}:{line}: there is no {target}", page.name));
            } else if !anchor.is_empty() && !known.is_some_and(|known| known.iter().any(|one| one == anchor))
            {
                faults.push(format!("{}:{line}: {target} has no heading #{anchor}", page.name));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What alert rules lead people to has a heading of its own, and so has each kind of incident.
#[test]
fn each_alert_and_each_incident_has_a_heading_in_the_operating_guide() {
    let page = Page::read("docs/operating.md");
    let rules = std::fs::read_to_string(top().join("docker/prometheus/alerts.yaml")).expect("the rules");
    let runbooks = rules.lines().filter_map(|line| line.trim().strip_prefix("runbook: docs/operating.md#"));
    let kinds = IncidentKind::ALL.map(IncidentKind::as_str);
    let missing: Vec<&str> =
        runbooks.chain(kinds).filter(|anchor| !page.anchors.iter().any(|one| one == anchor)).collect();
    assert!(missing.is_empty(), "docs/operating.md has no headings {missing:?}");
}

/// A line of a table that no page needs would hide what it once was for.
#[test]
fn every_line_of_the_tables_is_needed() {
    let pages = Page::all();
    let blocks = || pages.iter().flat_map(|page| &page.blocks);
    let typed = |beginning: &str| {
        let mut commands = blocks().filter(|block| ["console", "sh"].contains(&&*block.language));
        commands.any(|block| block.commands().iter().any(|command| command.text.starts_with(beginning)))
    };
    for (beginning, _) in NOT_RUN {
        assert!(typed(beginning), "no page has a command `{beginning}`");
    }
    for (printed, _) in SUBSTITUTIONS {
        let old_client = include_str!("old_client/meshclient.cfg");
        let named = blocks().any(|block| block.text.contains(printed)) || old_client.contains(printed);
        assert!(named, "no page prints {printed}");
    }
}

/// A path without `..`.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = vec![];
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}
