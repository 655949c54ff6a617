//! A headless Chromium, as a person uses it: open a page, read, click, fill in, press keys, look. Whatever does not work
//! fails the test and says what was tried. Nothing here waits for a fixed time.

mod accessibility;
mod protocol;

use std::path::Path;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use relay_testkit::wait::DEADLINE;
use serde_json::{Value, json};

use protocol::{Command, Session};

/// Names the driver of the browser.
const VARIABLE: &str = "MESH_RELAY_TEST_BROWSER";
/// Pause between two looks at a page.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Width and height of the window, in CSS pixels.
const WINDOW: (u32, u32) = (1280, 1024);
/// What is left of the window at a zoom of 400 %.
const WINDOW_AT_400_PERCENT: (u32, u32) = (WINDOW.0 / 4, WINDOW.1 / 4);

/// A browser with an empty profile. It ends when this is dropped, also by a test that fails.
pub struct Browser {
    client: Client,
    // Dropped after the client, and ends the browser.
    _session: Session,
}

impl Browser {
    /// Starts a browser.
    pub async fn open() -> Self {
        let driver = std::env::var(VARIABLE)
            .unwrap_or_else(|_| panic!("{VARIABLE} is not set; run `export {VARIABLE}=$(tests/browser.sh)`"));
        let capabilities = json!({
            "browserName": "chrome",
            // Tests' servers sign their own certificates.
            "acceptInsecureCerts": true,
            // A dialogue stays until the test has seen it.
            "unhandledPromptBehavior": "ignore",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "args": [
                "--headless=new",
                // Chromium's sandbox refuses to run as root, which tests do. It opens only pages of ours.
                "--no-sandbox",
                // Containers have little of /dev/shm.
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--lang=en-GB",
                // A page that fetches anything from elsewhere shows as an error.
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
            ]},
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("written as an object") };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver)
            .await
            .unwrap_or_else(|error| panic!("no browser by {driver}: {error}; does tests/browser.sh run?"));
        let id = client.session_id().await.expect("the session's id").expect("a session");
        // The session ends by our own hand: the library's would need the runtime that a failing test has left already.
        client.persist().await.expect("the session is kept");
        let browser = Self { client, _session: Session { driver, id } };
        browser.resize(WINDOW.0, WINDOW.1).await;
        browser
    }

    /// Opens a page and waits until it is loaded.
    pub async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("{url} could not be opened: {error}"));
    }

    /// Loads the page again, as the browser's button does; a form that led here is sent again.
    pub async fn reload(&self) {
        self.client.refresh().await.expect("the page loaded again");
    }

    /// Where the browser is.
    pub async fn url(&self) -> String {
        self.client.current_url().await.expect("the page's URL").to_string()
    }

    /// The text that a person sees in the first element of a selector.
    pub async fn text(&self, css: &str) -> String {
        loop {
            match self.element(css).await.text().await {
                Ok(text) => return text,
                // As when clicking.
                Err(error) if error.is_stale_element_reference() => {}
                Err(error) => panic!("{css} could not be read: {error}"),
            }
        }
    }

    /// The text that a person sees in each element of a selector.
    pub async fn texts(&self, css: &str) -> Vec<String> {
        'anew: loop {
            let elements = self.client.find_all(Locator::Css(css)).await;
            let mut texts = Vec::new();
            for element in elements.unwrap_or_else(|error| panic!("{css} could not be looked for: {error}")) {
                match element.text().await {
                    Ok(text) => texts.push(text),
                    // As when clicking.
                    Err(error) if error.is_stale_element_reference() => continue 'anew,
                    Err(error) => panic!("{css} could not be read: {error}"),
                }
            }
            return texts;
        }
    }

    /// An attribute of the first element of a selector, if it has it.
    pub async fn attribute(&self, css: &str, name: &str) -> Option<String> {
        let value = self.element(css).await.attr(name).await;
        value.unwrap_or_else(|error| panic!("{name} of {css} could not be read: {error}"))
    }

    /// Clicks on the first element of a selector, as a mouse does: what lies beneath another element cannot be clicked.
    pub async fn click(&self, css: &str) {
        loop {
            match self.element(css).await.click().await {
                Ok(()) => return,
                // The page was brought up to date meanwhile, which ends when nothing changes any more.
                Err(error) if error.is_stale_element_reference() => {}
                Err(error) => panic!("{css} could not be clicked: {error}"),
            }
        }
    }

    /// Puts a text into a field in place of what is in it.
    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.element(css).await;
        field.clear().await.unwrap_or_else(|error| panic!("{css} could not be emptied: {error}"));
        field.send_keys(text).await.unwrap_or_else(|error| panic!("{css} could not be filled in: {error}"));
    }

    /// Chooses an option of a list by the words that it shows.
    pub async fn select(&self, css: &str, words: &str) {
        let chosen = self.element(css).await.select_by_label(words).await;
        chosen.unwrap_or_else(|error| panic!("{words} could not be chosen in {css}: {error}"));
    }

    /// Gives a file to a field for one.
    pub async fn choose_file(&self, css: &str, path: &Path) {
        let path = path.to_str().expect("a path in UTF-8");
        let chosen = self.element(css).await.send_keys(path).await;
        chosen.unwrap_or_else(|error| panic!("{path} could not be chosen in {css}: {error}"));
    }

    /// Waits until an element is there.
    pub async fn wait_for(&self, css: &str) {
        self.element(css).await;
    }

    /// Waits until an expression of JavaScript is true in the page.
    pub async fn wait_until(&self, what: &str, expression: &str) {
        let condition = format!("return Boolean({expression})");
        tokio::time::timeout(DEADLINE, async {
            while self.run(&condition, vec![]).await != json!(true) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"));
    }

    /// Gives the page a window of a size, in CSS pixels; any size, unlike a real window.
    pub async fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Shows the page as large as a browser can, 400 %: a window of 1280 px then holds 320 CSS px (WCAG 1.4.10).
    pub async fn zoom_400_percent(&self) {
        self.resize(WINDOW_AT_400_PERCENT.0, WINDOW_AT_400_PERCENT.1).await;
    }

    /// Shows the page in the first size again.
    pub async fn zoom_100_percent(&self) {
        self.resize(WINDOW.0, WINDOW.1).await;
    }

    /// Shows the page as it looks on paper, or on the screen again.
    pub async fn on_paper(&self, paper: bool) {
        let media = if paper { "print" } else { "screen" };
        self.devtools("Emulation.setEmulatedMedia", json!({ "media": media })).await;
    }

    /// Writes a picture of the whole page, also of what one would have to scroll to, so many times as large as it is. PNG.
    #[expect(clippy::disallowed_methods, reason = "a picture for people to look at")]
    pub async fn screenshot(&self, path: &Path, scale: f64) {
        let layout = self.devtools("Page.getLayoutMetrics", json!({})).await;
        // A picture has no scrollbar, so that it is as wide as the window; the size of the content leaves that out.
        let (width, height) =
            (self.run("return innerWidth", vec![]).await, &layout["cssContentSize"]["height"]);
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": scale });
        let whole = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let picture = self.devtools("Page.captureScreenshot", whole).await;
        let picture = Base64::decode_vec(picture["data"].as_str().expect("a picture")).expect("Base64");
        std::fs::write(path, picture).expect("a picture written");
    }

    /// What the browser complained of since this was last asked: errors of scripts, violations of the page's policy, and
    /// whatever could not be loaded (a page that answers 4xx on purpose is among it). Must be empty.
    pub async fn console_errors(&self) -> Vec<String> {
        let entries = self.command(Command::post("se/log", json!({ "type": "browser" }))).await;
        let entries = entries.as_array().expect("entries of the log").iter();
        let bad = entries.filter(|entry| entry["level"] == "SEVERE" || entry["source"] == "security");
        bad.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The text of the dialogue that a script of the page has opened, if one did; closes it.
    pub async fn alert_text(&self) -> Option<String> {
        match self.client.get_alert_text().await {
            Ok(text) => {
                self.client.accept_alert().await.expect("the dialogue closed");
                Some(text)
            }
            Err(error) if error.is_no_such_alert() => None,
            Err(error) => panic!("dialogues could not be looked for: {error}"),
        }
    }

    /// Runs the body of a function of JavaScript in the page, whose policy does not bind it, and returns what it returns.
    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client
            .execute(script, arguments)
            .await
            .unwrap_or_else(|error| panic!("a script failed: {error}"))
    }

    /// The first element of a selector, once there is one.
    async fn element(&self, css: &str) -> Element {
        let waiting = self.client.wait().at_most(DEADLINE).every(LOOK_EVERY);
        waiting
            .for_element(Locator::Css(css))
            .await
            .unwrap_or_else(|error| panic!("no {css} in the page: {error}"))
    }

    async fn devtools(&self, method: &str, parameters: Value) -> Value {
        self.command(Command::post("goog/cdp/execute", json!({ "cmd": method, "params": parameters }))).await
    }

    async fn command(&self, command: Command) -> Value {
        let said = format!("{command:?}");
        self.client.issue_cmd(command).await.unwrap_or_else(|error| panic!("{said} failed: {error}"))
    }
}
