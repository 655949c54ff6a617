//! The way through an HTTP proxy: `CONNECT`, under the time limit of connecting. hyper-util has a tunnel too; it
//! does not say why a proxy refuses.

use std::fmt;
use std::io;
use std::str::FromStr;

use base64ct::{Base64, Encoding};
use hyper::Uri;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::call::connect_fault;
use crate::error::ConnectFault;

/// Longest head of a proxy's answer, in bytes.
pub const PROXY_ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Where `https` goes unless its address says otherwise.
const HTTPS_PORT: u16 = 443;
/// How every answer begins.
const HTTP: &[u8] = b"HTTP/1.";

/// An HTTP proxy that connections to MESH go through. It sees host and port of MESH and nothing else: TLS runs from
/// end to end inside.
#[derive(Clone)]
pub struct Proxy {
    /// `http://host:port`, such as `http://proxy.example.nhs.uk:8080`.
    pub url: String,
    /// What the proxy asks for, if it asks.
    pub login: Option<ProxyLogin>,
}

/// User and password for a proxy, sent as HTTP Basic. Other kinds (NTLM, Kerberos) are not known here. Does not print.
#[derive(Clone)]
pub struct ProxyLogin {
    /// The user; no colon, because Basic ends it with one.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

impl fmt::Debug for Proxy {
    // Someone may have put the login into the url.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxy(…)")
    }
}

impl fmt::Debug for ProxyLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxyLogin(…)")
    }
}

/// Why a proxy cannot be used as it is configured. Never shows what was configured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProxyConfigError {
    /// It is no address.
    #[error("the proxy's url cannot be read; it must be like http://proxy.example.nhs.uk:8080")]
    Url,
    /// It has no port. There is no usual one.
    #[error("the proxy's url has no port; write it like http://proxy.example.nhs.uk:8080")]
    Port,
    /// Not `http`.
    #[error(
        "the proxy's url must begin with http://, which is how proxies are asked; what goes through is encrypted \
         all the same"
    )]
    Scheme,
    /// It holds something that it must not.
    #[error("the proxy's url holds {what}; give only http://, host and port there, and the login beside it")]
    UrlPart {
        /// What it holds.
        what: &'static str,
    },
    /// The login cannot be sent.
    #[error("the proxy's {what} cannot be sent: {why}; check it")]
    Login {
        /// User or password.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Why a proxy gives no way through.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProxyFault {
    /// Its host name has no address.
    #[error("the proxy's host name was not found; check the proxy's url and this machine's DNS")]
    Name,
    /// The network gives no connection to it.
    #[error("the proxy cannot be reached ({0}); check the proxy's url, the network and firewalls")]
    Unreachable(io::ErrorKind),
    /// It took the connection and said nothing within the time limit.
    #[error(
        "the proxy does not answer within the time limit; check that its url is that of an HTTP proxy, and ask \
         whoever runs it whether it can reach MESH"
    )]
    Silent,
    /// It ended the connection.
    #[error(
        "the proxy closed the connection without an answer; check the proxy's url, and ask whoever runs it"
    )]
    Closed,
    /// What answers is no HTTP proxy.
    #[error("what answers at the proxy's url does not speak HTTP; check the url and its port")]
    NotHttp,
    /// The head of its answer has no end.
    #[error("the proxy's answer is longer than {limit} bytes; check that its url is that of an HTTP proxy")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// It wants a login and none is configured (407).
    #[error("the proxy asks for a user and password (HTTP 407); configure those that the proxy expects")]
    LoginWanted,
    /// It does not accept the login (407).
    #[error("the proxy refuses the configured user and password (HTTP 407); check both")]
    LoginRefused,
    /// It wants a kind of login that is not known here (407).
    #[error(
        "the proxy asks for a kind of login other than Basic (HTTP 407; NTLM or Kerberos, most often), which is not \
         supported; ask whoever runs it to let this machine through to MESH without one"
    )]
    LoginKind,
    /// It may and will not connect us, most often 403.
    #[error(
        "the proxy refuses to connect to MESH (HTTP {status}); ask whoever runs it to allow the host and port of \
         MESH for this machine"
    )]
    Refused {
        /// What it answered.
        status: u16,
    },
    /// It would and cannot connect us, most often 502 to 504.
    #[error(
        "the proxy cannot connect to MESH (HTTP {status}); check the MESH address, then ask whoever runs the proxy"
    )]
    NoWay {
        /// What it answered.
        status: u16,
    },
}

