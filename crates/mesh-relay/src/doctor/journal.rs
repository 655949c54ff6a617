//! The journal: a file, or a database.

use std::sync::Arc;

use relay_config::{Faults, JournalSection, Secrets};
use relay_core::diagnosis::Finding;
use relay_journal::{diagnose_database, diagnose_file};
use secrecy::ExposeSecret;

use super::{aside, faults_of};
use crate::journal::JournalSettings;
use crate::settings;

/// Whether what the section refers to can be read.
pub(super) const SETTINGS: &str = "journal.settings";

pub(super) async fn look(section: JournalSection, secrets: Secrets) -> Vec<Finding> {
    let reading = aside(move || {
        let mut faults = Faults::new();
        (settings::journal(&section, &secrets, &mut faults), faults)
    });
    let (journal, faults) = reading.await.unwrap_or_default();
    let Some(journal) = journal else {
        return faults_of(SETTINGS, "[journal]", &faults);
    };
    match journal {
        JournalSettings::File(path) => aside(move || diagnose_file(&path)).await.unwrap_or_default(),
        JournalSettings::Postgres { url, roots, .. } => {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let tls = roots.map(|roots| {
                let builder = rustls::ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions();
                builder.map(|builder| builder.with_root_certificates(roots).with_no_client_auth())
            });
            match tls.transpose() {
                Ok(tls) => diagnose_database(url.expose_secret(), tls).await,
                Err(error) => {
                    let found = format!("TLS cannot be set up: {error}");
                    vec![Finding::fault(SETTINGS, "[journal]", found, "mend `roots` of [journal]")]
                }
            }
        }
    }
}
