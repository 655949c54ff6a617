//! Every page in every state that people see: held against axe-core, read at 400 %, and compared with what `docs` shows.

mod pictures;
mod tour;

use relay_testkit::pairs::Control;
use relay_testkit::wait::DEADLINE;

use crate::browser::Browser;
use crate::process::{ALICE, BOB};
use crate::scene::{CAROL, NOBODY, OPERATOR, Scene, VIEWER, WORKFLOW};
use tour::Tour;

pub use pictures::WRITE;

/// A morning's work: sent and collected, refused, and one that is parked.
async fn morning(scene: &Scene) {
    scene.carry("REF-2026-0417").await;
    scene.carry("REF-2026-0418").await;
    let control = Control::new(BOB, CAROL).local_id("LAB-0099");
    scene.site.bob.drop_pair("LAB-0099", &control, b"an invented result");
    scene.outbound("accepted", 3).await;
    scene.drop_pair("REF-2026-0419", NOBODY);
    scene.outbound("rejected", 1).await;
    let more = ["--subject", "Invented batch 417", "--local-id", "BATCH-417", "--file-name", "batch-417.csv"];
    scene.put_into(CAROL, "invented,batch\n", &more).await;
}

/// Has the message with a local id, which waits, parked.
async fn park(scene: &Scene, browser: &Browser, local_id: &str) {
    scene.switch_pause(browser).await;
    scene.drop_pair(local_id, BOB);
    scene.outbound("received", 1).await;
    scene.open_message(browser, local_id).await;
    browser.click(".actions a[href*='action=park']").await;
    browser.fill("#reason", "sent by mistake").await;
    browser.click("#do").await;
    browser.wait_for("#timeline").await;
    scene.outbound("parked", 1).await;
    scene.switch_pause(browser).await;
}

