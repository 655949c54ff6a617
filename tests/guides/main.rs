//! The guides: every command in them is run, every configuration checked, every link followed.
//!
//! A page is played in a scratch place of its own, from its first block to its last. Blocks say by their language what they
//! are: `console` (commands behind `$`, then what they print, with `…` for what varies), `sh` (commands alone), `toml` (a
//! configuration that `check` must pass, alone or behind `base.toml`). In a block that does not say what it is, as README's, the
//! program must know each command's words. A note above a block, which readers do not see, says more:
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
mod samples;
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

/// All other pages, README among them: nothing that is shown anywhere goes stale.
#[tokio::test(flavor = "multi_thread")]
async fn every_other_page() {
    let this = include_str!("main.rs");
    for page in page::Page::all() {
        if !this.contains(&format!("play(\"{}\")", page.name)) {
            play(&page.name).await;
        }
    }
}
