//! `[console]`: the HTTP API and the operator page, and who may use them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};

use crate::environment::{Environment, host, is_loopback};
use crate::fault::Faults;
use crate::openid::OpenIdEntries;
use crate::secret::SecretRef;
use crate::section::Section;
use crate::suggest::did_you_mean;

pub use crate::openid::OpenIdSection;

/// Where the console listens unless configured.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8710);
/// Most characters of a caller's name.
pub const NAME_CHARS_MAX: usize = 100;

/// The section `[console]`.
#[derive(Debug, Clone)]
pub struct ConsoleSection {
    /// `listen`: address and port. Default [`LISTEN`].
    pub listen: SocketAddr,
    /// `public_url`: the address that people type, where it is another one, such as that of a proxy: `https://host`,
    /// without a path.
    pub public_url: Option<String>,
    /// `read_without_sign_in`: whether people on this machine may look without signing in. Default: if it listens on
    /// loopback and no `public_url` leads elsewhere; it cannot be true otherwise.
    pub read_without_sign_in: bool,
    /// `tls`: certificate and key. Required beyond loopback.
    pub tls: Option<ConsoleTls>,
    /// `[[console.caller]]`: who is known by a token.
    pub callers: Vec<ConsoleCaller>,
    /// `[console.openid]`: the provider at which people sign in.
    pub openid: Option<OpenIdSection>,
    /// The section, for faults that are found later.
    pub section: Section,
}

/// `tls`: the certificate that the console shows. Paths are relative to the folder of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleTls {
    /// `cert`: the certificate, and those that lead from it to the root (PEM).
    pub cert: PathBuf,
    /// `key`: the private key (PEM).
    pub key: PathBuf,
}

/// One `[[console.caller]]`: a program, or a person without OpenID Connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleCaller {
    /// `name`: under which their deeds are recorded, at most [`NAME_CHARS_MAX`] characters. Required and unique.
    pub name: String,
    /// `role`: what they may do. Required.
    pub role: ConsoleRole,
    /// `token`: what they show, at least 32 characters. Required.
    pub token: SecretRef,
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsoleRole {
    /// `viewer`: look.
    Viewer,
    /// `operator`: look, act, and send and fetch by hand.
    Operator,
    /// `sender`: hand in messages, and nothing else.
    Sender,
}

#[derive(serde::Deserialize, JsonSchema)]
pub(crate) struct Entries {
    /// Address and port. Default 127.0.0.1:8710.
    #[schemars(extend("default" = "127.0.0.1:8710"))]
    listen: Option<Address>,
    /// The address that people type, where it is another one, such as that of a proxy: `https://host`, without a path.
    public_url: Option<PublicUrl>,
    /// Whether people on this machine may look without signing in. Default: if it listens on loopback and no
    /// `public_url` leads elsewhere; it cannot be true otherwise.
    read_without_sign_in: Option<bool>,
    /// The certificate that the console shows. Required beyond loopback.
    tls: Option<TlsEntries>,
    /// `[[console.caller]]`: who is known by a token.
    caller: Option<Vec<CallerEntries>>,
    /// `[console.openid]`: the provider at which people sign in.
    openid: Option<OpenIdEntries>,
}

#[derive(serde::Deserialize, JsonSchema)]
struct TlsEntries {
    /// The certificate, and those that lead from it to the root (PEM).
    #[schemars(required)]
    cert: Option<PathBuf>,
    /// The private key (PEM).
    #[schemars(required)]
    key: Option<PathBuf>,
}

#[derive(serde::Deserialize, JsonSchema)]
struct CallerEntries {
    /// Under which their deeds are recorded, at most 100 characters. Required and unique.
    name: String,
    /// What they may do. Required.
    role: ConsoleRole,
    /// What they show, at least 32 characters. Required.
    token: SecretRef,
}

/// An address and a port that were looked at. Types of their own, so that a fault stands at the value.
pub(crate) struct Address(SocketAddr);

pub(crate) struct PublicUrl(String);

