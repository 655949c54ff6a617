//! What a driver of Chromium understands beyond the library's commands.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use fantoccini::wd::WebDriverCompatibleCommand;
use hyper::Method;
use serde_json::Value;
use url::{ParseError, Url};

/// Longest wait for a browser to end.
const END_WITHIN: Duration = Duration::from_secs(10);

/// A command to the session's browser.
#[derive(Debug)]
pub struct Command {
    method: Method,
    path: String,
    body: Option<Value>,
}

impl Command {
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: None }
    }

    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::POST, path: path.into(), body: Some(body) }
    }
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (self.method.clone(), self.body.as_ref().map(Value::to_string))
    }
}

/// The session with a browser; ends it when dropped.
pub struct Session {
    pub driver: String,
    pub id: String,
}

impl Session {
    fn end(&self) -> std::io::Result<()> {
        let address = self.driver.trim_start_matches("http://").trim_end_matches('/');
        let mut driver = TcpStream::connect(address)?;
        driver.set_read_timeout(Some(END_WITHIN))?;
        write!(
            driver,
            "DELETE /session/{} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n",
            self.id
        )?;
        // It answers when the browser is gone.
        driver.read(&mut [0; 64]).map(drop)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("the browser could not be ended, `tests/browser.sh stop` does: {error}");
        }
    }
}
