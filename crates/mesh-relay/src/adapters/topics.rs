//! An adapter for Kafka's topics: what its section says, what that refers to, and its parts.

use std::path::Path;
use std::sync::Arc;

use kafka::config::Tls;
use kafka::{Config, Shared, StatusTopic, TopicSink, TopicSource};
use relay_config::{AdapterSection, Faults, Identity, SecretRef, Secrets};
use relay_core::diagnosis::Finding;
use relay_core::{EventSink, KeyReuse, Sink, Terms};

use super::{Adapter, AdapterError, Place, SECRET, Sharing};
use crate::clear_text::ClearWay;
use crate::identity::IdentityWatch;
use crate::settings::Note;

/// A section and, once it was resolved, what it refers to.
pub struct Topics {
    /// What the section says.
    pub(crate) config: Config,
    secrets: kafka::Secrets,
    identity: Option<IdentityWatch>,
}

impl Topics {
    /// Reads the section. `None` when it has faults, which were added.
    pub(super) fn read(section: &AdapterSection, folder: &Path, faults: &mut Faults) -> Option<Self> {
        let mut config: Config = section.read(faults)?;
        config.found_from(folder);
        for (key, message, hint) in config.faults() {
            faults.push(section.fault(Some(key), message, hint));
        }
        Some(Self { config, secrets: kafka::Secrets::default(), identity: None })
    }

    /// Reads the passwords.
    pub(super) fn resolve(
        &mut self,
        section: &AdapterSection,
        secrets: &Secrets,
        notes: &mut Vec<Note>,
        faults: &mut Faults,
    ) {
        let password = self.config.login.as_ref().and_then(|login| login.password.as_ref());
        let key_password = self.config.tls.as_ref().and_then(|tls| tls.key_password.as_ref());
        let mut read = |key, reference: Option<&SecretRef>| {
            let secret = reference.map(|reference| reference.resolve(secrets)).transpose();
            secret.map_err(|error| faults.push(section.fault_of(Some(key), &error, SECRET))).ok().flatten()
        };
        self.secrets.password = read("login.password", password);
        let opens = read("tls.key_password", key_password);
        // Looked up again whenever the key is read.
        self.secrets.key_password = opens.and(key_password.cloned()).map(|opens| (opens, secrets.clone()));
        if let Some(claims) = &mut self.config.claim_check {
            self.secrets.claims = super::open_claims(claims, section, secrets, faults);
        }
        if let Some(Tls { cert: Some(cert), key: Some(key), key_password, .. }) = &self.config.tls {
            let (cert, key) = (cert.clone(), key.clone());
            let identity = Identity::Pem { cert, key, password: key_password.clone() };
            self.identity = super::watch_identity(&identity, section, "tls.cert", secrets, notes, faults);
            self.secrets.replaced = self.identity.as_ref().map(IdentityWatch::replaced);
        }
        // What can only be seen now that all of it is there; with other faults it would repeat them.
        if faults.is_empty()
            && let Err(error) = kafka::check(&section.name, &self.config, &self.secrets)
        {
            let hint =
                "correct brokers, tls, login or client; the library says which setting it does not take";
            faults.push(section.fault_of(Some("client"), &error, hint));
        }
    }

    /// Brokers that would be reached without TLS.
    pub(super) fn clear_ways(&self) -> Vec<ClearWay> {
        let way = || ClearWay {
            key: "brokers",
            to: format!("the brokers {}", self.config.brokers),
            accepting: "clear_text",
            accepted: self.config.clear_text,
            instead: "set `tls`",
        };
        self.config.is_in_clear_text().then(way).into_iter().collect()
    }

    pub(super) async fn diagnose(self, name: &str) -> Vec<Finding> {
        let claims = self.secrets.claims.clone();
        let mut findings = match Shared::new(name, self.config, self.secrets) {
            Ok(shared) => crate::doctor::aside(move || kafka::diagnose(&shared)).await.unwrap_or_default(),
            // Found while it was resolved.
            Err(_) => Vec::new(),
        };
        if let Some(claims) = claims {
            findings.extend(claims.diagnose(name).await);
        }
        findings
    }

    pub(super) fn build(self, name: &str, place: Place<'_>) -> Result<Adapter, AdapterError> {
        let (inbound, outbound) = (self.config.inbound.clone(), self.config.outbound.clone());
        let status = self.config.status.clone();
        let look = self.config.tls.as_ref().map(|tls| tls.look.get()).unwrap_or_default();
        let shared = Shared::new(name, self.config, self.secrets)?;
        let sink = inbound.map(|inbound| {
            Arc::new(TopicSink::new(shared.clone(), inbound, Arc::clone(place.clock))) as Arc<dyn Sink>
        });
        let events =
            status.map(|status| Arc::new(StatusTopic::new(shared.clone(), status)) as Arc<dyn EventSink>);
        let identity = self.identity.map(|watch| (watch, look));
        // A topic keeps what was read, and may be read again from anywhere.
        let terms = Terms { reuse: KeyReuse::Never, tell: events.is_some() };
        let source = Box::new(TopicSource::new(shared, outbound, Arc::clone(place.clock)));
        let (sharing, keeps, takes_in) = (Sharing::Parts, None, None);
        Ok(Adapter { source, sink, events, terms, sharing, keeps, identity, takes_in })
    }
}
