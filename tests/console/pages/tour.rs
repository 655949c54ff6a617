//! Looks at one page after another and tells of everything that is wrong at the end.

use crate::browser::Browser;

use super::pictures;

/// The browser's word on an answer that a test asks for.
const REFUSED: &str = "the server responded with a status of 4";

/// A walk through pages.
pub struct Tour {
    pub browser: Browser,
    faults: Vec<String>,
}

impl Tour {
    pub fn new(browser: Browser) -> Self {
        Self { browser, faults: Vec::new() }
    }

    /// Goes to a page that is there.
    pub async fn goto(&mut self, url: &str) {
        self.browser.goto(url).await;
    }

    /// Goes to a page that is answered with an error.
    pub async fn goto_wrong(&mut self, url: &str) {
        self.browser.goto(url).await;
        self.errors(url, true).await;
    }

    /// Looks at the page as it is.
    pub async fn look(&mut self, name: &str) {
        self.errors(name, false).await;
        self.examine(name).await;
    }

    /// Looks at a page that a form was refused with.
    pub async fn refused(&mut self, name: &str) {
        self.errors(name, true).await;
        self.examine(name).await;
    }

    /// Looks at the page, which is among the pictures of `docs`.
    pub async fn picture(&mut self, name: &str) {
        self.look(name).await;
        // Once for each page is enough: its states differ in little that is laid out differently there.
        self.browser.zoom_400_percent().await;
        let small = self.browser.axe().await.violations;
        self.faults.extend(small.into_iter().map(|one| format!("{name} at 400 %: {one}")));
        if let Err(differs) = pictures::compare(&self.browser, name).await {
            self.faults.push(differs);
        }
    }

    /// Takes what the browser complains of; a page that must be answered with an error must have been.
    async fn errors(&mut self, name: &str, refused: bool) {
        let (expected, others): (Vec<_>, Vec<_>) =
            self.browser.console_errors().await.into_iter().partition(|error| error.contains(REFUSED));
        self.faults.extend(others.into_iter().map(|error| format!("{name}: {error}")));
        if expected.is_empty() == refused {
            self.faults.push(format!("{name}: answered with an error: {expected:?}"));
        }
    }

    async fn examine(&mut self, name: &str) {
        let found = self.browser.axe().await;
        self.faults.extend(found.violations.into_iter().map(|one| format!("{name}: {one}")));
        // It cannot tell what lies behind words in a drawing, beside a circle that a style draws, or past a region's edge.
        let undecided = found.undecided.into_iter().filter(|one| !one.starts_with("color-contrast "));
        self.faults.extend(undecided.map(|one| format!("{name}: to be looked at: {one}")));
        self.browser.zoom_400_percent().await;
        if let Err(wide) = self.browser.no_sideways_scroll().await {
            self.faults.push(format!("{name} at 400 %: {wide}"));
        }
        self.browser.zoom_100_percent().await;
    }

    /// Fails if anything was wrong.
    pub fn finish(self) {
        assert!(self.faults.is_empty(), "{}", self.faults.join("\n\n"));
    }
}
