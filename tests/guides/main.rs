//! The guides: every command in them is run, every configuration checked, every link followed.
//!
//! A page is played in a scratch place of its own, from its first block to its last. Blocks say by their language what they
//! are: `console` (commands behind `$`, then what they print, with `…` for what varies), `sh` (commands alone), `toml` (a
//! configuration that `check` must pass). A note above a block, which readers do not see, says more:
//!
//! | note | |
//! |---|---|
//! | `<!-- test: file PATH -->` | the block is the content of this file |
//! | `<!-- test: fragment of SAMPLE -->` | it belongs behind this sample of the repository |
//! | `<!-- test: later WORD of SAMPLE -->` | likewise, once another branch is merged |
//!
//! What is not run, and why, stands in `tables`; nothing else is left out.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

mod links;
mod page;
mod play;
mod readme;
mod stage;
mod tables;

use play::play;

// The page's MESH goes on while a command runs.
#[tokio::test(flavor = "multi_thread")]
async fn migrating() {
    play("docs/migrating.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queue_bridge() {
    play("docs/queue-bridge.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sidecar() {
    play("docs/sidecar.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operating() {
    play("docs/operating.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn security() {
    play("docs/security.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn onboarding() {
    play("docs/onboarding.md").await;
}

/// A page that nobody plays would go stale.
#[test]
fn every_page_with_commands_is_played() {
    let this = include_str!("main.rs");
    for page in page::Page::all() {
        let played = this.contains(&format!("play(\"{}\")", page.name)) || page.name == "README.md";
        let has_commands = page.blocks.iter().any(|block| ["console", "sh", "toml"].contains(&&*block.language));
        assert!(played || !has_commands, "{} has commands, and is not played here", page.name);
    }
}
