//! An adapter over HTTP: what its section says, what that refers to, and its parts.

use std::sync::Arc;

use http_adapter::{
    Config, EventWebhook, HttpSource, Limits, Secrets as HookSecrets, WebhookError, WebhookSink,
};
use keystore::read_authorities;
use relay_config::{AdapterSection, Faults, SecretRef, Secrets};
use relay_core::diagnosis::Finding;
use relay_core::{EventSink, KeyReuse, Sink, Terms};
use secrecy::SecretString;

use super::{AUTHORITIES, Adapter, AdapterError, Place, SECRET, Sharing};
use crate::doctor::{Hook, look_at_webhook};
use crate::identity::IdentityWatch;
use crate::settings::Note;
use crate::system::SystemClock;

/// A section and, once it was resolved, what it refers to.
pub struct Webhooks {
    /// What the section says.
    pub(crate) config: Config,
    secrets: HookSecrets,
    identity: Option<IdentityWatch>,
}

impl Webhooks {
    /// Reads the section. `None` when it has faults, which were added.
    pub(super) fn read(section: &AdapterSection, faults: &mut Faults) -> Option<Self> {
        let config: Config = section.read(faults)?;
        for (key, message, hint) in config.faults() {
            faults.push(section.fault(Some(key), message, hint));
        }
        Some(Self { config, secrets: HookSecrets::default(), identity: None })
    }

    /// Reads the secrets, the certificates to trust and the one to show.
    pub(super) fn resolve(
        &mut self,
        section: &AdapterSection,
        secrets: &Secrets,
        notes: &mut Vec<Note>,
        faults: &mut Faults,
    ) {
        let before = faults.len();
        if let Some(path) = &self.config.roots {
            let path = section.file(path);
            let mut fault = |what: &dyn std::fmt::Display| {
                let what = format!("{}: {what}", path.display());
                faults.push(section.fault_of(Some("roots"), &what, AUTHORITIES));
            };
            match secrets.read(&path) {
                Ok(bytes) => match read_authorities(&bytes, None) {
                    Ok(roots) => self.secrets.roots = roots,
                    Err(error) => fault(&error),
                },
                Err(error) => fault(&error),
            }
        }
        let mut read = |key: &'static str, secret: &SecretRef| -> Option<SecretString> {
            let fault = |error: &dyn std::fmt::Display| section.fault_of(Some(key), error, SECRET);
            secret.resolve(secrets).map_err(|error| faults.push(fault(&error))).ok()
        };
        if let Some(inbound) = &self.config.inbound {
            self.secrets.inbound.secret = read("inbound.secret", &inbound.secret).unwrap_or_default();
            self.secrets.inbound.authorization =
                inbound.authorization.as_ref().and_then(|secret| read("inbound.authorization", secret));
        }
        if let Some(events) = &self.config.events {
            self.secrets.events.secret = read("events.secret", &events.secret).unwrap_or_default();
            self.secrets.events.authorization =
                events.authorization.as_ref().and_then(|secret| read("events.authorization", secret));
        }
        let entries = self.config.identity.clone();
        if let Some(identity) = entries.and_then(|entries| section.identity(entries, faults)) {
            self.identity = super::watch_identity(&identity, section, "identity", secrets, notes, faults);
            self.secrets.identity = self.identity.as_ref().map(IdentityWatch::shown);
        }
        // What can only be seen now that all of it is there; with other faults it would repeat them.
        if faults.len() > before {
            return;
        }
        if let Err(error) = self.sink(&section.name) {
            faults.push(section.fault_of(
                Some("inbound"),
                &error,
                "correct what `inbound` says, or what it refers to",
            ));
        }
        if let Err(error) = self.events(&section.name) {
            faults.push(section.fault_of(
                Some("events"),
                &error,
                "correct what `events` says, or what it refers to",
            ));
        }
    }

    /// Looks at each webhook; at one that both are, twice.
    pub(super) async fn diagnose(&self, name: &str) -> Vec<Finding> {
        let inbound = self.config.inbound.as_ref().map(|inbound| ("inbound", &inbound.url));
        let events = self.config.events.as_ref().map(|events| ("events", &events.url));
        let mut findings = Vec::new();
        for (key, url) in [inbound, events].into_iter().flatten() {
            let hook = Hook { key, host: url.host().to_owned(), secure: url.is_secure() };
            let identity = self.secrets.identity.clone();
            findings.extend(look_at_webhook(name, hook, &self.secrets.roots, identity).await);
        }
        findings
    }

    fn sink(&self, name: &str) -> Result<Option<Arc<dyn Sink>>, WebhookError> {
        let sink = self.config.inbound.as_ref().map(|inbound| {
            WebhookSink::new(name, inbound, &self.secrets, Arc::new(SystemClock))
                .map(|sink| Arc::new(sink) as Arc<dyn Sink>)
        });
        sink.transpose()
    }

    fn events(&self, name: &str) -> Result<Option<Arc<dyn EventSink>>, WebhookError> {
        let events = self.config.events.as_ref().map(|events| {
            EventWebhook::new(name, events, &self.secrets, Arc::new(SystemClock))
                .map(|events| Arc::new(events) as Arc<dyn EventSink>)
        });
        events.transpose()
    }

    pub(super) fn build(self, name: &str, place: Place<'_>) -> Result<Adapter, AdapterError> {
        let (sink, events) = (self.sink(name)?, self.events(name)?);
        let Config { mailbox, submit, identity_look, .. } = &self.config;
        let takes_in = submit.then(|| mailbox.clone());
        let mailboxes = takes_in.clone().into_iter().collect();
        let source = Box::new(HttpSource::new(name, mailboxes, Limits::from(&self.config), place.submit));
        // A caller may repeat its request long after it was answered.
        let terms = Terms { reuse: KeyReuse::Never, tell: events.is_some() };
        let identity_look = identity_look.get();
        let identity = self.identity.map(|watch| (watch, identity_look));
        let (sharing, keeps) = (Sharing::Whole, None);
        Ok(Adapter { source, sink, events, terms, sharing, keeps, identity, takes_in })
    }
}
