//! Pausing a mailbox, and ending that.

use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB};
use crate::scene::{OPERATOR, Scene};

#[tokio::test]
async fn what_is_dropped_while_a_mailbox_is_paused_goes_once_it_is_resumed() {
    let scene = Scene::new().await;
    let browser = scene.browser_of(OPERATOR).await;
    let mailbox = scene.url(&format!("/mailboxes/{ALICE}"));
    browser.goto(&mailbox).await;
    browser.click(".actions a[href$='/pause']").await;
    assert_eq!(browser.text("h1").await, format!("Pause mailbox {ALICE}?"));
    browser.fill("#reason", "change of passwords").await;
    browser.click("#do").await;
    browser.wait_for(".nhsuk-summary-list").await;
    assert_eq!(browser.url().await, mailbox);
    let state = browser.text(".nhsuk-summary-list").await;
    assert!(state.contains("is paused since") && state.contains("change of passwords"), "{state}");
    browser.goto(&scene.url("/")).await;
    assert!(browser.text("#troubles").await.contains("Nothing of it moves until somebody resumes it."));

    scene.drop_pair("REF-0417", BOB);
    // What Bob sends meanwhile goes.
    let control = relay_testkit::pairs::Control::new(BOB, crate::scene::CAROL).local_id("REF-0001");
    scene.site.bob.drop_pair("REF-0001", &control, b"an invented letter");
    scene.outbound("accepted", 1).await;
    scene.outbound("received", 1).await;
    scene.open_message(&browser, "REF-0417").await;
    assert_eq!(browser.text("#state").await, "Waiting to be sent");
    let waits = browser.text("#waits").await;
    assert!(waits.starts_with(&format!("It waits: mailbox {ALICE} is paused since")), "{waits}");
    assert_eq!(scene.site.bob.received().len(), 0);

    browser.goto(&mailbox).await;
    browser.click(".actions a[href$='/pause']").await;
    assert_eq!(browser.text("h1").await, format!("Resume mailbox {ALICE}?"));
    browser.click("#do").await;
    browser.wait_for(".nhsuk-summary-list").await;
    eventually("it arrives", || scene.site.bob.received().len() == 1).await;
    let deeds = scene.deeds(&browser).await;
    assert_eq!(deeds.len(), 2, "{deeds:?}");
    assert!(deeds[0].contains("Olivia Operator Resumed"), "{deeds:?}");
    assert!(
        deeds[1].contains("Olivia Operator Paused") && deeds[1].contains("change of passwords"),
        "{deeds:?}"
    );
}
