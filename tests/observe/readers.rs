//! Who may read `/metrics`.

use crate::scene::{SENDER, Scene, VIEWER};
use crate::scrape::Scrape;

#[tokio::test]
async fn where_looking_needs_a_token_a_viewers_is_enough() {
    let scene = Scene::with("read_without_sign_in = false", "").await;
    let running = scene.run().await;
    running.nobody().get("/metrics").await.refused(401, "sign-in-needed");
    running.as_(SENDER).get("/metrics").await.refused(403, "not-allowed");
    assert!(!Scrape::of(&running.as_(VIEWER)).await.samples.is_empty());
    running.ends_well().await;
}
