//! `proxy` of `[mesh]`: the HTTP proxy on the way to MESH.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};
use thiserror::Error;

use crate::environment::host;
use crate::fault::Faults;
use crate::secret::SecretRef;
use crate::section::Section;

/// What to write as the url.
const URL: &str = "such as url = \"http://proxy.example.nhs.uk:8080\"";

/// An HTTP proxy that takes `CONNECT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `url`: `http://host:port`, without a slash at the end. Required.
    pub url: String,
    /// `user` and `password`: both or neither.
    pub login: Option<ProxyLogin>,
}

/// What a proxy asks for (HTTP Basic).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyLogin {
    /// `user`: without a colon.
    pub user: String,
    /// `password`.
    pub password: SecretRef,
}

/// Why a text is not the address of a proxy. Does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum UrlError {
    #[error("the url is not of the form http://host:port")]
    Form,
    #[error("the url holds a user or a password, which stand in keys of their own")]
    Credentials,
    #[error("a proxy is asked over http://; what goes through it to MESH is encrypted all the same")]
    Scheme,
    #[error("the url has no port")]
    Port,
    #[error("the url goes on behind the port")]
    Path,
}

/// An address that was looked at. A type, so that a fault stands at the value.
pub(crate) struct Url(String);

#[derive(serde::Deserialize, JsonSchema)]
pub(crate) struct ProxyEntries {
    /// `http://host:port`, without a slash at the end. Required.
    #[schemars(required)]
    url: Option<Url>,
    /// Who the relay is to the proxy, without a colon. With `password`, or neither.
    user: Option<String>,
    /// What the proxy asks for (HTTP Basic). With `user`, or neither.
    password: Option<SecretRef>,
}

impl ProxyEntries {
    pub(crate) fn read(self, section: &Section, faults: &mut Faults) -> Option<Proxy> {
        let url = section.require("proxy.url", self.url, URL, faults);
        if self.user.as_deref().is_some_and(|user| user.is_empty() || user.contains(':')) {
            let hint = "leave user and password out for a proxy that asks for none";
            faults.push(section.fault(Some("proxy.user"), "`user` is empty or holds a colon", hint));
        }
        let login = match (self.user, self.password) {
            (Some(user), Some(password)) => Some(ProxyLogin { user, password }),
            (Some(_), None) => {
                let hint = "such as password = { file = \"proxy.pass\" }, or leave the user out";
                section.require("proxy.password", None::<()>, hint, faults);
                None
            }
            (None, Some(_)) => {
                let hint = "such as user = \"mesh\", or leave the password out";
                section.require("proxy.user", None::<()>, hint, faults);
                None
            }
            (None, None) => None,
        };
        Some(Proxy { url: url?.0, login })
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::Form)?;
        if rest.contains('@') {
            return Err(UrlError::Credentials);
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(UrlError::Scheme);
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(UrlError::Path);
        }
        let wrong = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'));
        let host = host(rest);
        if host.is_empty() || rest.contains(wrong) {
            return Err(UrlError::Form);
        }
        let port = rest[host.len()..].strip_prefix(':').ok_or(UrlError::Port)?;
        match port.parse::<u16>() {
            Ok(1..) => Ok(Self(format!("http://{}", rest.to_ascii_lowercase()))),
            _ => Err(UrlError::Form),
        }
    }
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| D::Error::custom(format!("{error}\n{URL}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_refused() {
        for (url, read) in [
            ("http://proxy.example.nhs.uk:8080", "http://proxy.example.nhs.uk:8080"),
            ("HTTP://Proxy:1/", "http://proxy:1"),
            ("http://[::1]:3128", "http://[::1]:3128"),
        ] {
            assert_eq!(url.parse::<Url>().ok().map(|url| url.0).as_deref(), Some(read), "{url}");
        }
        for (url, error) in [
            ("proxy:8080", UrlError::Form),
            ("http://:8080", UrlError::Form),
            ("http://proxy:eight", UrlError::Form),
            ("http://proxy:0", UrlError::Form),
            ("http://pro xy:1", UrlError::Form),
            ("http://proxy", UrlError::Port),
            ("https://proxy:8080", UrlError::Scheme),
            ("http://proxy:8080/x", UrlError::Path),
            ("http://me:pass@proxy:8080", UrlError::Credentials),
        ] {
            assert_eq!(url.parse::<Url>().err(), Some(error), "{url}");
        }
    }
}
