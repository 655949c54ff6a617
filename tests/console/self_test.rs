//! The browser's own tests, on pages that are good, or bad in ways that it must see: a check that cannot fail is worthless.

mod server;

use std::path::PathBuf;

use crate::browser::Browser;
use server::Server;

/// Names a folder for pictures of the pages, if one wants to look at them.
const PICTURES: &str = "MESH_RELAY_TEST_PICTURES";

#[tokio::test]
async fn axe_and_the_console_are_content_with_a_good_page_at_every_size() {
    let (server, browser) = (Server::start().await, Browser::open().await);
    browser.goto(&server.url("/good")).await;
    for zoomed in [false, true] {
        if zoomed {
            browser.zoom_400_percent().await;
            assert_eq!(browser.run("return innerWidth", vec![]).await, 320);
        }
        let found = browser.axe().await;
        assert!(found.violations.is_empty(), "zoomed: {zoomed}\n{}", found.violations.join("\n\n"));
        // It cannot tell what lies behind words in a drawing, beside a circle that a style draws, or past a region's edge.
        for one in found.undecided {
            assert!(one.starts_with("color-contrast "), "zoomed: {zoomed}\n{one}");
        }
        browser.no_sideways_scroll().await.expect("nothing is too wide");
        picture(&browser, if zoomed { "good-400-percent" } else { "good" }).await;
    }
    browser.zoom_100_percent().await;
    browser.on_paper(true).await;
    assert_eq!(browser.text("nav.nhsuk-header__navigation").await, "", "nothing to click is printed");
    picture(&browser, "good-on-paper").await;
    assert_eq!(browser.console_errors().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_form_is_filled_in_and_answered() {
    let (server, browser) = (Server::start().await, Browser::open().await);
    let file = tempfile::NamedTempFile::new().expect("a file");
    browser.goto(&server.url("/good")).await;
    browser.fill("#mailbox", "to be replaced").await;
    browser.fill("#mailbox", "X26HC005").await;
    browser.select("#state", "Parked").await;
    browser.choose_file("#file", file.path()).await;
    browser.click("#look").await;
    browser.wait_for("#said[data-ready]").await;
    browser.wait_until("the answer", "document.querySelector('#said').textContent.length > 0").await;
    let name = file.path().file_name().and_then(|name| name.to_str()).expect("a name");
    assert_eq!(browser.text("#said").await, format!("X26HC005, Parked, {name}"));
    assert_eq!(browser.attribute("#said", "data-ready").await.as_deref(), Some("yes"));
    assert_eq!(browser.texts(".tile__figure").await, ["12,345", "9", "3"]);
    assert!(browser.url().await.ends_with("/good"));
}

#[tokio::test]
async fn the_keyboard_goes_through_a_page_in_its_order() {
    let (server, browser) = (Server::start().await, Browser::open().await);
    browser.goto(&server.url("/good")).await;
    let names = browser.press_tab_through().await;
    let starts = ["Skip to main content", "Mesh Relay", "Sign out", "Overview", "Messages"];
    assert_eq!(names[..starts.len()], starts, "{names:?}");
    assert_eq!(names.last().map(String::as_str), Some("Cancel"), "{names:?}");
    assert!(names.iter().any(|name| name == "File to send"), "{names:?}");
    assert_eq!(names.iter().filter(|name| name.is_empty()).count(), 0, "{names:?}");
}

#[tokio::test]
#[should_panic(expected = "the keyboard is caught at \"Trap\"")]
async fn a_page_that_keeps_the_keyboard_is_found_out() {
    let (server, browser) = (Server::start().await, Browser::open().await);
    browser.goto(&server.url("/trap")).await;
    browser.press_tab_through().await;
}

#[tokio::test]
async fn axe_finds_the_faults_of_a_bad_page() {
    let (server, browser) = (Server::start().await, Browser::open().await);
    browser.goto(&server.url("/bad")).await;
    let violations = browser.axe().await.violations;
    let found = |rule: &str, element: &str| {
        violations.iter().any(|one| one.starts_with(rule) && one.contains(element))
    };
    assert!(found("label ", "#nameless"), "{violations:?}");
    assert!(found("color-contrast ", "font"), "{violations:?}");
}

#[tokio::test]
async fn what_the_policy_of_a_page_stops_is_told_and_does_not_run() {
    let (server, browser) = (Server::start().await, Browser::open().await);
    browser.goto(&server.url("/bad")).await;
    assert_eq!(browser.alert_text().await, None);
    let errors = browser.console_errors().await;
    for directive in ["script-src", "style-src", "img-src"] {
        assert!(errors.iter().any(|error| error.contains(directive)), "{directive}: {errors:?}");
    }
    assert_eq!(browser.console_errors().await, Vec::<String>::new(), "each is told once");
}

#[tokio::test]
async fn a_script_that_ran_and_a_fetch_from_elsewhere_are_told() {
    let (server, browser) = (Server::start().await, Browser::open().await);
    browser.goto(&server.url("/bad-without-policy")).await;
    assert_eq!(browser.alert_text().await.as_deref(), Some("a script ran"));
    browser.wait_until("the page is loaded", "document.readyState === 'complete'").await;
    let errors = browser.console_errors().await;
    assert!(errors.iter().any(|error| error.contains("ERR_NAME_NOT_RESOLVED")), "{errors:?}");
}

#[tokio::test]
async fn a_page_that_is_too_wide_is_found_out() {
    let (server, browser) = (Server::start().await, Browser::open().await);
    browser.goto(&server.url("/bad")).await;
    browser.no_sideways_scroll().await.expect("there is room for it in a large window");
    browser.zoom_400_percent().await;
    let wide = browser.no_sideways_scroll().await.expect_err("too wide");
    assert!(wide.contains("<table width=\"900\">"), "{wide}");
}

async fn picture(browser: &Browser, name: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = match std::env::var_os(PICTURES) {
        Some(kept) if kept != crate::pages::WRITE => PathBuf::from(kept).join(format!("{name}.png")),
        _ => folder.path().join("picture.png"),
    };
    browser.screenshot(&path, 1.0).await;
    let picture = std::fs::read(&path).expect("a picture");
    assert!(picture.starts_with(b"\x89PNG"), "it is a picture");
    let height = picture[20..24].iter().fold(0_u32, |height, byte| height << 8 | u32::from(*byte));
    assert!(height > 1024, "it shows the whole page and not only the window, {height} px");
}
