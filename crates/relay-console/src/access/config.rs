//! How the console is reached and by whom, and what of that cannot be.

use std::net::SocketAddr;

use relay_core::Role;
use secrecy::SecretString;
use thiserror::Error;
use url::{Host, Url};

/// How the console is reached and by whom.
#[derive(Debug, Clone)]
pub struct AccessConfig {
    /// The address that is listened at, with its real port.
    pub listen: SocketAddr,
    /// Whether the listener itself speaks TLS.
    pub tls: bool,
    /// The address that people type, where it differs from the one listened at: `https://host`, without a path. Its host
    /// is allowed in `Host`, and OpenID Connect leads back to it.
    pub public_url: Option<Url>,
    /// Whether people on this machine may look without signing in. Only on loopback, and not behind a `public_url` that
    /// leads elsewhere.
    pub read_without_sign_in: bool,
    /// Tokens for programs and for people without OpenID Connect.
    pub tokens: Vec<StaticToken>,
    /// The provider at which people sign in.
    pub openid: Option<OpenIdConfig>,
}

/// A token that never changes while the relay runs.
#[derive(Debug, Clone)]
pub struct StaticToken {
    /// Under which name its holder's deeds are recorded. Each has its own.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// The token, at least [`TOKEN_CHARS_MIN`](super::TOKEN_CHARS_MIN) characters.
    pub secret: SecretString,
}

/// An OpenID Connect provider, such as NHS care identity or the organisation's own.
#[derive(Debug, Clone)]
pub struct OpenIdConfig {
    /// The issuer, exactly as the provider names itself. `http` only on loopback.
    pub issuer: String,
    /// The id that the provider gave the relay.
    pub client_id: String,
    /// The secret that it gave with it; none for a public client.
    pub client_secret: Option<SecretString>,
    /// Scopes to ask for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that holds roles: its name, or a path with dots into it. A list counts with each of its elements.
    pub roles_claim: String,
    /// Values of that claim which make an operator.
    pub operators: Vec<String>,
    /// Values of that claim which make a viewer.
    pub viewers: Vec<String>,
    /// The claim with the name under which deeds are recorded; `preferred_username`, then `sub`, if it is `None`.
    pub name_claim: Option<String>,
    /// Whose certificates to trust (PEM). Needed for an issuer over `https`.
    pub roots: Option<Vec<u8>>,
}

/// Why the console cannot be opened like this.
#[derive(Debug, Error)]
pub enum AccessError {
    /// Nobody could get in.
    #[error(
        "the console listens beyond loopback and nobody could sign in; configure a token or OpenID Connect"
    )]
    NobodyCanSignIn,
    /// Anybody could.
    #[error(
        "reading without sign-in is for loopback alone; leave it out, or listen on 127.0.0.1 without a public url"
    )]
    OpenBeyondLoopback,
    /// The address that people type is not usable.
    #[error(
        "the public url {0} is not http(s)://host without a path, with https unless the host is loopback"
    )]
    PublicUrl(Url),
    /// A token that can be guessed.
    #[error("the token {name} is shorter than {min} characters; make one with `openssl rand -hex 32`",
            min = super::TOKEN_CHARS_MIN)]
    TokenShort {
        /// Its name.
        name: String,
    },
    /// A token that could not be sent in a header.
    #[error(
        "the token {name} holds a character that cannot stand in a header; make one with `openssl rand -hex 32`"
    )]
    TokenCharacters {
        /// Its name.
        name: String,
    },
    /// A name that says nothing, or what the relay says of others.
    #[error("a token's name is empty, too long or begins with a bracket; name whoever holds it")]
    TokenName,
    /// Two tokens by one name.
    #[error("there are two tokens by the name {name}; give each holder their own")]
    TokenNameTwice {
        /// The name.
        name: String,
    },
    /// Two names for one token.
    #[error("the tokens {first} and {second} are the same; give each holder their own")]
    TokenTwice {
        /// One name.
        first: String,
        /// The other.
        second: String,
    },
    /// The issuer is no usable address.
    #[error("the issuer of OpenID Connect is not an https address (http on loopback alone)")]
    Issuer,
    /// The provider's certificate could not be checked.
    #[error("an OpenID Connect issuer over https needs `roots`: the certificates to trust, as PEM")]
    RootsMissing,
    /// The certificates to trust are not usable.
    #[error("the roots for OpenID Connect hold no usable certificate: {0}")]
    Roots(String),
    /// Where the provider leads back to is not known.
    #[error(
        "OpenID Connect leads back to the public url, which is not configured; write the address that people type"
    )]
    PublicUrlMissing,
    /// Nobody could get in by the provider.
    #[error(
        "OpenID Connect names no value of the roles claim that makes an operator or a viewer; nobody could sign in"
    )]
    NoRoles,
}

/// Whether a host is this machine by name.
pub(crate) fn is_loopback(host: Option<Host<&str>>) -> bool {
    match host {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl AccessConfig {
    /// Whether a public url leads away from this machine.
    fn is_published(&self) -> bool {
        self.public_url.as_ref().is_some_and(|url| !is_loopback(url.host()))
    }

    pub(crate) fn check(&self) -> Result<(), AccessError> {
        let beyond = !self.listen.ip().is_loopback() || self.is_published();
        if beyond && self.read_without_sign_in {
            return Err(AccessError::OpenBeyondLoopback);
        }
        let nobody = self.tokens.is_empty() && self.openid.is_none();
        if nobody && !self.read_without_sign_in {
            return Err(AccessError::NobodyCanSignIn);
        }
        if let Some(url) = &self.public_url {
            let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            let named = url.username().is_empty() && url.password().is_none();
            let safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url.host()));
            if !(bare && named && safe && url.has_host()) {
                return Err(AccessError::PublicUrl(url.clone()));
            }
        }
        let Some(openid) = &self.openid else {
            return Ok(());
        };
        if self.public_url.is_none() && !self.listen.ip().is_loopback() {
            return Err(AccessError::PublicUrlMissing);
        }
        let issuer = Url::parse(&openid.issuer).map_err(|_| AccessError::Issuer)?;
        match issuer.scheme() {
            "https" if openid.roots.is_none() => return Err(AccessError::RootsMissing),
            "https" => {}
            "http" if is_loopback(issuer.host()) => {}
            _ => return Err(AccessError::Issuer),
        }
        if openid.operators.is_empty() && openid.viewers.is_empty() {
            return Err(AccessError::NoRoles);
        }
        Ok(())
    }
}