/// A proxy that was found sound, and the way through it. A [`crate::Client`] digs its own; this is for whoever looks where
/// a connection fails.
#[derive(Clone)]
pub struct Tunnel {
    /// Where it listens.
    pub(crate) address: Uri,
    /// The value of `Proxy-Authorization`.
    login: Option<SecretString>,
}

impl Tunnel {
    /// Looks at what is configured. Opens no connection.
    ///
    /// # Errors
    /// When it cannot be used as it is configured.
    pub fn new(proxy: &Proxy) -> Result<Self, ProxyConfigError> {
        Ok(Self {
            address: read_url(proxy.url.trim())?,
            login: proxy.login.as_ref().map(ProxyLogin::header).transpose()?,
        })
    }

    /// Host and port of the proxy.
    pub fn host_and_port(&self) -> (&str, u16) {
        // Both are there: it was found sound.
        let host = self.address.host().unwrap_or_default();
        (host.trim_start_matches('[').trim_end_matches(']'), self.address.port_u16().unwrap_or_default())
    }

    /// From a connection to the proxy that is being made to one that leads to the host and port of `target`.
    ///
    /// # Errors
    /// Why the proxy gives no way through, by the deadline at the latest.
    pub async fn dig<S, E>(
        &self,
        connecting: impl Future<Output = Result<S, E>>,
        target: &Uri,
        deadline: Instant,
    ) -> Result<S, ProxyFault>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        E: std::error::Error + 'static,
    {
        let mut stream = match timeout_at(deadline, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Err(match connect_fault(&error) {
                    ConnectFault::Name => ProxyFault::Name,
                    ConnectFault::Network(kind) => ProxyFault::Unreachable(kind),
                    _ => ProxyFault::Unreachable(io::ErrorKind::TimedOut),
                });
            }
            Err(_) => return Err(ProxyFault::Unreachable(io::ErrorKind::TimedOut)),
        };
        timeout_at(deadline, self.ask(&mut stream, target)).await.map_err(|_| ProxyFault::Silent)??;
        Ok(stream)
    }

    async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        target: &Uri,
    ) -> Result<(), ProxyFault> {
        let host = target.host().unwrap_or_default();
        let target = format!("{host}:{}", target.port_u16().unwrap_or(HTTPS_PORT));
        let mut parts = vec!["CONNECT ", &target, " HTTP/1.1\r\nHost: ", &target, "\r\n"];
        if let Some(login) = &self.login {
            parts.extend(["Proxy-Authorization: ", login.expose_secret(), "\r\n"]);
        }
        parts.push("\r\n");
        // Joined at once: a text that grows leaves what it was behind in memory.
        let request = Zeroizing::new(parts.concat());
        // A proxy that refuses may close before it read everything; its answer is there all the same.
        let _ = stream.write_all(request.as_bytes()).await;
        judge(&read_head(stream).await?, self.login.is_some())
    }
}

impl ProxyLogin {
    fn header(&self) -> Result<SecretString, ProxyConfigError> {
        let password = self.password.expose_secret();
        let wrong = |what, why| Err(ProxyConfigError::Login { what, why });
        if self.user.is_empty() {
            return wrong("user", "it is empty");
        }
        if self.user.contains(':') {
            return wrong("user", "it holds a colon");
        }
        if self.user.chars().any(char::is_control) {
            return wrong("user", "it holds a control character");
        }
        if password.chars().any(char::is_control) {
            return wrong("password", "it holds a control character, perhaps a line break");
        }
        let both = Zeroizing::new([&*self.user, ":", password].concat());
        let coded = Zeroizing::new(Base64::encode_string(both.as_bytes()));
        Ok(SecretString::from(["Basic ", coded.as_str()].concat()))
    }
}

