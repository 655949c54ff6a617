//! Who may see and do what.

use crate::browser::Browser;
use crate::process::ALICE;
use crate::scene::{OPERATOR, Scene, VIEWER};

#[tokio::test]
async fn a_wrong_token_is_refused_and_the_right_one_leads_back() {
    let (scene, browser) = (Scene::new().await, Browser::open().await);
    let wanted = scene.url(&format!("/mailboxes/{ALICE}/pause"));
    browser.goto(&wanted).await;
    assert!(browser.url().await.contains("/sign-in?next="), "{}", browser.url().await);
    assert_eq!(browser.text("h1").await, "Sign in");
    browser.fill("#token", "not-a-token-that-anybody-here-has-0123456").await;
    browser.click("main button[type=submit]").await;
    let summary = browser.text(".nhsuk-error-summary").await;
    assert!(summary.contains("This token is not known here"), "{summary}");
    assert_eq!(browser.run("return document.title", vec![]).await, "Error: Sign in – Mesh Relay");
    browser
        .wait_until("the error has the keyboard", "document.activeElement.matches('.nhsuk-error-summary')")
        .await;
    assert_eq!(browser.attribute("#token", "value").await, None, "the token is not written back");
    browser.fill("#token", OPERATOR).await;
    browser.click("main button[type=submit]").await;
    browser.wait_for("form[action='/sign-out']").await;
    assert_eq!(browser.url().await, wanted);
    assert!(browser.text("nav[aria-label=Account]").await.contains("Olivia Operator"));
    browser.click(".nhsuk-header__account-button").await;
    browser.wait_for("a[href='/sign-in']").await;
    browser.goto(&wanted).await;
    assert!(browser.url().await.contains("/sign-in?next="), "the session has ended");
}

#[tokio::test]
async fn a_viewer_looks_and_is_offered_nothing_else() {
    let scene = Scene::new().await;
    scene.carry("REF-0417").await;
    let browser = scene.browser_of(VIEWER).await;
    for path in ["/", "/messages", &format!("/mailboxes/{ALICE}")] {
        browser.goto(&scene.url(path)).await;
        let acting = "a[href*='/confirm'], a[href*='/pause'], a[href*='/inbox'], a[href='/send'], a[href='/deeds'], .choose";
        assert_eq!(browser.texts(acting).await, Vec::<String>::new(), "{path}");
    }
    scene.open_message(&browser, "REF-0417").await;
    assert_eq!(browser.texts(".actions").await, Vec::<String>::new());
    for path in
        ["/send", "/deeds", &format!("/mailboxes/{ALICE}/inbox"), &format!("/mailboxes/{ALICE}/pause")]
    {
        browser.goto(&scene.url(path)).await;
        assert_eq!(browser.text("h1").await, "You may not do this", "{path}");
        assert!(browser.text("main").await.contains("The role viewer may not do this"), "{path}");
    }
}

#[tokio::test]
async fn the_keyboard_begins_with_a_way_past_the_menu_and_reaches_everything() {
    let scene = Scene::new().await;
    scene.carry("REF-0417").await;
    let browser = scene.browser_of(OPERATOR).await;
    browser.goto(&scene.url("/messages")).await;
    let names = browser.press_tab_through().await;
    let starts = ["Skip to main content", "Mesh Relay", "Sign out", "Overview", "Messages"];
    assert_eq!(names[..starts.len()], starts, "{names:?}");
    for wanted in ["Search for", "State", "Search", "Stop live updates", "Send again", "Park", "Cancel"] {
        assert!(names.iter().any(|name| name == wanted), "{wanted}: {names:?}");
    }
    assert!(names.iter().any(|name| name.starts_with("Choose the message first seen")), "{names:?}");
    assert_eq!(names.iter().filter(|name| name.is_empty()).count(), 0, "{names:?}");
    for (path, wanted) in [("/send", "Check what is sent"), (&format!("/mailboxes/{ALICE}/pause"), "Pause")] {
        browser.goto(&scene.url(path)).await;
        let names = browser.press_tab_through().await;
        assert_eq!(names[0], "Skip to main content", "{path}");
        assert!(names.iter().any(|name| name == wanted), "{path}: {names:?}");
    }
}
