//! Links between pages lead somewhere.

use std::collections::BTreeMap;

use crate::page::{Block, Page, top};
use crate::tables::{LATER, LATER_CONFIGURATION, LATER_FILES, NOT_RUN, SUBSTITUTIONS};

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
            if LATER_FILES.iter().any(|(later, _)| *later == target) {
                continue;
            }
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

/// What is named in alerts and by incidents has a heading of its own.
#[test]
fn each_incident_has_a_heading_in_the_operating_guide() {
    let page = Page::read("docs/operating.md");
    for anchor in RUNBOOKS {
        assert!(page.anchors.iter().any(|one| one == anchor), "docs/operating.md has no heading #{anchor}");
    }
}

/// What alert rules and incidents lead people to.
const RUNBOOKS: [&str; 25] = [
    "adapter-not-ready",
    "broker-blocked",
    "certificate-ends",
    "clock-wrong",
    "configuration-refused",
    "credentials-refused",
    "disk-full",
    "disk-nearly-full",
    "events-not-told",
    "handshake-old",
    "in-doubt",
    "inbox-not-emptied",
    "journal-failing",
    "journal-slow",
    "mesh-unreachable",
    "message-stuck",
    "message-waits",
    "parked",
    "paused",
    "pump-stalled",
    "rejected",
    "relay-down",
    "uncollected",
    "undelivered",
    "alerts-by-name",
];

#[test]
fn what_is_listed_for_later_is_not_here_yet() {
    for (file, branch) in LATER_FILES {
        assert!(
            !top().join(file).exists(),
            "{file} is here, so branch {branch} is: take it out of LATER_FILES"
        );
    }
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
    for (beginning, _) in LATER.iter().chain(NOT_RUN) {
        assert!(typed(beginning), "no page has a command `{beginning}`");
    }
    for (word, _) in LATER_CONFIGURATION {
        let note = format!("later {word} of ");
        let noted = |block: &Block| block.note.as_deref().is_some_and(|said| said.starts_with(&note));
        assert!(blocks().any(noted), "no page has a note `{note}…`");
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
