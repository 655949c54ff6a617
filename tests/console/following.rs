//! Pages that follow what happens.

use crate::browser::Browser;
use crate::process::BOB;
use crate::scene::Scene;

/// Set in a page, and gone when it is loaded anew.
const MARK: &str = "window.marked = true";

#[tokio::test]
async fn a_message_s_page_follows_it_without_being_loaded_again() {
    let (scene, browser) = (Scene::new().await, Browser::open().await);
    scene.take_nothing();
    scene.drop_pair("REF-0417", BOB);
    scene.outbound("received", 1).await;
    scene.open_message(&browser, "REF-0417").await;
    browser
        .wait_until(
            "it follows",
            "document.querySelector('#live-words').textContent !== 'Up to date when it was opened.'",
        )
        .await;
    browser.run(MARK, vec![]).await;
    assert_ne!(browser.text("#state").await, "Accepted by MESH");
    scene.take_again();
    browser
        .wait_until("the new state", "document.querySelector('#state').textContent === 'Accepted by MESH'")
        .await;
    assert_eq!(
        browser.texts("#timeline .timeline__what").await.last().map(String::as_str),
        Some("Accepted by MESH")
    );
    assert!(browser.text("#live-words").await.starts_with("Updated at "));
    assert_eq!(browser.run("return window.marked", vec![]).await, true, "the page was not loaded again");
    assert_eq!(browser.console_errors().await, Vec::<String>::new());
}

#[tokio::test]
async fn whoever_stops_live_updates_keeps_the_page_as_it_is_until_they_start_them() {
    let (scene, browser) = (Scene::new().await, Browser::open().await);
    let watching = Browser::open().await;
    for page in [&browser, &watching] {
        page.goto(&scene.url("/messages?direction=outbound")).await;
        page.wait_until(
            "it follows",
            "document.querySelector('#live-words').textContent === 'Follows what happens.'",
        )
        .await;
    }
    browser.click("#live-switch").await;
    assert_eq!(browser.text("#live-words").await, "Live updates are stopped.");
    assert_eq!(browser.text("#live-switch").await, "Start live updates");
    scene.carry("REF-0417").await;
    watching
        .wait_until(
            "the other page follows",
            "document.querySelector('#found').textContent.startsWith('1 message')",
        )
        .await;
    assert_eq!(browser.text("#found").await, "No messages found");
    browser.click("#live-switch").await;
    assert_eq!(browser.text("#live-switch").await, "Stop live updates");
    browser
        .wait_until(
            "it is caught up with",
            "document.querySelector('#found').textContent.startsWith('1 message')",
        )
        .await;
}
