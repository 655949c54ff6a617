//! Where a request says that it goes, and where it comes from.

use std::net::IpAddr;

use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use url::{Host, Url};

use super::config::{AccessConfig, is_loopback};
use crate::serve::Connection;

/// The addresses at which the console is itself.
pub(crate) struct Origins {
    port: u16,
    tls: bool,
    public: Option<Url>,
}

/// The address at which a request reached the console, as the browser knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Here {
    /// Scheme, host and port.
    pub(crate) origin: Url,
    /// Whether it is the public one.
    pub(crate) published: bool,
}

impl Here {
    /// Whether the browser's connection is encrypted.
    pub(crate) fn is_secure(&self) -> bool {
        self.origin.scheme() == "https"
    }

    /// Whether it is an address of this machine alone.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback(self.origin.host())
    }
}

impl Origins {
    pub(crate) fn new(config: &AccessConfig) -> Self {
        Self { port: config.listen.port(), tls: config.tls, public: config.public_url.clone() }
    }

    /// Where people should go, if that is configured.
    pub(crate) fn public(&self) -> Option<&Url> {
        self.public.as_ref()
    }

    /// Whether people reach the console over TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.tls || self.public.as_ref().is_some_and(|url| url.scheme() == "https")
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// The address by which a request came, if it is one of the console's. Any other means that some name was made to
    /// resolve to this machine: the browser then takes the console for a part of that name's site.
    pub(crate) fn admit(&self, parts: &Parts, connection: Option<&Connection>) -> Option<Here> {
        let mut hosts = parts.headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok()).map(str::parse::<Authority>);
        if hosts.next().is_some() {
            return None;
        }
        let authority = match (host, parts.uri.authority()) {
            (Some(Ok(host)), None) => host,
            (Some(Ok(host)), Some(target)) if host == *target => host,
            (None, Some(target)) => target.clone(),
            _ => return None,
        };
        if authority.as_str().contains('@') {
            return None;
        }
        if let Some(public) = &self.public
            && let Some(here) = Self::at(public.scheme(), &authority)
            && here.origin() == public.origin()
        {
            return Some(Here { origin: here, published: true });
        }
        let here = Self::at(self.scheme(), &authority)?;
        let own = match here.host()? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => Self::is_own(IpAddr::V4(address), connection),
            Host::Ipv6(address) => Self::is_own(IpAddr::V6(address), connection),
        };
        (own && here.port_or_known_default() == Some(self.port))
            .then_some(Here { origin: here, published: false })
    }

    fn at(scheme: &str, authority: &Authority) -> Option<Url> {
        Url::parse(&format!("{scheme}://{authority}/")).ok()
    }

    /// No name stands behind an address, so the very one that the connection came in at is safe, too: probes use it.
    fn is_own(address: IpAddr, connection: Option<&Connection>) -> bool {
        address.is_loopback() || connection.is_some_and(|connection| connection.local.ip() == address)
    }
}

/// Whether a request comes from another site, as far as the browser says. Programs say nothing.
pub(crate) fn is_from_elsewhere(headers: &HeaderMap, here: &Here) -> bool {
    let site = headers.get("sec-fetch-site").map(|value| value.as_bytes());
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    // A browser that was told to keep quiet about where it is says `null` even to the same site.
    if origin == "null" {
        return site != Some(b"same-origin");
    }
    let origin = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
    origin.is_none_or(|origin| origin.origin() != here.origin.origin())
}

/// Whether something between the browser and the relay passed the request on.
pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"]
        .iter()
        .any(|name| headers.contains_key(*name))
}

