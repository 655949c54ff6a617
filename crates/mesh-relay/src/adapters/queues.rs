//! An adapter for AMQP queues: what its section says, what that refers to, and its parts.

use std::path::Path;
use std::sync::Arc;

use amqp::{Config, ExchangeSink, QueueSource, Shared, StatusExchange};
use keystore::read_authorities;
use relay_config::{AdapterSection, Faults, Secrets};
use relay_core::diagnosis::Finding;
use relay_core::{EventSink, KeyReuse, Sink, Terms};

use super::{AUTHORITIES, Adapter, AdapterError, Place, SECRET, Sharing};
use crate::clear_text::ClearWay;
use crate::identity::IdentityWatch;
use crate::settings::Note;
use crate::system;

/// A section and, once it was resolved, what it refers to.
pub struct Queues {
    /// What the section says.
    pub(crate) config: Config,
    secrets: amqp::Secrets,
    identity: Option<IdentityWatch>,
}

impl Queues {
    /// Reads the section. `None` when it has faults, which were added.
    pub(super) fn read(section: &AdapterSection, folder: &Path, faults: &mut Faults) -> Option<Self> {
        let mut config: Config = section.read(faults)?;
        if let Some(claims) = &mut config.claim_check {
            claims.start_at(folder);
        }
        for (key, message, hint) in config.faults() {
            faults.push(section.fault(Some(key), message, hint));
        }
        Some(Self { config, secrets: amqp::Secrets::default(), identity: None })
    }

    /// Reads the URLs, the certificates to trust and the one to show.
    pub(super) fn resolve(
        &mut self,
        section: &AdapterSection,
        secrets: &Secrets,
        notes: &mut Vec<Note>,
        faults: &mut Faults,
    ) {
        match self.config.url.resolve(secrets) {
            Ok(urls) => self.secrets.urls = urls,
            Err(error) => faults.push(section.fault_of(Some("url"), &error, SECRET)),
        }
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
        if let Some(claims) = &mut self.config.claim_check {
            self.secrets.claims = super::open_claims(claims, section, secrets, faults);
        }
        let entries = self.config.identity.clone();
        if let Some(identity) = entries.and_then(|entries| section.identity(entries, faults)) {
            self.identity = super::watch_identity(&identity, section, "identity", secrets, notes, faults);
            self.secrets.identity = self.identity.as_ref().map(IdentityWatch::shown);
        }
        // What can only be seen now that all of it is there; with other faults it would repeat them.
        if faults.is_empty()
            && let Err(error) = self.shared(&section.name, Arc::new(system::SystemChance))
        {
            let hint =
                "such as amqps://user:password@host:5671/vhost, in the file or the variable that `url` names";
            faults.push(section.fault_of(Some("url"), &error, hint));
        }
    }

    /// Brokers that would be reached without TLS.
    pub(super) fn clear_ways(&self) -> Vec<ClearWay> {
        let brokers = self.secrets.in_clear_text().into_iter();
        let way = |broker| ClearWay {
            key: "url",
            to: format!("the broker {broker}"),
            accepting: "clear_text",
            accepted: self.config.clear_text,
            instead: "write amqps:// in its URL",
        };
        brokers.map(way).collect()
    }

    fn shared(&self, name: &str, chance: Arc<dyn relay_core::Chance>) -> Result<Shared, amqp::BrokerError> {
        Shared::new(name, self.config.clone(), &self.secrets, chance)
    }

    pub(super) async fn diagnose(&self, name: &str) -> Vec<Finding> {
        let mut findings = match self.shared(name, Arc::new(system::SystemChance)) {
            Ok(shared) => amqp::diagnose(&shared).await,
            // Found while it was resolved.
            Err(_) => Vec::new(),
        };
        if let Some(claims) = &self.secrets.claims {
            findings.extend(claims.diagnose(name).await);
        }
        findings
    }

    pub(super) fn build(self, name: &str, place: Place<'_>) -> Result<Adapter, AdapterError> {
        let shared = self.shared(name, Arc::clone(place.chance))?;
        let Config { inbound, status, identity_look, .. } = self.config;
        let sink = inbound.map(|inbound| {
            Arc::new(ExchangeSink::new(shared.clone(), inbound, Arc::clone(place.clock))) as Arc<dyn Sink>
        });
        let events =
            status.map(|status| Arc::new(StatusExchange::new(shared.clone(), status)) as Arc<dyn EventSink>);
        // A queue may deliver again what was settled.
        let terms = Terms { reuse: KeyReuse::Never, tell: events.is_some() };
        let source = Box::new(QueueSource::new(shared, Arc::clone(place.clock)));
        let identity = self.identity.map(|watch| (watch, identity_look.get()));
        let (sharing, keeps, takes_in) = (Sharing::Whole, None, None);
        Ok(Adapter { source, sink, events, terms, sharing, keeps, identity, takes_in })
    }
}
