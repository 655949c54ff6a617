//! Cookies: three of our own, with all that keeps them where they belong.

use axum::http::{HeaderMap, HeaderValue, header};

use super::secret::is_random;

/// What a cookie is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Holds the id of a session.
    Session,
    /// Proves that the sign-in form came from here, before there is a session.
    Form,
    /// Ties a sign-in at the provider to the browser that began it.
    Login,
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Form => "form",
            Self::Login => "login",
        }
    }

    /// A session must come along when a link or the provider leads here (`Lax`), as must the login. The form's cookie
    /// need not.
    fn same_site(self) -> &'static str {
        match self {
            Self::Session | Self::Login => "Lax",
            Self::Form => "Strict",
        }
    }
}

/// How the cookies of one request are named and marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cookies {
    /// Whether the browser's connection is encrypted.
    pub(crate) secure: bool,
    /// The port listened at. Browsers keep cookies by host alone; with it in the name, two relays on one machine do not
    /// sign each other's people out.
    pub(crate) port: u16,
}

impl Cookies {
    fn name(self, purpose: Purpose) -> String {
        match self.secure {
            // The prefix has browsers refuse one that was set by another host, or without encryption.
            true => format!("__Host-mesh-relay-{}", purpose.word()),
            false => format!("mesh-relay-{}-{}", self.port, purpose.word()),
        }
    }

    /// The value of a cookie, if the request has exactly one of that name and it may be ours.
    pub(crate) fn get(self, headers: &HeaderMap, purpose: Purpose) -> Option<&str> {
        let name = self.name(purpose);
        let mut values = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter_map(|(key, value)| (key == name).then_some(value));
        let value = values.next()?;
        (values.next().is_none() && is_random(value)).then_some(value)
    }

    /// A cookie that lives as long as the browser.
    pub(crate) fn set(self, purpose: Purpose, value: &str) -> HeaderValue {
        self.header(purpose, value, "")
    }

    /// Takes a cookie back.
    pub(crate) fn clear(self, purpose: Purpose) -> HeaderValue {
        self.header(purpose, "", "; Max-Age=0")
    }

    fn header(self, purpose: Purpose, value: &str, more: &str) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let (name, site) = (self.name(purpose), purpose.same_site());
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite={site}{secure}{more}");
        // Words of our own and hexadecimal digits, all of which may stand in a header.
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::secret::random;

    #[test]
    fn cookies_are_marked_for_where_they_travel() {
        let value = random();
        let plain = Cookies { secure: false, port: 8710 };
        assert_eq!(
            plain.set(Purpose::Session, &value),
            format!("mesh-relay-8710-session={value}; Path=/; HttpOnly; SameSite=Lax")
        );
        let secure = Cookies { secure: true, port: 8710 };
        assert_eq!(
            secure.set(Purpose::Session, &value),
            format!("__Host-mesh-relay-session={value}; Path=/; HttpOnly; SameSite=Lax; Secure")
        );
        assert_eq!(
            secure.clear(Purpose::Form),
            "__Host-mesh-relay-form=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0"
        );
    }

    #[test]
    fn a_cookie_is_taken_only_if_there_is_one_and_it_may_be_ours() {
        let (one, other) = (random(), random());
        let cookies = Cookies { secure: false, port: 1 };
        let found = |text: String| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, text.parse().expect("a header"));
            cookies.get(&headers, Purpose::Session).map(str::to_owned)
        };
        assert_eq!(found(format!("a=b; mesh-relay-1-session={one}; c=d")), Some(one.clone()));
        assert_eq!(found(format!("mesh-relay-1-session={one}; mesh-relay-1-session={other}")), None);
        assert_eq!(found("mesh-relay-1-session=short".to_owned()), None);
        assert_eq!(found(format!("mesh-relay-2-session={one}")), None);
    }
}
