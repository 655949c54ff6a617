//! Whether a page can be used by everyone, as far as a program can tell.

use std::path::PathBuf;

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use serde_json::{Value, json};

use super::Browser;
use super::protocol::Command;

/// Names the folder that holds axe-core.
const VARIABLE: &str = "MESH_RELAY_TEST_NODE";
/// What axe-core is to hold a page against: WCAG 2.2 up to AA, and what it deems good practice.
const RULES: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/// Most presses of the Tab key that a page may need.
const MOST_STOPS: usize = 1000;

/// Stops that a field for a date may have beside its first: day, month, year and the calendar are one element.
const PARTS_OF_A_DATE: usize = 3;

/// Runs in the page. axe-core leaves some rules of WCAG 2.2 off unless they are asked for.
const RUN_AXE: &str = r#"
    const [tags, done] = arguments;
    const tell = (one) => one.nodes.map((node) =>
        `${one.id} (${one.impact}): ${one.help}\n  ${node.target.join(' ')}\n  ${node.html}\n  ${node.failureSummary}`);
    axe.run(document, { runOnly: { type: 'tag', values: tags }, rules: { 'target-size': { enabled: true } } })
        .then((found) => done({
            violations: found.violations.flatMap(tell),
            undecided: found.incomplete.flatMap(tell),
            held: found.passes.length,
        }))
        .catch((error) => done({ failed: String(error) }));
"#;

/// Runs in the page: what reaches past its right edge, unless a region of its own scrolls it.
const FIND_WIDE: &str = r#"
    const root = document.documentElement;
    if (root.scrollWidth <= root.clientWidth) return [];
    const scrolled = (element) => {
        for (let up = element.parentElement; up && up !== document.body; up = up.parentElement) {
            if (getComputedStyle(up).overflowX !== 'visible') return true;
        }
        return false;
    };
    const wide = [...document.body.querySelectorAll('*')]
        .filter((element) => element.getBoundingClientRect().right > root.clientWidth + 0.5 && !scrolled(element))
        .map((element) => element.outerHTML.slice(0, 120));
    return [`the page is ${root.scrollWidth} px wide in a window of ${root.clientWidth}`, ...wide];
"#;

/// What axe-core found in a page.
#[derive(Debug)]
pub struct Findings {
    /// What breaks a rule: the rule, the element, and what to do.
    pub violations: Vec<String>,
    /// What a person must look at, since axe-core cannot tell.
    pub undecided: Vec<String>,
}

impl Browser {
    /// What axe-core finds in the page as it is now.
    pub async fn axe(&self) -> Findings {
        let folder = std::env::var(VARIABLE)
            .unwrap_or_else(|_| panic!("{VARIABLE} is not set; run `export {VARIABLE}=$(tests/node.sh)`"));
        let path = PathBuf::from(folder).join("node_modules/axe-core/axe.min.js");
        let axe =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.run(&axe, vec![]).await;
        let found = self.client.execute_async(RUN_AXE, vec![json!(RULES)]).await;
        let found = found.unwrap_or_else(|error| panic!("axe-core did not run: {error}"));
        // A page in which nothing holds was not looked at.
        assert!(
            found["held"].as_u64().is_some_and(|held| held > 0),
            "axe-core did not look at the page: {found}"
        );
        Findings { violations: texts(&found["violations"]), undecided: texts(&found["undecided"]) }
    }

    /// Whether the page can be read without scrolling sideways.
    ///
    /// # Errors
    /// Names what is too wide.
    pub async fn no_sideways_scroll(&self) -> Result<(), String> {
        let wide = texts(&self.run(FIND_WIDE, vec![]).await);
        if wide.is_empty() { Ok(()) } else { Err(wide.join("\n")) }
    }

    /// Presses Tab until the keyboard has been everywhere, and returns the accessible names of where it was, in order. Call
    /// it on a page that was just opened.
    ///
    /// # Panics
    /// When the keyboard does not come out of an element again (WCAG 2.1.2).
    pub async fn press_tab_through(&self) -> Vec<String> {
        let mut seen: Vec<String> = Vec::new();
        let mut names = Vec::new();
        let mut within = 0;
        while let Some(element) = self.press_tab().await {
            if seen.first() == Some(&element) {
                return names;
            }
            if seen.last() == Some(&element) && within < PARTS_OF_A_DATE && self.is_date().await {
                within += 1;
                continue;
            }
            within = 0;
            let name = self.command(Command::get(format!("element/{element}/computedlabel"))).await;
            let name = name.as_str().unwrap_or_default().to_owned();
            assert!(!seen.contains(&element), "the keyboard is caught at \"{name}\"; it came by {names:?}");
            assert!(seen.len() < MOST_STOPS, "the keyboard stops at more than {MOST_STOPS} elements");
            seen.push(element);
            names.push(name);
        }
        names
    }

    /// Whether the keyboard is in a field for a date.
    async fn is_date(&self) -> bool {
        self.run("return document.activeElement.type === 'date'", vec![]).await == json!(true)
    }

    /// Presses Tab once. Returns the id of the element that has the keyboard then, unless it has left the page.
    async fn press_tab(&self) -> Option<String> {
        let tab = char::from(Key::Tab);
        let keys = KeyActions::new("keyboard".to_owned());
        let keys = keys.then(KeyAction::Down { value: tab }).then(KeyAction::Up { value: tab });
        self.client.perform_actions(keys).await.expect("a key pressed");
        let active = "const active = document.activeElement; return active === document.body ? null : active";
        let element = self.run(active, vec![]).await;
        let id = element.as_object()?.values().next()?.as_str()?;
        Some(id.to_owned())
    }
}

fn texts(values: &Value) -> Vec<String> {
    let values = values.as_array().map(Vec::as_slice).unwrap_or_default();
    values.iter().map(|value| value.as_str().unwrap_or_default().to_owned()).collect()
}
