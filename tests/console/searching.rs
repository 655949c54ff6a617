//! Finding messages, and reading what happened to one.

use crate::browser::Browser;
use crate::process::BOB;
use crate::scene::{NOBODY, Scene};

/// Local ids of what a search has found.
async fn found(browser: &Browser) -> Vec<String> {
    let mut ids = browser.texts("#messages tbody td:nth-last-child(2)").await;
    ids.sort();
    ids
}

#[tokio::test]
async fn a_search_finds_by_words_state_and_date_and_says_what_it_cannot() {
    let (scene, browser) = (Scene::new().await, Browser::open().await);
    scene.carry("REF-0417").await;
    scene.carry("REF-0418").await;
    scene.drop_pair("LOST-1", NOBODY);
    scene.outbound("rejected", 1).await;

    browser.goto(&scene.url("/messages")).await;
    browser.fill("#q", "ref-0417").await;
    browser.select("#direction", "To MESH").await;
    browser.click("form[role=search] button").await;
    assert_eq!(browser.text("#found").await, "1 message, newest first");
    assert_eq!(found(&browser).await, ["REF-0417"]);
    assert_eq!(browser.attribute("#q", "value").await.as_deref(), Some("ref-0417"), "what was typed stays");

    browser.goto(&scene.url("/messages")).await;
    browser.select("#state", "Refused").await;
    browser.click("form[role=search] button").await;
    assert_eq!(found(&browser).await, ["LOST-1"]);
    assert_eq!(browser.texts("#messages .nhsuk-tag").await, ["Refused"]);

    let today = browser.run("return new Date().toISOString().slice(0, 10)", vec![]).await;
    let today = today.as_str().expect("a date");
    browser.goto(&scene.url(&format!("/messages?direction=outbound&from={today}&until={today}"))).await;
    // Unless midnight has passed meanwhile.
    let now = browser.run("return new Date().toISOString().slice(0, 10)", vec![]).await;
    assert!(now != today || found(&browser).await == ["LOST-1", "REF-0417", "REF-0418"]);
    browser.goto(&scene.url("/messages?until=2020-02-29")).await;
    assert_eq!(browser.text("#found").await, "No messages found");
    assert_eq!(browser.attribute("#until", "value").await.as_deref(), Some("2020-02-29"));

    browser.goto(&scene.url("/messages")).await;
    browser.fill("#q", "zz").await;
    browser.click("form[role=search] button").await;
    let summary = browser.text(".nhsuk-error-summary").await;
    assert!(summary.contains("Each word of a search has 3 letters or digits at least."), "{summary}");
    assert_eq!(browser.run("return document.title", vec![]).await, "Error: Messages – Mesh Relay");
    assert_eq!(browser.attribute("#q", "value").await.as_deref(), Some("zz"));
}

#[tokio::test]
async fn a_message_tells_its_story_at_an_address_that_stays() {
    let (scene, browser) = (Scene::new().await, Browser::open().await);
    scene.carry("REF-0417").await;
    scene.open_message(&browser, "REF-0417").await;
    assert_eq!(browser.text("#state").await, "Accepted by MESH");
    let steps = browser.texts("#timeline .timeline__what").await;
    assert_eq!(steps, ["Waiting to be sent", "Being sent", "Accepted by MESH"]);
    let words = browser.texts("#timeline .timeline__more").await;
    assert!(words[1].starts_with("Attempt 1 was recorded before its first byte left"), "{words:?}");
    assert!(words[2].starts_with("MESH answered with the id "), "{words:?}");
    assert!(browser.text(".nhsuk-summary-list").await.contains(BOB));
    let address = browser.url().await;
    let again = Browser::open().await;
    again.goto(&address).await;
    assert_eq!(again.texts("#timeline .timeline__what").await, steps);

    browser.goto(&scene.url("/messages?direction=inbound")).await;
    browser.click("#messages tbody th a").await;
    assert_eq!(browser.text("#state").await, "Delivered");
    assert_eq!(browser.text("h1").await, "Message from MESH");

    scene.drop_pair("LOST-1", NOBODY);
    scene.outbound("rejected", 1).await;
    scene.open_message(&browser, "LOST-1").await;
    assert_eq!(browser.text("#state").await, "Refused");
    let last = browser.texts("#timeline .timeline__more").await.pop().expect("a step");
    assert!(!last.is_empty() && !last.contains('{'), "it says why, in words: {last}");
}