/// Opens the overview once nothing moves any more, and it says so and how many things want attention.
async fn overview_at_rest(scene: &Scene, browser: &Browser, troubles: usize) {
    let at_rest = async {
        loop {
            browser.goto(&scene.url("/")).await;
            let rows = browser.texts("[aria-labelledby=mailboxes] tbody tr").await;
            let found = browser.texts("#troubles li").await.len();
            if found == troubles && rows.iter().filter(|row| row.contains("In use none 0 none")).count() == 2
            {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, at_rest).await.expect("the overview at rest");
}

#[tokio::test]
async fn an_operator_s_pages_are_fit_for_everyone_and_as_docs_shows_them() {
    let scene = Scene::polling("2s").await;
    let mut tour = Tour::new(scene.browser_of(OPERATOR).await);
    morning(&scene).await;
    park(&scene, &tour.browser, "REF-2026-0420").await;

    overview_at_rest(&scene, &tour.browser, 2).await;
    tour.picture("overview").await;
    tour.goto(&scene.url("/messages")).await;
    tour.picture("messages").await;
    tour.goto(&scene.url("/messages?q=nothing-has-this")).await;
    tour.look("a search without an outcome").await;
    tour.goto_wrong(&scene.url("/messages?q=zz")).await;
    tour.picture("messages-error").await;
    scene.open_message(&tour.browser, "REF-2026-0417").await;
    tour.picture("message").await;
    scene.open_message(&tour.browser, "REF-2026-0420").await;
    tour.picture("message-parked").await;
    scene.open_message(&tour.browser, "REF-2026-0417").await;
    tour.browser.click(".actions a[href*='action=resend']").await;
    tour.picture("confirm").await;

    tour.goto(&scene.url(&format!("/messages?direction=outbound&mailbox={ALICE}&state=accepted"))).await;
    tour.browser.run("document.querySelectorAll('.choose').forEach((box) => box.click())", vec![]).await;
    tour.browser.click("button[value=resend]").await;
    tour.browser.wait_for("#count").await;
    tour.look("confirmation of several").await;
    tour.browser.click("#do").await;
    tour.browser.wait_for(".nhsuk-error-summary").await;
    tour.refused("a confirmation without the count").await;
    tour.browser.fill("#count", "2").await;
    tour.browser.click("#do").await;
    tour.browser.wait_for("#results").await;
    tour.picture("done").await;
    scene.outbound("accepted", 5).await;
    scene.acknowledged(4).await;

    tour.goto(&scene.url("/partners")).await;
    tour.picture("partners").await;
    tour.goto_wrong(&scene.url("/partners?days=0")).await;
    tour.look("partners with an error").await;
    tour.goto(&scene.url("/lookup")).await;
    tour.look("lookup").await;
    tour.goto(&scene.url(&format!("/lookup?workflow={WORKFLOW}&ods=X26"))).await;
    tour.picture("lookup").await;
    tour.goto_wrong(&scene.url("/lookup?workflow=")).await;
    tour.look("lookup with an error").await;
    tour.goto(&scene.url(&format!("/mailboxes/{ALICE}"))).await;
    tour.picture("mailbox").await;
    tour.goto(&scene.url(&format!("/mailboxes/{ALICE}/pause"))).await;
    tour.picture("pause").await;
    tour.goto(&scene.url("/adapters/alice/pause")).await;
    tour.look("pause of an adapter").await;
    tour.goto(&scene.url(&format!("/mailboxes/{ALICE}/inbox"))).await;
    tour.look("an empty inbox").await;
    tour.goto(&scene.url(&format!("/mailboxes/{CAROL}/inbox"))).await;
    tour.picture("inbox").await;
    tour.browser.click("#inbox li:last-child a").await;
    tour.browser.wait_for("#item").await;
    tour.picture("item").await;
    tour.browser.click("#do").await;
    tour.browser.wait_for(".nhsuk-error-message").await;
    tour.refused("a message that was not saved").await;

    tour.goto(&scene.url("/send")).await;
    tour.browser.click("#do").await;
    tour.browser.wait_for("#send-fault:not([hidden])").await;
    tour.look("a file with an error").await;
    tour.goto(&scene.url("/send")).await;
    scene.site.write("results.csv", "invented,results\n");
    tour.browser.fill("#to", BOB).await;
    tour.browser.fill("#workflow", WORKFLOW).await;
    tour.browser.choose_file("#file", &scene.site.path("results.csv")).await;
    tour.picture("send").await;
    tour.browser.click("#do").await;
    tour.browser.wait_for("#send-what:not([hidden])").await;
    tour.picture("send-check").await;
    tour.browser.click("#do").await;
    tour.browser.wait_for("#sent").await;
    tour.look("a file that was sent").await;
    tour.goto(&scene.url("/deeds")).await;
    tour.picture("deeds").await;
    tour.goto_wrong(&scene.url("/nothing-here")).await;
    tour.look("no page").await;
    tour.goto_wrong(&scene.url("/messages/00000000-0000-0000-0000-000000000000")).await;
    tour.look("no message").await;
    tour.finish();
}

#[tokio::test]
async fn everybody_s_pages_are_fit_for_everyone_and_as_docs_shows_them() {
    let scene = Scene::new().await;
    let mut tour = Tour::new(Browser::open().await);
    overview_at_rest(&scene, &tour.browser, 0).await;
    tour.look("an overview without trouble").await;
    tour.goto(&scene.url("/messages")).await;
    tour.look("no messages").await;
    morning(&scene).await;
    tour.goto(&scene.url("/")).await;
    tour.look("overview").await;
    tour.goto(&scene.url("/messages")).await;
    tour.look("messages").await;
    scene.open_message(&tour.browser, "REF-2026-0417").await;
    tour.look("message").await;
    tour.goto(&scene.url("/partners")).await;
    tour.look("partners").await;
    tour.goto(&scene.url(&format!("/lookup?workflow={WORKFLOW}"))).await;
    tour.look("lookup").await;
    tour.goto(&scene.url(&format!("/mailboxes/{BOB}"))).await;
    tour.look("mailbox").await;
    tour.goto_wrong(&scene.url("/nothing-here")).await;
    tour.picture("problem").await;
    tour.goto(&scene.url("/sign-in")).await;
    tour.picture("sign-in").await;
    tour.browser.fill("#token", "not-a-token-that-anybody-here-has-0123456").await;
    tour.browser.click("main button[type=submit]").await;
    tour.browser.wait_for(".nhsuk-error-summary").await;
    tour.refused("sign-in with a wrong token").await;
    scene.sign_in(&tour.browser, VIEWER).await;
    tour.goto_wrong(&scene.url("/send")).await;
    tour.picture("refused").await;
    tour.finish();
}

#[tokio::test]
async fn pages_in_trouble_are_fit_for_everyone() {
    let scene = Scene::new().await;
    scene.carry("REF-2026-0417").await;
    let mut tour = Tour::new(scene.browser_of(OPERATOR).await);
    scene.take_nothing();
    scene.drop_pair("REF-2026-0418", BOB);
    scene.outbound("received", 1).await;
    scene.open_message(&tour.browser, "REF-2026-0418").await;
    tour.look("a message that waits").await;
    tour.goto(&scene.url(&format!("/mailboxes/{ALICE}/pause"))).await;
    tour.browser.fill("#reason", "change of passwords").await;
    tour.browser.click("#do").await;
    tour.browser.wait_for(".nhsuk-summary-list").await;
    tour.look("a paused mailbox").await;
    tour.goto(&scene.url(&format!("/mailboxes/{ALICE}/pause"))).await;
    tour.look("resuming").await;
    tour.goto(&scene.url("/")).await;
    tour.browser.wait_for("#troubles").await;
    tour.picture("overview-trouble").await;
    tour.finish();
}
