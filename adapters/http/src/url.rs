//! Where a webhook is.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use axum::http::Uri;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer};
use thiserror::Error;
use url::{Host, Url};

/// Why a text is no URL of a webhook. The text is not repeated: it may hold credentials.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UrlError {
    /// It is no URL at all.
    #[error("this is no URL\nwrite it such as \"https://receiver.example/mesh\"")]
    Form,
    /// It has another scheme than the two.
    #[error("the URL is neither https nor http\nwrite it such as \"https://receiver.example/mesh\"")]
    Scheme,
    /// It would carry messages over a network for everyone to read.
    #[error(
        "the URL is http, and its host is not this machine\nuse https; http is for localhost, 127.0.0.1 and [::1]"
    )]
    Open,
    /// It holds a user's name or a password.
    #[error(
        "the URL holds a user's name or a password\nput them into a secret: `authorization` is sent as it is"
    )]
    UserInfo,
    /// It has a part that no server sees.
    #[error("the URL has a fragment, which no server sees\nleave `#` and what follows out")]
    Fragment,
}

/// The URL of a webhook: `https`, or `http` on this machine; no credentials in it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    uri: Uri,
    host: String,
    secure: bool,
}

impl JsonSchema for WebhookUrl {
    fn schema_name() -> Cow<'static, str> {
        "webhook".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[hH][tT][tT][pP][sS]?://",
            "examples": ["https://receiver.example/mesh"]
        })
    }
}

impl WebhookUrl {
    /// Host and port, as errors name the place. Path and query may hold what is nobody's business.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is `https`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl FromStr for WebhookUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url = Url::parse(text).map_err(|_| UrlError::Form)?;
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(UrlError::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(UrlError::Fragment);
        }
        let local = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Err(UrlError::Form),
        };
        if !secure && !local {
            return Err(UrlError::Open);
        }
        let uri: Uri = url.as_str().parse().map_err(|_| UrlError::Form)?;
        let host = uri.authority().ok_or(UrlError::Form)?.to_string();
        Ok(Self { uri, host, secure })
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({}, …)", self.host)
    }
}

impl<'de> Deserialize<'de> for WebhookUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_private_on_its_way_is_taken() {
        let read = |text: &str| text.parse::<WebhookUrl>().map(|url| url.host().to_owned());
        for (text, host) in [
            ("https://Receiver.example/a?b=c", "receiver.example"),
            ("https://receiver.example:8443", "receiver.example:8443"),
            ("http://localhost:8080/a", "localhost:8080"),
            ("http://127.0.0.1:8080/a", "127.0.0.1:8080"),
            ("http://[::1]:8080/a", "[::1]:8080"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(host), "{text}");
        }
        for (text, error) in [
            ("receiver.example/a", UrlError::Form),
            ("", UrlError::Form),
            ("ftp://receiver.example/", UrlError::Scheme),
            ("http://receiver.example/", UrlError::Open),
            ("http://10.0.0.1/", UrlError::Open),
            ("http://localhost.example/", UrlError::Open),
            ("https://user@receiver.example/", UrlError::UserInfo),
            ("https://:secret@receiver.example/", UrlError::UserInfo),
            ("https://receiver.example/#a", UrlError::Fragment),
        ] {
            assert_eq!(read(text), Err(error), "{text}");
        }
        let url: WebhookUrl = "https://receiver.example/?token=secret".parse().expect("a URL");
        assert!(!format!("{url:?}").contains("secret"));
    }
}
