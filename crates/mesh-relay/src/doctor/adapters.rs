//! Adapters: what each refers to, and then what it leads to.

use keystore::Severity;
use relay_config::{AdapterSection, Faults, Secrets};
use relay_core::diagnosis::Finding;

use super::{aside, faults_of};
use crate::adapters::AdapterConfig;

/// Whether what the section refers to can be read: secrets, certificates, places.
pub(super) const SETTINGS: &str = "adapter.settings";
/// What is to be known of a certificate that an adapter shows.
const CERTIFICATE: &str = "adapter.certificate";

pub(super) async fn look(section: AdapterSection, config: AdapterConfig, secrets: Secrets) -> Vec<Finding> {
    let name = section.name.clone();
    let owner = format!("adapter {name}");
    let resolving = aside(move || {
        let (mut config, mut notes, mut faults) = (config, Vec::new(), Faults::new());
        config.resolve(&section, &secrets, &mut notes, &mut faults);
        (config, notes, faults)
    });
    let Some((config, notes, faults)) = resolving.await else {
        return vec![Finding::fault(SETTINGS, owner, "reading it broke off", "tell the relay's developers")];
    };
    if !faults.is_empty() {
        return faults_of(SETTINGS, &owner, &faults);
    }
    let mut findings = vec![Finding::sound(SETTINGS, &owner, "what it refers to can be read")];
    findings.extend(notes.into_iter().filter(|note| note.severity == Severity::Warning).map(|note| {
        let advice = note.fault.hint;
        Finding::warning(CERTIFICATE, &owner, note.fault.message, advice)
    }));
    findings.extend(config.diagnose(&name).await);
    findings
}
