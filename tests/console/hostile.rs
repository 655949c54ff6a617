//! What others write into a message stays text.

use relay_testkit::pairs::Control;

use crate::process::{ALICE, BOB};
use crate::scene::{CAROL, OPERATOR, Scene};

const SCRIPT: &str = "<script>alert(1)</script>";
const IMAGE: &str = "\"><img src=x onerror=alert(1)>";

#[tokio::test]
async fn what_others_write_is_shown_as_text_and_never_runs() {
    let scene = Scene::new().await;
    let more = ["--subject", &format!("{SCRIPT}{IMAGE}"), "--local-id", IMAGE, "--file-name", SCRIPT];
    scene.put_into(CAROL, "payload", &more).await;
    // The same for Bob, whose relay records it, and one of our own.
    scene.put_into(BOB, "payload", &more).await;
    let local_id = "&lt;script&gt;alert(1)&lt;/script&gt;";
    scene.site.alice.drop_pair("HOSTILE-1", &Control::new(ALICE, BOB).local_id(local_id), b"payload");
    relay_testkit::wait::eventually("both arrive", || scene.site.bob.received().len() == 2).await;
    scene.outbound("accepted", 1).await;

    let browser = scene.browser_of(OPERATOR).await;
    browser.goto(&scene.url(&format!("/mailboxes/{CAROL}/inbox"))).await;
    browser.click("#inbox a").await;
    let item = browser.text("#item").await;
    for told in [SCRIPT, IMAGE] {
        assert!(item.contains(told), "{item}");
    }
    let mut pages = vec![browser.url().await];
    browser.goto(&scene.url("/messages?direction=outbound")).await;
    assert!(browser.text("#messages").await.contains(SCRIPT));
    for direction in ["outbound", "inbound"] {
        let list = scene.url(&format!("/messages?direction={direction}"));
        browser.goto(&list).await;
        browser.click("#messages tbody th a").await;
        assert!(browser.text(".nhsuk-summary-list").await.contains("alert(1)"), "{direction}");
        pages.extend([list, browser.url().await]);
    }
    let search: String =
        url::form_urlencoded::byte_serialize(format!("{SCRIPT}{IMAGE}").as_bytes()).collect();
    pages.push(scene.url(&format!(
        "/messages?q={search}&partner={search}&workflow={search}&from={search}&until={search}"
    )));
    pages.push(scene.url(&format!("/lookup?workflow={search}&ods={search}")));
    pages.push(scene.url(&format!("/sign-in?next={search}")));
    pages.push(scene.url("/deeds"));
    pages.push(scene.url("/partners"));
    pages.push(scene.url("/"));
    for page in pages {
        browser.goto(&page).await;
        assert_eq!(browser.alert_text().await, None, "{page}");
        let made = "return document.querySelectorAll('main script, main img, [onerror]').length";
        assert_eq!(browser.run(made, vec![]).await, 0, "{page}");
        let errors = browser.console_errors().await;
        let errors: Vec<_> = errors
            .iter()
            .filter(|error| !error.contains("the server responded with a status of 4"))
            .collect();
        assert!(errors.is_empty(), "{page}: {errors:?}");
    }
}
