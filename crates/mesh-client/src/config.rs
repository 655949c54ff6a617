//! What a client is built from, and why it could not be.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use jiff::Timestamp;
use keystore::SwappableIdentity;
use mesh_api::SharedKey;
use mesh_api::path::ROOT;
use rustls::pki_types::CertificateDer;
use thiserror::Error;

use crate::proxy::{Proxy, ProxyConfigError};

/// Decompressed bytes of a chunk that are taken however few came: 2 GB. Gzip makes up to 1,030 of one byte, and honest
/// records that are padded with blanks come to more than 300, so for chunks of usual size only this bounds what a
/// sender can put on the disk. It is decoded as a stream and costs no memory.
pub const EXPANDED_BYTES_MAX: u64 = 2_000_000_000;

/// What a [`crate::Client`] is built from: one MESH environment and the ways to reach it.
pub struct ClientConfig {
    /// Address of the environment, such as `https://mesh-sync.spineservices.nhs.uk` (`mesh-api.md` 1.1). A slash
    /// or `/messageexchange` at the end is dropped; any other path, a user, a query or a fragment is refused.
    /// Plain `http` is taken for loopback addresses only.
    pub base_url: String,
    /// The environment's shared key (`mesh-api.md` 2.1).
    pub shared_key: SharedKey,
    /// Whom to trust and who we are.
    pub tls: TlsConfig,
    /// The HTTP proxy on the way. Calls over plain `http` stay on this machine and go directly.
    pub proxy: Option<Proxy>,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// When failing calls rest.
    pub breaker: BreakerConfig,
    /// Decompressed bytes of a chunk that are taken however few came: [`EXPANDED_BYTES_MAX`], unless there is a reason.
    /// Beyond them, at most 200 are taken for each byte that came.
    pub expanded_bytes_max: u64,
    /// Name and version of the calling program, such as `mesh-relay==0.1.0`: printable ASCII. Sent as
    /// `Mex-ClientVersion` and `User-Agent`.
    pub application: String,
    /// The time of day, for authorisation tokens and `Retry-After` dates.
    pub now: fn() -> Timestamp,
}

/// A certificate to trust, as [`read_authorities`](keystore::read_authorities) gives it.
pub type RootCertificate = CertificateDer<'static>;

/// Trust and identity. [`keystore`](crate::keystore) reads both from PEM, PKCS#12 and Java keystores:
///
/// ```
/// use mesh_client::{TlsConfig, keystore};
///
/// # fn tls(roots: &[u8], mine: &[u8]) -> Result<TlsConfig, keystore::KeystoreError> {
/// let key = keystore::certified_key(&keystore::read(mine, None)?)?;
/// Ok(TlsConfig {
///     roots: keystore::read_authorities(roots, None)?,
///     identity: Some(keystore::SwappableIdentity::new(Some(key)).into()),
/// })
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct TlsConfig {
    /// Certificates that may have signed the server's. There is no default, because the NHS roots are in no
    /// public trust store (`mesh-api.md` 1.3): needed with `https`.
    pub roots: Vec<RootCertificate>,
    /// Our own certificate and key. Every live host asks for them (`mesh-api.md` 1.2). Whoever holds on to it may
    /// swap it while the client is at work. New connections then show the new one; a pooled connection keeps the
    /// one it was made with, carries at most one more request, and is closed. No request fails for it.
    pub identity: Option<Arc<SwappableIdentity>>,
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection to stand: name, TCP, proxy and TLS together. 15 seconds by default.
    pub connect: Duration,
    /// Longest silence: nothing of our body could be read or written, and nothing came back. A large body that moves
    /// may take as long as it needs, and so may a slow source. 60 seconds by default, because MESH answers a chunk of 100 MB only after it
    /// stored it. A JSON answer has this long as a whole, so that it cannot trickle for ever.
    pub answer: Duration,
    /// Longest time of a call without a payload, all its attempts and waits together. 3 minutes by default.
    pub whole: Duration,
    /// How long an unused connection is kept. 10 seconds by default: shorter than servers and firewalls keep
    /// theirs, because a message sent on a connection that just died may be in doubt.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            answer: Duration::from_secs(60),
            whole: Duration::from_secs(180),
            idle: Duration::from_secs(10),
        }
    }
}

/// When calls that keep failing are not made for a while. There is one breaker for a whole [`crate::Client`], for
/// connections that do not come about and servers in trouble, and one for each [`crate::Mailbox`], for refused
/// credentials. After a rest one call is let through; it ends the resting or begins the next, longer rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Failures in a row that begin a rest. 5 by default; 0 means that nothing ever rests.
    pub failures: u32,
    /// The first rest; each one after it is twice as long. 1 second by default.
    pub first: Duration,
    /// The longest rest. 1 minute by default.
    pub longest: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failures: 5, first: Duration::from_secs(1), longest: Duration::from_secs(60) }
    }
}

