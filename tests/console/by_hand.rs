//! Sending a file from the page, and fetching from an inbox.

use relay_testkit::wait::eventually;
use serde_json::json;

use crate::process::{ALICE, BOB};
use crate::scene::{CAROL, NOBODY, OPERATOR, Scene, WORKFLOW};

#[tokio::test]
async fn a_file_is_sent_after_what_is_sent_was_shown() {
    let scene = Scene::new().await;
    let browser = scene.browser_of(OPERATOR).await;
    scene.site.write("results.csv", "invented,results\n");
    browser.goto(&scene.url("/send")).await;
    browser.click("#do").await;
    assert!(browser.text("#send-fault").await.contains("Say to which mailbox it goes."));
    browser.select("#from", ALICE).await;
    browser.fill("#to", BOB).await;
    browser.fill("#workflow", WORKFLOW).await;
    browser.fill("#subject", "Results – März").await;
    browser.fill("#local_id", "HAND-1").await;
    browser.choose_file("#file", &scene.site.path("results.csv")).await;
    browser.click("#do").await;
    let what = browser.text("#send-what").await;
    assert_eq!(
        what,
        format!(
            "One message with the file results.csv, 17 bytes, goes from {ALICE} to {BOB}, workflow {WORKFLOW}."
        )
    );
    assert_eq!(browser.text("#do").await, "Send it");
    assert_eq!(scene.site.outbound("accepted"), 0, "nothing is sent before");
    browser.click("#do").await;
    browser.wait_for("#sent").await;
    assert_eq!(browser.text("#send-words").await, "MESH has accepted it. Follow the message");
    browser.click("#sent").await;
    browser.wait_for("#timeline").await;
    assert_eq!(browser.text("#state").await, "Accepted by MESH");
    assert!(browser.text(".nhsuk-summary-list").await.contains("HAND-1"));
    eventually("it arrives", || scene.site.bob.received() == [b"invented,results\n"]).await;
    assert_eq!(browser.console_errors().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_file_that_mesh_refuses_can_be_changed_and_sent() {
    let scene = Scene::new().await;
    let browser = scene.browser_of(OPERATOR).await;
    scene.site.write("results.csv", "invented,results\n");
    browser.goto(&scene.url("/send")).await;
    browser.fill("#to", NOBODY).await;
    browser.fill("#workflow", WORKFLOW).await;
    browser.choose_file("#file", &scene.site.path("results.csv")).await;
    browser.click("#do").await;
    browser.click("#do").await;
    browser.wait_for("#send-fault:not([hidden])").await;
    let fault = browser.text("#send-fault").await;
    assert!(fault.starts_with("It was not sent") && fault.len() > 30, "{fault}");
    browser.click("#send-back").await;
    browser.fill("#to", BOB).await;
    browser.click("#do").await;
    browser.click("#do").await;
    browser.wait_for("#sent").await;
    eventually("it arrives", || scene.site.bob.received().len() == 1).await;
}

#[tokio::test]
async fn a_message_is_fetched_from_an_inbox_and_then_acknowledged() {
    let scene = Scene::new().await;
    let more = ["--subject", "Batch 417", "--local-id", "L 1", "--file-name", "batch.csv"];
    let id = scene.put_into(CAROL, "invented,batch\n", &more).await;
    let browser = scene.browser_of(OPERATOR).await;
    browser.goto(&scene.url(&format!("/mailboxes/{CAROL}"))).await;
    browser.click(".actions a[href$='/inbox']").await;
    assert_eq!(browser.texts("#inbox a").await, [id.as_str()]);
    browser.click("#inbox a").await;
    let item = browser.text("#item").await;
    for told in [id.as_str(), ALICE, WORKFLOW, "Batch 417", "L 1", "batch.csv"] {
        assert!(item.contains(told), "{told}: {item}");
    }
    assert_eq!(browser.attribute("#fetch", "download").await.as_deref(), Some(""));
    let fetch = "return fetch(document.querySelector('#fetch').href).then(async (answer) =>
        [answer.status, await answer.text(), answer.headers.get('content-disposition'), answer.headers.get('content-type')])";
    let fetched = browser.run(fetch, vec![]).await;
    assert_eq!((&fetched[0], &fetched[1]), (&json!(200), &json!("invented,batch\n")), "{fetched}");
    assert!(
        fetched[2].as_str().is_some_and(|how| how.starts_with("attachment")),
        "nothing opens it: {fetched}"
    );
    // What is fetched stays until somebody says that it is safe.
    browser.click("#do").await;
    assert_eq!(browser.text(".nhsuk-error-message").await, "Say that you have saved it first.");
    let carol = CAROL.parse().expect("a mailbox");
    let waits =
        || scene.sandbox.messages(&carol).iter().filter(|message| message.status == "accepted").count();
    let before = scene.sandbox.messages(&carol).len();
    assert_eq!(before, 1);
    browser.click("#saved").await;
    browser.click("#do").await;
    browser.wait_until("the inbox", "location.pathname.endsWith('/inbox')").await;
    assert!(browser.text("main").await.contains("Nothing waits there."));
    assert_eq!(waits(), 0);
    let deeds = scene.deeds(&browser).await;
    for what in ["Inbox listed", "Subject looked at", "Payload fetched", "Acknowledged to MESH"] {
        assert!(deeds.iter().any(|deed| deed.contains(what)), "{what}: {deeds:?}");
    }
}