fn read_url(text: &str) -> Result<Uri, ProxyConfigError> {
    let part = |what| Err(ProxyConfigError::UrlPart { what });
    // The parser drops a fragment silently, so it is looked for here.
    if text.contains('#') {
        return part("a fragment (#)");
    }
    if text.contains('@') {
        return part("a user or password");
    }
    let uri = Uri::from_str(text).map_err(|_| ProxyConfigError::Url)?;
    match uri.scheme_str() {
        Some("http") => {}
        Some(_) => return Err(ProxyConfigError::Scheme),
        None => return Err(ProxyConfigError::Url),
    }
    if uri.query().is_some() {
        return part("a query (?)");
    }
    if !matches!(uri.path(), "" | "/") {
        return part("a path");
    }
    match (uri.host(), uri.port_u16()) {
        (None | Some(""), _) => Err(ProxyConfigError::Url),
        (_, None | Some(0)) => Err(ProxyConfigError::Port),
        _ => Ok(uri),
    }
}

/// Reads an answer's head and not a byte of what may follow a refusal, as far as it did not come along.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, ProxyFault> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        let left = PROXY_ANSWER_BYTES_MAX.saturating_sub(bytes.len());
        if left == 0 {
            return Err(ProxyFault::TooLong { limit: PROXY_ANSWER_BYTES_MAX });
        }
        match (&mut *stream).take(left as u64).read_buf(&mut bytes).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Err(ProxyFault::Closed),
        }
        // What is not HTTP may never come to an end, so its beginning must do.
        let seen = bytes.len().min(HTTP.len());
        if bytes[..seen] != HTTP[..seen] {
            return Err(ProxyFault::NotHttp);
        }
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = bytes[..at].to_vec();
            // Nobody speaks before us in a tunnel: the server waits for our hello.
            let success = status(&head).is_some_and(|status| (200..300).contains(&status));
            return if success && bytes.len() > at + 4 { Err(ProxyFault::NotHttp) } else { Ok(head) };
        }
    }
}

/// The status of an answer: `HTTP/1.x`, a blank, three digits.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let rest = line.strip_prefix(HTTP)?.get(1..)?.strip_prefix(b" ")?;
    let (digits, after) = rest.split_at_checked(3)?;
    let ends = after.is_empty() || after.starts_with(b" ");
    std::str::from_utf8(digits).ok().filter(|_| ends)?.parse().ok().filter(|status| *status >= 100)
}

fn judge(head: &[u8], had_login: bool) -> Result<(), ProxyFault> {
    match status(head) {
        Some(200..=299) => Ok(()),
        Some(407) if !takes_basic(head) => Err(ProxyFault::LoginKind),
        Some(407) if had_login => Err(ProxyFault::LoginRefused),
        Some(407) => Err(ProxyFault::LoginWanted),
        Some(status @ 500..) => Err(ProxyFault::NoWay { status }),
        Some(status) => Err(ProxyFault::Refused { status }),
        None => Err(ProxyFault::NotHttp),
    }
}