/// Where to go after sign-in: a place of the console, whatever the address said.
pub(crate) fn local_place(next: Option<&str>) -> String {
    const CHARS_MAX: usize = 2000;
    let home = || "/".to_owned();
    let Some(next) = next.filter(|next| next.len() <= CHARS_MAX && next.starts_with('/')) else {
        return home();
    };
    // Browsers take a backslash for a slash, and leave tabs and line ends out.
    if next.contains('\\') || next.contains(char::is_control) {
        return home();
    }
    let Ok(base) = Url::parse("http://mesh-relay.invalid/") else {
        return home();
    };
    match base.join(next) {
        Ok(place)
            if place.origin() == base.origin()
                && !place.path().starts_with("//")
                && !place.path().starts_with("/sign-") =>
        {
            let query = place.query().map(|query| format!("?{query}")).unwrap_or_default();
            format!("{}{query}", place.path())
        }
        _ => home(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn origins(tls: bool, public: Option<&str>) -> Origins {
        Origins { port: 8710, tls, public: public.map(|url| url.parse().expect("a url")) }
    }

    fn admitted(origins: &Origins, host: &str) -> Option<String> {
        let (parts, ()) = Request::get("/").header("host", host).body(()).expect("a request").into_parts();
        let local = "10.1.2.3:8710".parse().expect("an address");
        let connection = Connection { peer: local, local };
        origins.admit(&parts, Some(&connection)).map(|here| here.origin.to_string())
    }

    #[test]
    fn only_the_names_of_the_console_are_let_in() {
        let plain = origins(false, None);
        for host in ["localhost:8710", "LOCALHOST:8710", "127.0.0.1:8710", "[::1]:8710", "10.1.2.3:8710"] {
            assert!(admitted(&plain, host).is_some(), "{host}");
        }
        for host in [
            "evil.example:8710",
            "localhost",
            "localhost:8711",
            "localhost.evil.example:8710",
            "localhost.:8710",
            "10.1.2.4:8710",
            "user@localhost:8710",
            "evil.example@localhost:8710",
            "",
        ] {
            assert_eq!(admitted(&plain, host), None, "{host}");
        }
        let published = origins(false, Some("https://relay.example"));
        assert_eq!(admitted(&published, "relay.example").as_deref(), Some("https://relay.example/"));
        assert_eq!(admitted(&published, "relay.example:443").as_deref(), Some("https://relay.example/"));
        assert_eq!(admitted(&published, "relay.example:8710"), None);
        assert_eq!(admitted(&published, "localhost:8710").as_deref(), Some("http://localhost:8710/"));
        let encrypted = origins(true, None);
        assert_eq!(admitted(&encrypted, "localhost:8710").as_deref(), Some("https://localhost:8710/"));
    }

    #[test]
    fn a_request_with_two_hosts_is_not_let_in() {
        let admitted = |request: axum::http::request::Builder| {
            let (parts, ()) = request.body(()).expect("a request").into_parts();
            origins(false, None).admit(&parts, None).is_some()
        };
        let own = "localhost:8710";
        assert!(admitted(Request::get("http://localhost:8710/").header("host", own)));
        assert!(!admitted(Request::get("http://evil.example/").header("host", own)));
        assert!(!admitted(Request::get("/").header("host", own).header("host", "evil.example")));
        assert!(!admitted(Request::get("/")));
    }

    #[test]
    fn what_another_site_sends_is_known() {
        let here = Here { origin: "http://localhost:8710".parse().expect("a url"), published: false };
        for (site, origin, elsewhere) in [
            (None, None, false),
            (Some("same-origin"), None, false),
            (Some("none"), None, false),
            (Some("same-origin"), Some("http://localhost:8710"), false),
            (None, Some("http://localhost:8710"), false),
            (Some("same-origin"), Some("null"), false),
            (None, Some("null"), true),
            (Some("same-site"), None, true),
            (Some("cross-site"), None, true),
            (Some("same-origin"), Some("http://evil.example"), true),
            (None, Some("https://localhost:8710"), true),
            (None, Some("http://localhost:8711"), true),
            (None, Some("rubbish"), true),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                value.map(|value| headers.insert(name, value.parse().expect("a header")));
            }
            assert_eq!(is_from_elsewhere(&headers, &here), elsewhere, "{site:?} {origin:?}");
        }
    }

    #[test]
    fn nobody_is_led_away_after_sign_in() {
        for (next, place) in [
            ("/messages?state=parked&q=a%20b", "/messages?state=parked&q=a%20b"),
            ("/", "/"),
            ("/a/../b", "/b"),
            ("//evil.example/", "/"),
            ("/\\evil.example/", "/"),
            ("/\t/evil.example/", "/"),
            ("/..//evil.example", "/"),
            ("/.//evil.example", "/"),
            ("https://evil.example/", "/"),
            ("javascript:alert(1)", "/"),
            ("evil.example", "/"),
            ("", "/"),
            ("/sign-in?next=/", "/"),
            ("/sign-out", "/"),
            ("/a\r\nset-cookie: b=c", "/"),
            ("/messages#part", "/messages"),
        ] {
            assert_eq!(local_place(Some(next)), place, "{next:?}");
        }
        assert_eq!(local_place(None), "/");
        assert_eq!(local_place(Some(&format!("/{}", "a".repeat(2000)))), "/");
    }
}