impl ConsoleSection {
    pub(crate) fn read(section: Section, faults: &mut Faults) -> Option<Self> {
        let (entries, sound) = section.read::<Entries>(&[], faults);
        let entries = entries?;
        let listen = entries.listen.map_or(LISTEN, |address| address.0);
        let public_url = entries.public_url.map(|url| url.0);
        let published = public_url.as_deref().is_some_and(|url| !is_loopback(host(url)));
        let listens_beyond = !listen.ip().is_loopback();
        let beyond = listens_beyond || published;

        let has_tls = entries.tls.is_some();
        let tls = entries.tls.and_then(|tls| {
            let cert = section.require("tls.cert", tls.cert, "such as cert = \"console.pem\"", faults);
            let key = section.require("tls.key", tls.key, "such as key = \"console.key\"", faults);
            Some(ConsoleTls { cert: section.file(cert?), key: section.file(key?) })
        });
        let has_openid = entries.openid.is_some();
        let leads_back = public_url.is_some() || !listens_beyond;
        let openid = entries.openid.and_then(|openid| openid.read(&section, leads_back, faults));
        let callers = callers(&section, entries.caller.unwrap_or_default(), faults);
        // What was left out because it was not sound has its fault already, and the rest may look bare without it.
        if sound {
            let nobody = callers.is_empty() && !has_openid;
            if listens_beyond && !has_tls {
                let hint =
                    "write tls = { cert = \"console.pem\", key = \"console.key\" }, or listen on 127.0.0.1";
                faults.push(section.fault(Some("listen"), "beyond loopback the console needs `tls`", hint));
            }
            if beyond && nobody {
                let place = if listens_beyond { "listen" } else { "public_url" };
                let hint = "add a [[console.caller]] with a token, or [console.openid]";
                faults.push(section.fault(
                    Some(place),
                    "beyond loopback somebody must be able to sign in",
                    hint,
                ));
            }
            let key = Some("read_without_sign_in");
            match entries.read_without_sign_in {
                Some(true) if beyond => {
                    let hint = "leave it out; people sign in with a token or by [console.openid]";
                    let message = "`read_without_sign_in` is for loopback alone";
                    faults.push(section.fault(key, message, hint));
                }
                Some(false) if nobody && !beyond => {
                    let hint = "add a [[console.caller]] with a token, or [console.openid]";
                    faults.push(section.fault(key, "nobody could sign in", hint));
                }
                _ => {}
            }
        }
        let read_without_sign_in = entries.read_without_sign_in.unwrap_or(!beyond);
        Some(Self { listen, public_url, read_without_sign_in, tls, callers, openid, section })
    }
}

fn callers(section: &Section, entries: Vec<CallerEntries>, faults: &mut Faults) -> Vec<ConsoleCaller> {
    let mut callers: Vec<ConsoleCaller> = Vec::new();
    for (index, CallerEntries { name, role, token }) in entries.into_iter().enumerate() {
        let mut fault = |key: &str, message: String, hint: &str| {
            faults.push(section.fault(Some(&format!("caller.{index}.{key}")), message, hint));
        };
        let sound = !name.trim().is_empty()
            && name.chars().count() <= NAME_CHARS_MAX
            && !name.starts_with('(')
            && !name.contains(char::is_control);
        if !sound {
            let message = "the name of a caller is empty, too long, or begins with a bracket".to_owned();
            fault("name", message, "name whoever holds the token, in at most 100 characters");
        }
        if callers.iter().any(|other| other.name == name) {
            fault(
                "name",
                format!("the caller {name} stands here twice"),
                "give each holder of a token their own name",
            );
        }
        if callers.iter().any(|other| other.token == token) {
            fault(
                "token",
                format!("the token of {name} is another's, too"),
                "give each holder a token of their own",
            );
        }
        callers.push(ConsoleCaller { name, role, token });
    }
    callers
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| {
            D::Error::custom(
                "not an address with a port\nsuch as \"127.0.0.1:8710\", \"[::1]:8710\" or \"0.0.0.0:8710\"",
            )
        })
    }
}

impl<'de> Deserialize<'de> for PublicUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match Environment::from_url(&text) {
            Ok(Environment::Url(url)) => Ok(Self(url)),
            // The text may hold a password.
            _ => Err(D::Error::custom(
                "not an address of the form https://host\nsuch as \"https://relay.example.nhs.uk\", without a path; http on \
                 loopback alone",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for ConsoleRole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(RoleName)
    }
}

struct RoleName;

impl serde::de::Visitor<'_> for RoleName {
    type Value = ConsoleRole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"viewer\", \"operator\" or \"sender\"")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<ConsoleRole, E> {
        match name {
            "viewer" => Ok(ConsoleRole::Viewer),
            "operator" => Ok(ConsoleRole::Operator),
            "sender" => Ok(ConsoleRole::Sender),
            other => {
                let hint = did_you_mean(other, &["viewer", "operator", "sender"]);
                Err(E::custom(format!("there is no role {other:?}\n{hint}")))
            }
        }
    }
}
