//! What an operator has done about messages.

use crate::browser::Browser;
use crate::process::{ALICE, BOB};
use crate::scene::{OPERATOR, Scene};

/// Chooses every message that a search has found, and an action for them.
async fn choose_all(browser: &Browser, action: &str) {
    browser.run("document.querySelectorAll('.choose').forEach((box) => box.click())", vec![]).await;
    browser.click(&format!("button[value={action}]")).await;
    browser.wait_for("#do").await;
}

#[tokio::test]
async fn a_message_is_sent_again_after_asking_back_and_recorded() {
    let scene = Scene::new().await;
    scene.carry("REF-0417").await;
    let browser = scene.browser_of(OPERATOR).await;
    scene.open_message(&browser, "REF-0417").await;
    let message = browser.url().await;
    browser.click(".actions a[href*='action=resend']").await;
    assert_eq!(browser.text("h1").await, "Send again: 1 message?");
    assert!(
        browser
            .text("#what")
            .await
            .starts_with("1 message is sent again. What goes to MESH goes as new messages")
    );
    assert_eq!(browser.texts("#recipients li").await, [format!("To {BOB}: 1 message")]);
    assert_eq!(scene.site.bob.received().len(), 1, "nothing is sent before it is confirmed");
    browser.click("#do").await;
    browser.wait_for("#timeline").await;
    assert_eq!(browser.url().await, message, "a page that can be reloaded");
    relay_testkit::wait::eventually("it arrives again", || scene.site.bob.received().len() == 2).await;
    let deed = browser.text("h2:has(+ ul) + ul").await;
    assert!(deed.contains("Olivia Operator"), "{deed}");
    let deeds = scene.deeds(&browser).await;
    assert_eq!(deeds.len(), 1, "{deeds:?}");
    assert!(deeds[0].contains("Olivia Operator Sent again as a new message"), "{deeds:?}");
    let about = browser.attribute("#deeds tbody a", "href").await.expect("a link to the message");
    assert!(message.ends_with(&about), "{about}");
}

#[tokio::test]
async fn a_confirmation_that_is_sent_twice_sends_nothing_twice() {
    let scene = Scene::new().await;
    scene.carry("REF-0417").await;
    let browser = scene.browser_of(OPERATOR).await;
    scene.open_message(&browser, "REF-0417").await;
    browser.click(".actions a[href*='action=resend']").await;
    browser.wait_for("#do").await;
    let send = "const body = new URLSearchParams(new FormData(document.querySelector('form[action=\"/confirm\"]')));
        return fetch('/confirm', { method: 'POST', body }).then(async (answer) => [answer.status, await answer.text()]);";
    let first = browser.run(send, vec![]).await;
    assert_eq!(first[0], 200, "{first}");
    let second = browser.run(send, vec![]).await;
    assert_eq!(second[0], 409, "{second}");
    assert!(second[1].as_str().is_some_and(|page| page.contains("This was done already")), "{second}");
    scene.outbound("accepted", 2).await;
    assert_eq!(scene.deeds(&browser).await.len(), 1);
}

#[tokio::test]
async fn several_are_sent_again_once_their_number_was_typed() {
    let scene = Scene::new().await;
    scene.carry("REF-0417").await;
    scene.carry("REF-0418").await;
    let browser = scene.browser_of(OPERATOR).await;
    browser.goto(&scene.url("/messages?direction=outbound")).await;
    choose_all(&browser, "resend").await;
    assert_eq!(browser.text("h1").await, "Send again: 2 messages?");
    assert_eq!(browser.texts("#recipients li").await, [format!("To {BOB}: 2 messages")]);
    browser.click("#do").await;
    let summary = browser.text(".nhsuk-error-summary").await;
    assert!(summary.contains("These are 2. Type that number if they are what you mean."), "{summary}");
    browser.fill("#count", "3").await;
    browser.click("#do").await;
    assert!(browser.text(".nhsuk-error-summary").await.contains("These are 2"));
    assert_eq!(scene.site.outbound("accepted"), 2, "nothing was sent");
    browser.fill("#count", "2").await;
    browser.click("#do").await;
    browser.wait_for("#results").await;
    assert_eq!(browser.text("h1").await, "2 of 2 messages done");
    assert_eq!(browser.texts("#results .nhsuk-tag").await, ["Done", "Done"]);
    scene.outbound("accepted", 4).await;
    browser.reload().await;
    assert_eq!(browser.text("#problem").await, "This was done already; nothing is done a second time.");
    assert_eq!(scene.deeds(&browser).await.len(), 2);
}

/// Has a message that waits, since Alice's mailbox is paused, parked or cancelled.
async fn end(scene: &Scene, browser: &Browser, name: &str, action: &str) {
    scene.switch_pause(browser).await;
    scene.drop_pair(name, BOB);
    scene.outbound("received", 1).await;
    scene.open_message(browser, name).await;
    let waits = browser.text("#waits").await;
    assert!(waits.starts_with(&format!("It waits: mailbox {ALICE} is paused since")), "{waits}");
    browser.click(&format!(".actions a[href*='action={action}']")).await;
    browser.wait_for("#do").await;
}

#[tokio::test]
async fn a_message_that_waits_is_parked_and_never_sent() {
    let scene = Scene::new().await;
    let browser = scene.browser_of(OPERATOR).await;
    end(&scene, &browser, "PARK-1", "park").await;
    browser.fill("#reason", "wrong list").await;
    browser.click("#do").await;
    browser.wait_for("#timeline").await;
    assert_eq!(browser.text("#state").await, "Parked");
    let last = browser.texts("#timeline .timeline__more").await.pop();
    assert_eq!(last.as_deref(), Some("Parked by an operator."), "said once");
    let deeds = browser.text("main").await;
    assert!(deeds.contains("wrong list"), "why stands with the deed: {deeds}");
    scene.switch_pause(&browser).await;
    scene.carry("REF-0417").await;
    assert_eq!(scene.site.bob.received().len(), 1);
    browser.goto(&scene.url("/")).await;
    assert!(browser.text("#troubles").await.contains("1 message to MESH is parked and waits for a person."));
}

#[tokio::test]
async fn a_message_that_waits_is_cancelled() {
    let scene = Scene::new().await;
    let browser = scene.browser_of(OPERATOR).await;
    end(&scene, &browser, "CANCEL-1", "cancel").await;
    assert_eq!(browser.text("h1").await, "Cancel the sending: 1 message?");
    browser.click("#do").await;
    browser.wait_for("#timeline").await;
    assert_eq!(browser.text("#state").await, "Cancelled");
    let ends = "a[href*='action=park'], a[href*='action=cancel']";
    assert_eq!(browser.texts(ends).await, Vec::<String>::new(), "it has ended already");
    let deeds = scene.deeds(&browser).await;
    assert!(deeds[0].contains("Olivia Operator Cancelled Message"), "{deeds:?}");
}
