//! What an `[[adapter]]` of kind `http` may say.

use std::path::PathBuf;
use std::time::Duration;

use relay_config::{IdentityEntries, Interval, SecretRef};
use relay_core::MailboxId;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::url::WebhookUrl;

/// One mailbox's way over HTTP.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Config {
    /// The mailbox that sends what is handed in and whose messages go to the webhook.
    #[schemars(with = "String")]
    pub mailbox: MailboxId,
    /// Whether messages for MESH may be handed in over the relay's own HTTP server.
    #[serde(default)]
    pub submit: bool,
    /// How long a message that was begun waits for its caller to repeat the request. It ends then.
    #[serde(default = "give_up_default")]
    pub give_up: Interval,
    /// How long a caller waits for an answer while nothing of its body moves. It may ask again then.
    #[serde(default = "answer_within_default")]
    pub answer_within: Interval,
    /// Where messages from MESH go. Absent: they are left to others.
    pub inbound: Option<Inbound>,
    /// Where to tell what becomes of the messages that were handed in. Absent: nobody is told.
    pub events: Option<Events>,
    /// Whose certificates to trust at `https` URLs: PEM, PKCS#12 or a Java keystore without a password. Nobody else is
    /// trusted; for a public authority that is the system's own list, such as `/etc/ssl/certs/ca-certificates.crt`.
    pub roots: Option<PathBuf>,
    /// The certificate to show at `https` URLs, in the forms that `[mesh]` takes. It is read again when its files change.
    pub identity: Option<IdentityEntries>,
    /// Pause between two looks whether the files of the certificate changed.
    #[serde(default = "identity_look_default")]
    pub identity_look: Interval,
}

/// Where messages from MESH go.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Inbound {
    /// The webhook: `https`, or `http` on this machine.
    pub url: WebhookUrl,
    /// What the webhook's requests are signed with: `whsec_` and base64, or any text of 16 bytes at least.
    pub secret: SecretRef,
    /// Sent as `Authorization`, whole.
    pub authorization: Option<SecretRef>,
    /// Longest silence: nothing of a body could be handed on, and nothing came back.
    #[serde(default = "timeout_default")]
    pub timeout: Interval,
}

/// Where to tell what becomes of messages.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Events {
    /// As `inbound.url`.
    pub url: WebhookUrl,
    /// As `inbound.secret`.
    pub secret: SecretRef,
    /// As `inbound.authorization`.
    pub authorization: Option<SecretRef>,
    /// As `inbound.timeout`.
    #[serde(default = "timeout_default")]
    pub timeout: Interval,
    /// What the types of events begin with.
    #[serde(default = "types_default")]
    pub types: String,
}

/// Time for a caller to come back after a break of its own or of MESH's.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(60 * 60);
/// What most callers wait for an answer.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(60);

fn give_up_default() -> Interval {
    Interval::of(GIVE_UP)
}

fn answer_within_default() -> Interval {
    Interval::of(ANSWER_WITHIN)
}

/// Time for a receiver to make a large message durable.
fn timeout_default() -> Interval {
    Interval::of(Duration::from_secs(60))
}

/// Short beside the days that a change of certificates has time for.
fn identity_look_default() -> Interval {
    Interval::of(Duration::from_secs(60))
}

fn types_default() -> String {
    "mesh-relay".to_owned()
}

/// Longest prefix of the types of events in bytes.
const TYPES_BYTES_MAX: usize = 255;

impl Config {
    /// What is wrong with the values: the key it concerns, what is wrong, and what to do.
    pub fn faults(&self) -> Vec<(&'static str, String, String)> {
        let mut faults = Vec::new();
        let mut fault = |key, what: &str, hint: &str| faults.push((key, what.to_owned(), hint.to_owned()));
        let intervals = [
            ("give_up", Some(self.give_up)),
            ("answer_within", Some(self.answer_within)),
            ("inbound.timeout", self.inbound.as_ref().map(|inbound| inbound.timeout)),
            ("events.timeout", self.events.as_ref().map(|events| events.timeout)),
            ("identity_look", Some(self.identity_look)),
        ];
        for (key, interval) in intervals {
            if interval.is_some_and(|interval| interval.get().is_zero()) {
                fault(key, &format!("{key} must be longer than nothing"), "leave it out for the default");
            }
        }
        if self.give_up < self.answer_within {
            let text = "give_up must not be shorter than answer_within: a caller may still wait then";
            fault("give_up", text, "such as give_up = \"1h\" and answer_within = \"60s\", the defaults");
        }
        let urls = [
            ("inbound.url", self.inbound.as_ref().map(|inbound| &inbound.url)),
            ("events.url", self.events.as_ref().map(|events| &events.url)),
        ];
        let secure = urls.iter().find(|(_, url)| url.is_some_and(WebhookUrl::is_secure));
        match secure {
            Some((key, _)) if self.roots.is_none() => fault(
                key,
                &format!("{key} is https, and nobody is trusted"),
                "name whose certificates to trust: roots = \"/etc/ssl/certs/ca-certificates.crt\", or a file of your own",
            ),
            None if self.identity.is_some() => {
                let hint = "leave `identity` out, or give an https URL";
                fault("identity", "`identity` is shown at https URLs, and there is none", hint);
            }
            _ => {}
        }
        if let Some(events) = &self.events {
            if events.types.is_empty() || events.types.len() > TYPES_BYTES_MAX {
                let text = format!("events.types must be a text of 1 to {TYPES_BYTES_MAX} bytes");
                fault("events.types", &text, "leave it out for the default, mesh-relay");
            }
            if !self.submit {
                let text = "`events` tells of messages that are handed in, and `submit` is not true";
                fault("events", text, "write submit = true, or leave `events` out");
            }
        }
        if !self.submit && self.inbound.is_none() {
            let text = "`submit` is not true and there is no `inbound`: nothing would be done";
            let hint = "write submit = true, or inbound = { url = \"https://…\", secret = { file = \"webhook.secret\" } }";
            fault("mailbox", text, hint);
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: serde_json::Value) -> Result<Config, serde_json::Error> {
        serde_json::from_value(json)
    }

    fn keys(json: serde_json::Value) -> Vec<&'static str> {
        config(json).expect("a configuration").faults().into_iter().map(|(key, ..)| key).collect()
    }

    #[test]
    fn what_cannot_work_is_a_fault_at_its_key() {
        let hook = |url: &str| serde_json::json!({ "url": url, "secret": { "env": "S" } });
        let base = serde_json::json!({ "mailbox": "X26ABC1" });
        let with = |more: serde_json::Value| {
            let mut whole = base.clone();
            for (key, value) in more.as_object().expect("an object") {
                whole[key] = value.clone();
            }
            keys(whole)
        };
        assert_eq!(with(serde_json::json!({ "submit": true })), Vec::<&str>::new());
        assert_eq!(with(serde_json::json!({ "inbound": hook("http://127.0.0.1:1/x") })), Vec::<&str>::new());
        assert_eq!(with(serde_json::json!({})), ["mailbox"]);
        assert_eq!(with(serde_json::json!({ "inbound": hook("https://a.test/") })), ["inbound.url"]);
        let secure = serde_json::json!({ "inbound": hook("https://a.test/"), "roots": "roots.pem" });
        assert_eq!(with(secure), Vec::<&str>::new());
        let telling =
            serde_json::json!({ "inbound": hook("http://[::1]/"), "events": hook("http://localhost/") });
        assert_eq!(with(telling), ["events"]);
        assert_eq!(with(serde_json::json!({ "submit": true, "identity": { "cert": "a" } })), ["identity"]);
    }
}