/// Why a client cannot be built. Says what to configure; never shows what was configured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientConfigError {
    /// The base address is no address.
    #[error("the MESH address cannot be read; it must be like https://mesh-sync.spineservices.nhs.uk")]
    BaseUrl,
    /// The base address holds something that it must not.
    #[error("the MESH address holds {what}; give only scheme, host and port")]
    BaseUrlPart {
        /// What it holds.
        what: &'static str,
    },
    /// Neither `https` nor `http`.
    #[error("the MESH address must begin with https://")]
    Scheme,
    /// Plain `http` to another machine.
    #[error("plain http is taken for this machine only (127.0.0.1, ::1, localhost); use https for {host}")]
    PlainHttp {
        /// The host.
        host: String,
    },
    /// No roots with `https`.
    #[error(
        "no root certificates are configured; configure the roots of the MESH environment (the NHS roots are in \
         no public trust store)"
    )]
    NoRoots,
    /// A root is no certificate that can be trusted.
    #[error("root certificate number {number} cannot be used: {why}; take it out or get it anew")]
    BadRoot {
        /// Its place among the roots, from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The TLS library refuses what was given.
    #[error("the TLS configuration is refused: {0}")]
    Tls(String),
    /// The proxy cannot be used as it is configured.
    #[error(transparent)]
    Proxy(#[from] ProxyConfigError),
    /// The application's name cannot be a header.
    #[error("the application name must be printable ASCII and not empty")]
    Application,
    /// A wait of no time.
    #[error("the time limits for connecting and answering must be longer than nothing")]
    Timeout,
}

/// Where the environment is: checked once, then joined with paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    /// `scheme://host[:port]`.
    origin: String,
    /// Host and port, for logs and errors.
    pub(crate) host: String,
    pub(crate) secure: bool,
}

impl BaseUrl {
    pub(crate) fn read(text: &str) -> Result<Self, ClientConfigError> {
        let part = |what| Err(ClientConfigError::BaseUrlPart { what });
        let text = text.trim();
        // The parser drops a fragment silently, so it is looked for here.
        if text.contains('#') {
            return part("a fragment (#)");
        }
        let uri: Uri = text.parse().map_err(|_| ClientConfigError::BaseUrl)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(ClientConfigError::Scheme),
        };
        let authority = uri.authority().ok_or(ClientConfigError::BaseUrl)?;
        if authority.as_str().contains('@') {
            return part("a user or password");
        }
        if uri.query().is_some() {
            return part("a query (?)");
        }
        let path = uri.path().trim_end_matches('/');
        if !path.is_empty() && path != ROOT {
            return part("a path other than /messageexchange");
        }
        let name = authority.host();
        if name.is_empty() || authority.as_str().ends_with(':') {
            return Err(ClientConfigError::BaseUrl);
        }
        if !secure && !is_loopback(name) {
            return Err(ClientConfigError::PlainHttp { host: name.to_owned() });
        }
        let scheme = if secure { "https" } else { "http" };
        Ok(Self { origin: format!("{scheme}://{authority}"), host: authority.as_str().to_owned(), secure })
    }

    /// The address of a path. `None` when the path cannot be part of an address.
    pub(crate) fn join(&self, path: &str) -> Option<Uri> {
        format!("{}{path}", self.origin).parse().ok()
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_addresses_are_trimmed() {
        for text in [
            "https://mesh.example.test:8443",
            "https://mesh.example.test:8443/",
            "https://mesh.example.test:8443/messageexchange",
            " https://mesh.example.test:8443/messageexchange/ ",
        ] {
            let base = BaseUrl::read(text).expect("an address");
            assert_eq!(base.host, "mesh.example.test:8443");
            let joined = base.join("/messageexchange/A").expect("a path");
            assert_eq!(joined.to_string(), "https://mesh.example.test:8443/messageexchange/A");
        }
    }

    #[test]
    fn base_addresses_with_more_in_them_are_refused() {
        for text in [
            "",
            "mesh.example.test",
            "ftp://mesh.example.test",
            "https://",
            "https://mesh.example.test:",
            "https://user:canary@mesh.example.test",
            "https://mesh.example.test/?a=canary",
            "https://mesh.example.test/#canary",
            "https://mesh.example.test/canary",
        ] {
            let error = BaseUrl::read(text).expect_err(text);
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for text in ["http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:80", "http://LOCALHOST"] {
            assert!(BaseUrl::read(text).is_ok(), "{text}");
        }
        for text in ["http://10.0.0.1", "http://localhost.example.test", "http://[::2]"] {
            let error = BaseUrl::read(text).expect_err(text);
            assert!(matches!(error, ClientConfigError::PlainHttp { .. }), "{text}");
        }
    }
}
