//! Which MESH the relay talks to.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use thiserror::Error;

use crate::suggest::did_you_mean;

const SANDBOX_URL: &str = "http://127.0.0.1:8700";
const INTEGRATION_URL: &str = "https://msg.intspineservices.nhs.uk";
const LIVE_URL: &str = "https://mesh-sync.spineservices.nhs.uk";
const NAMES: [&str; 3] = ["sandbox", "integration", "live"];
const FORMS: &str = "write \"sandbox\", \"integration\", \"live\" or { url = \"https://host\" }";

/// MESH allows one poll of a mailbox in this time.
pub(crate) const NHS_POLL_MIN: Duration = Duration::from_secs(5 * 60);
const LOCAL_POLL: Duration = Duration::from_secs(1);

/// A MESH server: `"sandbox"`, `"integration"`, `"live"` or `{ url = "…" }`. The named hosts are those on the
/// internet (`mesh-api.md` 1.1); HSCN hosts are given by url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Environment {
    /// The relay's own MESH server on this machine.
    Sandbox,
    /// The integration environment, also called path to live.
    Integration,
    /// The production service.
    Live,
    /// Another server: scheme and host, without a slash at the end and without `/messageexchange`.
    Url(String),
}

/// Why a text is not the address of a MESH server. Does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UrlError {
    /// It does not begin with `https://` or `http://`, or has no host.
    #[error("the url is not of the form https://host or https://host:port")]
    Form,
    /// It holds a user or a password.
    #[error("the url holds a user or a password, which MESH does not use")]
    Credentials,
    /// It has a path or a query.
    #[error("the url goes on behind the host; the relay adds /messageexchange itself")]
    Path,
    /// It is plain HTTP to another machine.
    #[error("plain http is for this machine only: messages would travel readable by anyone")]
    Plain,
}

impl Environment {
    /// Where requests go, without a slash at the end.
    pub fn base_url(&self) -> &str {
        match self {
            Self::Sandbox => SANDBOX_URL,
            Self::Integration => INTEGRATION_URL,
            Self::Live => LIVE_URL,
            Self::Url(url) => url,
        }
    }

    /// Whether the server is on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(host(self.base_url()))
    }

    /// Whether requests go over TLS.
    pub fn is_tls(&self) -> bool {
        self.base_url().starts_with("https://")
    }

    /// Whether the server is one of NHS England's, by name or by url. Its rules on polling and certificates
    /// then hold.
    pub fn is_nhs(&self) -> bool {
        host(self.base_url()).ends_with(".nhs.uk")
    }

    /// The pause between two polls unless configured: 1 s on this machine, 5 min elsewhere.
    pub fn poll_default(&self) -> Duration {
        if self.is_loopback() { LOCAL_POLL } else { NHS_POLL_MIN }
    }

    /// Reads an address. One slash at the end is dropped.
    pub fn from_url(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::Form)?;
        let scheme = scheme.to_ascii_lowercase();
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err(UrlError::Credentials);
        }
        if rest.contains(['/', '?', '#']) {
            return Err(UrlError::Path);
        }
        let wrong = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'));
        if !matches!(scheme.as_str(), "http" | "https") || rest.contains(wrong) || !port_is_sound(rest) {
            return Err(UrlError::Form);
        }
        let url = format!("{scheme}://{}", rest.to_ascii_lowercase());
        if host(&url).is_empty() {
            return Err(UrlError::Form);
        }
        if scheme == "http" && !is_loopback(host(&url)) {
            return Err(UrlError::Plain);
        }
        Ok(Self::Url(url))
    }
}

/// The host of an address, without port; an IPv6 address keeps its brackets.
pub(crate) fn host(url: &str) -> &str {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    match authority.rfind(']') {
        Some(end) => &authority[..=end],
        None => authority.split(':').next().unwrap_or_default(),
    }
}

pub(crate) fn is_loopback(host: &str) -> bool {
    let ipv4 = host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    ipv4 || host == "localhost" || host == "[::1]"
}

/// Whether what follows the host is nothing or a port.
fn port_is_sound(authority: &str) -> bool {
    let after = &authority[host(authority).len()..];
    after.is_empty()
        || after.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

impl<'de> Deserialize<'de> for Environment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As a struct, so that its key can be offered to someone who misspells it.
        deserializer.deserialize_struct("Environment", &["url"], NameOrUrl)
    }
}

struct NameOrUrl;

impl<'de> Visitor<'de> for NameOrUrl {
    type Value = Environment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an environment or { url = \"https://host\" }")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Environment, E> {
        match name {
            "sandbox" => Ok(Environment::Sandbox),
            "integration" => Ok(Environment::Integration),
            "live" => Ok(Environment::Live),
            url if url.contains("://") => {
                Err(E::custom("an address stands in a table of its own\nwrite { url = \"https://host\" }"))
            }
            other => {
                let guess = Some(did_you_mean(other, &NAMES)).filter(|hint| hint.starts_with("did"));
                let hint = guess.unwrap_or_else(|| FORMS.to_owned());
                Err(E::custom(format!("there is no environment {other:?}\n{hint}")))
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Environment, A::Error> {
        use serde::de::Error;
        let mut url = None::<String>;
        while let Some(key) = map.next_key::<String>()? {
            if key == "url" {
                url = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        let url = url.ok_or_else(|| A::Error::custom(format!("the url is missing\n{FORMS}")))?;
        Environment::from_url(&url).map_err(|error| {
            A::Error::custom(format!("{error}\nsuch as {{ url = \"https://mesh.example:8700\" }}"))
        })
    }
}