/// Whether Basic is among the logins that a 407 offers. One that offers nothing may mean it.
fn takes_basic(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut offers = head.lines().filter_map(|line| line.strip_prefix("proxy-authenticate:")).peekable();
    let none = offers.peek().is_none();
    none || offers.any(|offer| {
        offer.split(',').any(|one| one.split_whitespace().next().is_some_and(|kind| kind == "basic"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(url: &str, user: &str, password: &str) -> Proxy {
        let login = ProxyLogin { user: user.to_owned(), password: password.into() };
        Proxy { url: url.to_owned(), login: Some(login) }
    }

    #[test]
    fn what_a_proxy_answers_is_told_apart() {
        let answer = |text: &str, login| judge(text.as_bytes(), login).err();
        assert_eq!(answer("HTTP/1.0 200 Connection established", false), None);
        assert_eq!(answer("HTTP/1.1 200", true), None);
        let basic = "HTTP/1.1 407 No\r\nPROXY-Authenticate: NTLM\r\nproxy-authenticate:  Basic realm=\"x\"";
        assert_eq!(answer(basic, false), Some(ProxyFault::LoginWanted));
        assert_eq!(answer(basic, true), Some(ProxyFault::LoginRefused));
        assert_eq!(answer("HTTP/1.1 407 No", false), Some(ProxyFault::LoginWanted));
        let listed = "HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate, Basic realm=\"x\"";
        assert_eq!(answer(listed, true), Some(ProxyFault::LoginRefused));
        let ntlm = "HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM";
        assert_eq!(answer(ntlm, true), Some(ProxyFault::LoginKind));
        assert_eq!(answer("HTTP/1.1 403 No", true), Some(ProxyFault::Refused { status: 403 }));
        assert_eq!(answer("HTTP/1.1 302 Elsewhere", true), Some(ProxyFault::Refused { status: 302 }));
        for status in [500, 502, 503, 504] {
            let text = format!("HTTP/1.1 {status} No");
            assert_eq!(answer(&text, true), Some(ProxyFault::NoWay { status }));
        }
        for text in
            ["HTTP/1.1", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 +20 x", "HTTP/1.1 abc", "HTTP/1.1 020"]
        {
            assert_eq!(answer(text, true), Some(ProxyFault::NotHttp), "{text}");
        }
    }

    #[tokio::test]
    async fn heads_are_read_to_their_end_and_no_further() {
        let read = async |bytes: Vec<u8>| read_head(&mut bytes.as_slice()).await;
        assert_eq!(read(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).await, Ok(b"HTTP/1.1 200 OK".to_vec()));
        assert_eq!(read(b"HTTP/1.1 403 No\r\n\r\nbody".to_vec()).await, Ok(b"HTTP/1.1 403 No".to_vec()));
        assert_eq!(read(b"HTTP/1.1 200 OK\r\n\r\nhello".to_vec()).await, Err(ProxyFault::NotHttp));
        assert_eq!(read(b"HTTP/1.1 200 OK\r\n".to_vec()).await, Err(ProxyFault::Closed));
        assert_eq!(read(b"SSH-2.0-x\r\n".to_vec()).await, Err(ProxyFault::NotHttp));
        assert_eq!(read(Vec::new()).await, Err(ProxyFault::Closed));
        let endless = [HTTP, &[b'x'; PROXY_ANSWER_BYTES_MAX]].concat();
        assert_eq!(read(endless).await, Err(ProxyFault::TooLong { limit: PROXY_ANSWER_BYTES_MAX }));
    }

    #[test]
    fn urls_with_more_in_them_are_refused() {
        for url in
            ["http://proxy.example.test:8080", "http://10.0.0.1:3128/", "HTTP://[::1]:1", " http://p:80 "]
        {
            assert!(Tunnel::new(&proxy(url, "user", "password")).is_ok(), "{url}");
        }
        for (url, error) in [
            ("", ProxyConfigError::Url),
            ("proxy.example.test:8080", ProxyConfigError::Url),
            ("http://canary", ProxyConfigError::Port),
            ("http://canary:0", ProxyConfigError::Port),
            ("https://canary:8080", ProxyConfigError::Scheme),
            ("socks5://canary:1080", ProxyConfigError::Scheme),
            ("http://user:canary@proxy:8080", ProxyConfigError::UrlPart { what: "a user or password" }),
            ("http://proxy:8080/canary", ProxyConfigError::UrlPart { what: "a path" }),
            ("http://proxy:8080/?canary", ProxyConfigError::UrlPart { what: "a query (?)" }),
            ("http://proxy:8080#canary", ProxyConfigError::UrlPart { what: "a fragment (#)" }),
        ] {
            let found = Tunnel::new(&proxy(url, "user", "password")).err();
            assert!(!format!("{found:?}").contains("canary"), "{found:?}");
            assert_eq!(found, Some(error), "{url}");
        }
    }

    #[test]
    fn logins_are_basic_and_never_printed() {
        let url = "http://proxy.example.test:8080";
        let sound = proxy(url, "Aladdin", "open sesame:£");
        let tunnel = Tunnel::new(&sound).expect("a login");
        let value = tunnel.login.as_ref().map(|value| value.expose_secret().to_owned());
        assert_eq!(value.as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZTrCow=="));
        let printed = format!("{sound:?} {:?}", sound.login);
        assert!(!printed.contains("Aladdin") && !printed.contains("sesame"), "{printed}");
        for (user, password) in
            [("", "x"), ("ca:nary", "x"), ("canary\n", "x"), ("user", "canary\r\nHost: x")]
        {
            let error = Tunnel::new(&proxy(url, user, password)).err().expect("a fault").to_string();
            assert!(error.contains("cannot be sent") && !error.contains("nary"), "{error}");
        }
    }
}
