//! Pictures of pages under `docs/screenshots`, and what keeps them current: beside each lies what a reader sees in it as
//! text, which is compared at every run. What differs from run to run (ids, times, ports, the host's name) is put into one
//! form in the page itself before, so that picture and text say the same.

use std::path::PathBuf;

use crate::browser::Browser;

/// The value of `MESH_RELAY_TEST_PICTURES` with which pictures and texts are written anew.
pub const WRITE: &str = "write";
const VARIABLE: &str = "MESH_RELAY_TEST_PICTURES";

/// Width and least height of a picture, in CSS pixels.
const WINDOW: (u32, u32) = (1200, 600);

/// How large a picture is against the page: readable, and small enough to be kept.
const SCALE: f64 = 0.8;

/// Runs in the page: puts what differs from run to run into one form, and returns the page's text.
const SETTLE: &str = r#"
    // Nothing is brought up to date any more, which would undo this.
    const live = document.querySelector('#live-switch');
    if (live) {
        live.click();
        document.querySelector('#live-words').textContent = 'Follows what happens.';
        live.textContent = 'Stop live updates';
    }
    const seen = new Map();
    const numbered = (text, form) => {
        if (!seen.has(text)) seen.set(text, form(String(seen.size + 1)));
        return seen.get(text);
    };
    const rules = [
        [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g,
            (id) => numbered(id, (n) => '01990d0e-7c1a-7000-8000-' + n.padStart(12, '0'))],
        [/\b\d{17,20}_[0-9A-Z]+\b/g, (id) => numbered(id, (n) => '20260329093000123456_' + n.padStart(6, '0'))],
        [/\b\d{1,2} [A-Z][a-z]{2} \d{4}, \d\d:\d\d:\d\d UTC/g, () => '29 Mar 2026, 09:30:00 UTC'],
        [/\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ/g, () => '2026-03-29 09:30:00Z'],
        [/127\.0\.0\.1:\d+/g, () => '127.0.0.1:8700'],
        [/\b\d+ seconds?\b/g, () => '40 seconds'],
        [/\b\d+ attempts were made|\bOne attempt was made/g, () => '3 attempts were made'],
        [/\bMesh Relay \d+\.\d+\.\d+\S*/g, () => 'Mesh Relay 1.0.0.'],
    ];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const fresh = rules.reduce((text, [what, by]) => text.replace(what, by), node.data);
        if (fresh !== node.data) node.data = fresh;
    }
    document.title = rules.reduce((text, [what, by]) => text.replace(what, by), document.title);
    if (location.pathname === '/') document.querySelector('h1').textContent = 'relay.example.nhs.uk';
    document.activeElement?.blur();
    const lines = document.body.innerText.split('\n').map((line) => line.replaceAll('\t', ' | ').trim());
    return [document.title, '', ...lines].join('\n').replace(/\n{3,}/g, '\n\n').trim() + '\n';
"#;

/// Compares the page with what `docs` has of it, or writes that anew.
///
/// # Errors
/// Says what differs, and how to write it anew.
pub async fn compare(browser: &Browser, name: &str) -> Result<(), String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/screenshots");
    let (picture, text) = (folder.join(format!("{name}.png")), folder.join(format!("{name}.txt")));
    browser.resize(WINDOW.0, WINDOW.1).await;
    let shown = browser.run(SETTLE, vec![]).await;
    let shown = shown.as_str().expect("a text");
    let result = if std::env::var_os(VARIABLE).is_some_and(|value| value == WRITE) {
        std::fs::create_dir_all(&folder).expect("a folder");
        browser.screenshot(&picture, SCALE).await;
        write(&text, shown);
        Ok(())
    } else {
        let had = std::fs::read_to_string(&text).unwrap_or_default();
        let missing = !picture.is_file();
        if missing || had != shown {
            Err(format!(
                "docs/screenshots/{name} is not current{}; if the page is meant to be so, write picture and text anew with \
                 {VARIABLE}={WRITE}, and look at both\n{}",
                if missing { " (there is no picture)" } else { "" },
                difference(&had, shown)
            ))
        } else {
            Ok(())
        }
    };
    browser.zoom_100_percent().await;
    result
}

/// The lines that only one of two texts has.
fn difference(had: &str, shown: &str) -> String {
    let only = |these: &str, those: &str, sign: char| {
        let those: Vec<&str> = those.lines().collect();
        let lines = these.lines().filter(|line| !those.contains(line));
        lines.map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    only(had, shown, '-') + &only(shown, had, '+')
}

#[expect(clippy::disallowed_methods, reason = "a text for people to look at")]
fn write(path: &std::path::Path, text: &str) {
    std::fs::write(path, text).expect("a text written");
}
