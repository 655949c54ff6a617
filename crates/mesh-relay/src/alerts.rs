//! `[alerts]`: from its section to whoever is told of incidents.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http_adapter::{AlertWebhook, HookSecrets, Secrets as HookShared, WebhookUrl, config};
use keystore::read_authorities;
use relay_config::{AlertsSection, Faults, Interval, SecretRef, Secrets, did_you_mean};
use relay_core::{AlertSink, IncidentKind, Limits};
use secrecy::SecretString;

use crate::adapters::{AUTHORITIES, SECRET};
use crate::system::{self, SystemClock};

/// How long people's alerting may be silent before a post counts as lost; it is made again.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Incidents as they are configured, secrets resolved.
#[derive(Clone, Default)]
pub struct AlertSettings {
    /// Who is told, if anyone is.
    pub sink: Option<Arc<dyn AlertSink>>,
    /// From when on something is an incident.
    pub limits: Limits,
    /// Pause between two looks, if it is another than usual.
    pub look: Option<Duration>,
    /// How long a pump may stand still at least, if it is another than usual.
    pub stall: Option<Duration>,
}

impl AlertSettings {
    /// Reads what the section refers to. What is wrong is added to the faults.
    pub fn read(alerts: &AlertsSection, secrets: &Secrets, faults: &mut Faults) -> Self {
        let Some(section) = &alerts.section else { return Self::default() };
        let mut limits = Limits::default();
        limits.clear = alerts.clear.unwrap_or(limits.clear);
        for (name, after) in &alerts.after {
            match IncidentKind::from_str(name) {
                Ok(kind) => limits.set(kind, *after),
                Err(_) => {
                    let names = IncidentKind::ALL.map(IncidentKind::as_str);
                    let hint = did_you_mean(name, &names);
                    let text = format!("there is no incident of kind `{name}`");
                    faults.push(section.fault(Some(&format!("after.{name}")), text, hint));
                }
            }
        }
        let mut fault = |key: &str, text: String| {
            let hint = match key {
                "roots" => AUTHORITIES,
                "url" => "such as url = \"https://alerts.example/hook\"",
                _ => SECRET,
            };
            faults.push(section.fault_of(Some(key), &text, hint));
        };
        let sink = alerts.url.as_ref().and_then(|url| {
            let url = WebhookUrl::from_str(url).map_err(|error| fault("url", error.to_string())).ok()?;
            // The section's own fault tells where it is missing.
            let reference = alerts.secret.as_ref()?;
            let mut read = |key: &str, reference: &SecretRef| -> Option<SecretString> {
                reference.resolve(secrets).map_err(|error| fault(key, error.to_string())).ok()
            };
            let secret = read("secret", reference)?;
            let authorization = match &alerts.authorization {
                Some(reference) => Some(read("authorization", reference)?),
                None => None,
            };
            let roots = match &alerts.roots {
                None => Vec::new(),
                Some(path) => {
                    let mut told =
                        |what: &dyn std::fmt::Display| fault("roots", format!("{}: {what}", path.display()));
                    let bytes = secrets.read(path).map_err(|error| told(&error)).ok()?;
                    read_authorities(&bytes, None).map_err(|error| told(&error)).ok()?
                }
            };
            let own = HookSecrets { secret, authorization };
            let shared = HookShared { roots, ..HookShared::default() };
            // What stands there is not read: they are resolved.
            let events = config::Events {
                url,
                secret: reference.clone(),
                authorization: None,
                timeout: Interval::of(ANSWER_WITHIN),
                types: "mesh-relay".to_owned(),
            };
            let webhook =
                AlertWebhook::new(&system::host_name(), &events, &own, &shared, Arc::new(SystemClock));
            let webhook = webhook.map_err(|error| fault("url", error.to_string())).ok()?;
            Some(Arc::new(webhook) as Arc<dyn AlertSink>)
        });
        Self { sink, limits, look: alerts.look, stall: alerts.stall }
    }
}
