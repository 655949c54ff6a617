//! Our own certificate for MESH: whether it can be read, and what is to be known of it.

use std::sync::Arc;

use keystore::{Facts, FindingKind, IdentityFiles, Severity, SwappableIdentity, certified_key, check};
use relay_config::{MeshSection, Secrets};
use relay_core::diagnosis::Finding;
use rustls::pki_types::CertificateDer;

use super::line::person;
use crate::{identity, system};

/// Its own soundness.
pub(super) const CERTIFICATE: &str = "mesh.certificate";

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// A certificate that may be shown, and where it is.
pub(super) struct Ours {
    /// `None`: none is configured.
    pub(super) identity: Option<Arc<SwappableIdentity>>,
    /// The item of checks about it.
    pub(super) item: String,
}

/// Reads it. `None`: it is at fault, and the findings say why.
pub(super) fn read(
    section: &MeshSection,
    secrets: &Secrets,
    roots: &[CertificateDer<'static>],
    findings: &mut Vec<Finding>,
) -> Option<Ours> {
    let Some(configured) = &section.identity else {
        return Some(Ours { identity: None, item: "identity of [mesh]".to_owned() });
    };
    let files = identity::files(configured, secrets);
    let item = shown(&files);
    let loaded = match files.load() {
        Ok(loaded) => loaded,
        Err(error) => {
            let told = error.to_string();
            let (found, advice) = told.split_once("; ").unwrap_or((&told, "mend `identity` of [mesh]"));
            findings.push(Finding::fault(CERTIFICATE, item, found, advice));
            return None;
        }
    };
    let mut is_fit = true;
    for finding in check(&loaded.material, roots, system::now()) {
        match finding.severity {
            Severity::Error => {
                is_fit = false;
                findings.push(Finding::fault(CERTIFICATE, &item, finding.sentence, finding.advice));
            }
            Severity::Warning => {
                findings.push(Finding::warning(CERTIFICATE, &item, finding.sentence, finding.advice));
            }
            Severity::Hint if finding.kind == FindingKind::NotAMeshName => {
                let found = format!("{}: {}", finding.sentence, finding.advice);
                findings.push(Finding::sound(CERTIFICATE, &item, found));
            }
            Severity::Hint => {}
        }
    }
    let facts = loaded.material.chain.first().and_then(|leaf| Facts::read(leaf).ok());
    if let Some(facts) = &facts {
        if !facts.for_clients {
            let advice = "ask for a certificate that clients may show (extended key usage clientAuth)";
            let found = "its extended key usage does not name clients; a server may refuse it";
            findings.push(Finding::warning(CERTIFICATE, &item, found, advice));
        }
        if is_fit {
            let days = facts.not_after.as_second().saturating_sub(system::now().as_second()) / DAY_SECONDS;
            let found = format!("certificate and key belong together: {}, {days} day(s) left", person(facts));
            findings.push(Finding::sound(CERTIFICATE, &item, found));
        }
    }
    let key = certified_key(&loaded.material).ok().filter(|_| is_fit)?;
    Some(Ours { identity: Some(Arc::new(SwappableIdentity::new(Some(key)))), item })
}

fn shown(files: &IdentityFiles) -> String {
    match &files.key {
        Some(key) => format!("{} with {}", files.identity.display(), key.display()),
        None => files.identity.display().to_string(),
    }
}
