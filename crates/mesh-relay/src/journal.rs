//! Which journal: a file, or a database that instances share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use relay_core::lease::LEASE_ALONE;
use relay_core::{Journal, Records};
use relay_journal::{OpenError, PostgresJournal, PostgresOpenError, SqliteJournal, SqliteRecords};
use rustls::RootCertStore;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use crate::clear_text::ClearWay;

/// Where the journal is, secrets resolved.
#[derive(Debug, Clone)]
pub enum JournalSettings {
    /// A file of SQLite.
    File(PathBuf),
    /// A PostgreSQL.
    Postgres {
        /// Where, as which user, with which password.
        url: SecretString,
        /// The name of this instance.
        instance: String,
        /// Whose certificates to trust; with none the connection is not encrypted.
        roots: Option<Arc<RootCertStore>>,
        /// How long a lease lasts without being renewed.
        lease: Duration,
    },
}

impl JournalSettings {
    /// Whether other instances may write it.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres { .. })
    }

    /// The name under which this instance writes what is its own.
    pub fn instance(&self) -> String {
        match self {
            Self::File(_) => "local".to_owned(),
            Self::Postgres { instance, .. } => instance.clone(),
        }
    }

    /// The way to a database on another machine without TLS; that it is accepted is not known here.
    pub fn in_clear_text(&self) -> Option<ClearWay> {
        let Self::Postgres { url, roots: None, .. } = self else { return None };
        Some(ClearWay {
            key: "url",
            to: relay_journal::in_clear_text(url.expose_secret())?,
            accepting: "clear_text",
            accepted: None,
            instead: "name the authorities to trust in `roots`",
        })
    }

    /// The folder of its file, if it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::File(path) => path.parent().filter(|folder| !folder.as_os_str().is_empty()),
            Self::Postgres { .. } => None,
        }
    }

    /// How long a lease lasts without being renewed.
    pub fn lease(&self) -> Duration {
        match self {
            Self::File(_) => LEASE_ALONE,
            Self::Postgres { lease, .. } => *lease,
        }
    }
}

/// Why the journal cannot be opened.
#[derive(Debug, Error)]
pub enum JournalOpenError {
    /// The file.
    #[error(transparent)]
    File(#[from] OpenError),
    /// The database.
    #[error(transparent)]
    Postgres(#[from] PostgresOpenError),
    /// TLS to the database cannot be set up.
    #[error("TLS to the journal's database cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// An open journal.
#[derive(Clone)]
pub enum OpenJournal {
    /// A file of SQLite.
    File(SqliteJournal),
    /// A PostgreSQL.
    Postgres(PostgresJournal),
}

impl OpenJournal {
    /// Opens the journal, and makes it when there is none.
    ///
    /// # Errors
    /// What keeps it from being opened; nothing was changed then.
    pub async fn open(settings: &JournalSettings) -> Result<Self, JournalOpenError> {
        Ok(match settings {
            JournalSettings::File(path) => Self::File(SqliteJournal::open(path)?),
            JournalSettings::Postgres { url, instance, roots, .. } => {
                Self::Postgres(postgres(url, instance, roots.as_ref()).await?)
            }
        })
    }

    /// The journal as the engine knows it.
    pub fn shared(&self) -> Arc<dyn Journal> {
        match self {
            Self::File(journal) => Arc::new(journal.clone()),
            Self::Postgres(journal) => Arc::new(journal.clone()),
        }
    }

    /// Commits what was taken and closes.
    pub async fn close(self) {
        match self {
            Self::File(journal) => journal.close().await,
            Self::Postgres(journal) => journal.close().await,
        }
    }
}

/// Opens what people ask, beside a running relay or without one.
///
/// # Errors
/// What keeps it from being opened.
pub async fn records(settings: &JournalSettings) -> Result<Box<dyn Records>, JournalOpenError> {
    Ok(match settings {
        JournalSettings::File(path) => Box::new(SqliteRecords::open(path)?),
        JournalSettings::Postgres { url, instance, roots, .. } => {
            Box::new(postgres(url, instance, roots.as_ref()).await?)
        }
    })
}

/// The file of a journal that is one.
pub fn file(settings: &JournalSettings) -> Option<&Path> {
    match settings {
        JournalSettings::File(path) => Some(path),
        JournalSettings::Postgres { .. } => None,
    }
}

async fn postgres(
    url: &SecretString,
    instance: &str,
    roots: Option<&Arc<RootCertStore>>,
) -> Result<PostgresJournal, JournalOpenError> {
    let url = url.expose_secret();
    let Some(roots) = roots else { return Ok(PostgresJournal::open(url, instance).await?) };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(Arc::clone(roots))
        .with_no_client_auth();
    Ok(PostgresJournal::open_over_tls(url, instance, tls).await?)
}
