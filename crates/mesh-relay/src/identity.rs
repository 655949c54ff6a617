//! A client certificate of the relay's, for MESH or for a broker: read from its files, looked over, and replaced while the relay runs.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use keystore::{
    Facts, Finding, FindingKind, IdentityFiles, KeyMaterial, LoadError, Loaded, Passphrase, Severity, Stamp,
    SwappableIdentity, certified_key, check,
};
use mesh_client::RootCertificate;
use relay_config::{Identity, SecretRef, Secrets};
use relay_core::Shutdown;
use relay_core::metric::{CERTIFICATE_EXPIRY, CLIENT_IDENTITY, Value};
use rustls::sign::CertifiedKey;
use secret_file::Lax;
use thiserror::Error;
use tokio::sync::watch;

use crate::system;

/// Where an identity is kept, as it is configured.
pub fn files(identity: &Identity, secrets: &Secrets) -> IdentityFiles {
    let passphrase = |secret: &Option<SecretRef>| match secret {
        Some(SecretRef::File(path)) => match secrets.held_for(path) {
            Some(held) => Passphrase::Value(held.clone()),
            None => Passphrase::File(secrets.folder().join(path)),
        },
        Some(SecretRef::Env(name)) => Passphrase::Environment(name.clone()),
        None => Passphrase::None,
    };
    // What the old client made is told (`java_client`) and not refused, so that both can run on the same files.
    let lax = if secrets.are_held() { Lax::Taken } else { Lax::Refused };
    let files = match identity {
        Identity::Pem { cert, key, password } => IdentityFiles {
            key: Some(key.clone()),
            passphrase: passphrase(password),
            ..IdentityFiles::at(cert)
        },
        Identity::Keystore { keystore, password, alias, key_password } => IdentityFiles {
            passphrase: passphrase(password),
            key_passphrase: passphrase(key_password),
            alias: alias.clone(),
            ..IdentityFiles::at(keystore)
        },
    };
    IdentityFiles { lax, ..files }
}

/// Why files give no identity to use.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// They cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The other side would refuse what they hold.
    #[error("{0}")]
    Unfit(Finding),
}

/// To whom an identity is shown.
pub enum Whose {
    /// To MESH. These authorities are configured beside it.
    Mesh(Vec<RootCertificate>),
    /// To what the adapter of this name talks to.
    Adapter(String),
    /// To whoever opens the console.
    Console,
}

impl Whose {
    /// What is to be known of the identity, worst first.
    fn look_over(&self, material: &KeyMaterial, now: Timestamp) -> Vec<Finding> {
        match self {
            Self::Mesh(roots) => check(material, roots, now),
            // Who signs it and what it is called is that side's own affair.
            Self::Adapter(_) | Self::Console => check(material, &[], now)
                .into_iter()
                .filter(|finding| {
                    !matches!(
                        finding.kind,
                        FindingKind::IntermediateMissing
                            | FindingKind::NotAMeshName
                            | FindingKind::RetiredAuthority
                    )
                })
                .map(|finding| {
                    let advice = if matches!(self, Self::Console) { CONSOLE_ADVICE } else { ADAPTER_ADVICE };
                    Finding { advice, ..finding }
                })
                .collect(),
        }
    }

    /// Whom it is for, in words.
    fn purpose(&self) -> String {
        match self {
            Self::Mesh(_) => "MESH".to_owned(),
            Self::Adapter(name) => format!("adapter {name}"),
            Self::Console => "the console".to_owned(),
        }
    }

    /// The label of metrics about it.
    fn label(&self) -> Value {
        match self {
            Self::Mesh(_) => CLIENT_IDENTITY.into(),
            Self::Adapter(name) => Value::configured(name),
            Self::Console => "console".into(),
        }
    }
}

/// What to do about an identity that is shown to a broker.
const ADAPTER_ADVICE: &str =
    "check this machine's clock, and ask whoever runs the broker for a new certificate";

/// What to do about an identity that is shown to browsers.
const CONSOLE_ADVICE: &str = "check this machine's clock, and put a new certificate in place of the old one";

/// The identity in use, and the files that it follows.
pub struct IdentityWatch {
    files: IdentityFiles,
    whose: Whose,
    shown: Arc<SwappableIdentity>,
    /// Counts how often it was replaced.
    replaced: watch::Sender<u64>,
    material: KeyMaterial,
    /// What the files were when the identity in use was read.
    stamp: Stamp,
    /// What was told of the identity in use.
    told: Vec<FindingKind>,
    /// What was told of files that were not taken.
    refused: Option<(Stamp, String)>,
}

impl IdentityWatch {
    /// Reads the files and puts what they hold in use. The findings that are no errors come beside it, worst first;
    /// they count as told.
    ///
    /// # Errors
    /// [`IdentityError`]: nothing that the other side could accept.
    pub fn start(
        files: IdentityFiles,
        whose: Whose,
        now: Timestamp,
    ) -> Result<(Self, Vec<Finding>), IdentityError> {
        let Fit { loaded: Loaded { material, stamp }, key, findings } = read(&files, &whose, now)?;
        let shown = Arc::new(SwappableIdentity::new(Some(key)));
        let told = findings.iter().map(|finding| finding.kind).collect();
        measure(&whose, &material);
        let replaced = watch::Sender::new(0);
        Ok((Self { files, whose, shown, replaced, material, stamp, told, refused: None }, findings))
    }

    /// What a client shows; it changes with the files as long as [`Self::run`] runs.
    pub fn shown(&self) -> Arc<SwappableIdentity> {
        Arc::clone(&self.shown)
    }

    /// For a client that reads the files itself: changes whenever they were found to be new, and fit.
    pub fn replaced(&self) -> watch::Receiver<u64> {
        self.replaced.subscribe()
    }

    /// Looks at the files every so often until the relay stops.
    pub async fn run(mut self, every: Duration, mut shutdown: Shutdown) {
        // It was read before anybody kept metrics.
        measure(&self.whose, &self.material);
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(every) => {}
            }
            let look = tokio::task::spawn_blocking(move || {
                self.look(system::now());
                self
            });
            self = match look.await {
                Ok(watch) => watch,
                // A bug of ours: told as one by whoever joins this task.
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => return,
            };
        }
    }

    /// Takes what the files hold if they changed and it is fit. Waits for the disk.
    fn look(&mut self, now: Timestamp) {
        if self.files.changed_since(&self.stamp) {
            // Before they are read: what is written after this is seen by the next look.
            let stamp = self.files.stamp();
            // Each time, not only once: a certificate of tomorrow is taken tomorrow.
            match self.replace(now) {
                Ok(()) | Err(IdentityError::Load(LoadError::Changing { .. })) => {}
                Err(error) => self.refuse(stamp, &error),
            }
        } else {
            self.refused = None;
        }
        self.tell(now);
    }

    fn replace(&mut self, now: Timestamp) -> Result<(), IdentityError> {
        let Fit { loaded, key, .. } = read(&self.files, &self.whose, now)?;
        let before = name(&self.material);
        self.shown.swap(Some(key));
        (self.material, self.stamp) = (loaded.material, loaded.stamp);
        self.told.clear();
        self.refused = None;
        self.replaced.send_modify(|times| *times += 1);
        let purpose = self.whose.purpose();
        tracing::info!(
            "the certificate for {purpose} was replaced: {} in place of {before}",
            name(&self.material)
        );
        Ok(())
    }

    fn refuse(&mut self, stamp: Stamp, error: &IdentityError) {
        let refused = Some((stamp, error.to_string()));
        if refused != self.refused {
            tracing::warn!(
                "the changed identity for {} is not taken, {} stays in use: {error}",
                self.whose.purpose(),
                name(&self.material)
            );
            self.refused = refused;
        }
    }

    /// Says what is new about the identity in use, such as that its end came near.
    fn tell(&mut self, now: Timestamp) {
        measure(&self.whose, &self.material);
        for finding in self.whose.look_over(&self.material, now) {
            if !self.told.contains(&finding.kind) {
                self.told.push(finding.kind);
                log(finding.severity, &finding.to_string());
            }
        }
    }
}

/// Logs a finding as loudly as it is bad.
pub fn log(severity: Severity, text: &str) {
    match severity {
        Severity::Error => tracing::error!("{text}"),
        Severity::Warning => tracing::warn!("{text}"),
        Severity::Hint => tracing::info!("{text}"),
    }
}

/// How bad a finding is, in a word.
pub fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "hint",
    }
}

/// Files that MESH may accept.
struct Fit {
    loaded: Loaded,
    key: Arc<CertifiedKey>,
    /// None of them an error.
    findings: Vec<Finding>,
}

fn read(files: &IdentityFiles, whose: &Whose, now: Timestamp) -> Result<Fit, IdentityError> {
    let loaded = files.load()?;
    let findings = whose.look_over(&loaded.material, now);
    if let Some(worst) = findings.first().filter(|worst| worst.severity == Severity::Error) {
        return Err(IdentityError::Unfit(worst.clone()));
    }
    let key = certified_key(&loaded.material)
        .map_err(|source| LoadError::Identity { path: files.identity.clone(), source })?;
    Ok(Fit { loaded, key, findings })
}

/// Tells the metrics when the certificate in use ends.
fn measure(whose: &Whose, material: &KeyMaterial) {
    if let Some(Ok(facts)) = material.chain.first().map(Facts::read) {
        CERTIFICATE_EXPIRY.set_time([whose.label()], facts.not_after);
    }
}

/// A certificate as people know it: common name and end.
fn name(material: &KeyMaterial) -> String {
    match material.chain.first().map(Facts::read) {
        Some(Ok(facts)) => {
            let name = facts.subject_cn.as_deref().unwrap_or("(no common name)");
            format!("{name} (valid until {})", facts.not_after)
        }
        _ => "(a certificate that cannot be read)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relay_testkit::certificates::Authority;
    use relay_testkit::private::write_private;
    use tempfile::TempDir;

    struct Place {
        folder: TempDir,
        authority: Authority,
    }

    impl Place {
        fn new() -> Self {
            let place = Self {
                folder: tempfile::tempdir().expect("a folder"),
                authority: Authority::new("Test authority"),
            };
            place.put("ONE.X26");
            place
        }

        fn put(&self, name: &str) -> String {
            let identity = self.authority.client(&format!("{name}.api.mesh-client.nhs.uk"));
            self.write("client.pem", &identity.certificate);
            self.write("client.key", &identity.key);
            identity.certificate
        }

        fn write(&self, name: &str, content: &str) {
            write_private(&self.folder.path().join(name), content);
        }

        fn watch(&self) -> (IdentityWatch, Vec<Finding>) {
            let folder = self.folder.path();
            let (cert, key) = (folder.join("client.pem"), folder.join("client.key"));
            let files = files(&Identity::Pem { cert, key, password: None }, &Secrets::in_files(folder));
            IdentityWatch::start(files, Whose::Mesh(Vec::new()), noon()).expect("an identity")
        }
    }

    fn noon() -> Timestamp {
        "2030-01-01T12:00:00Z".parse().expect("a time")
    }

    fn shown(watch: &IdentityWatch) -> String {
        let key = watch.shown.current().expect("an identity");
        Facts::read(&key.cert[0]).expect("facts").subject_cn.expect("a name")
    }

    #[test]
    fn changed_files_are_taken_when_they_fit() {
        let place = Place::new();
        let (mut watch, findings) = place.watch();
        assert_eq!(findings.iter().map(|f| f.kind).collect::<Vec<_>>(), [FindingKind::IntermediateMissing]);
        let first = watch.shown.current().expect("an identity");
        watch.look(noon());
        assert!(Arc::ptr_eq(&first, &watch.shown.current().expect("an identity")), "nothing changed");
        let whole = place.put("TWO.X26");
        place.write("client.pem", &whole[..whole.len() / 2]);
        watch.look(noon());
        let told = watch.refused.clone().expect("it is told");
        assert!(told.1.contains("client.pem") && told.1.contains("damaged"), "{}", told.1);
        watch.look(noon());
        assert_eq!(watch.refused, Some(told), "and not again");
        assert!(Arc::ptr_eq(&first, &watch.shown.current().expect("an identity")), "the old one stays");
        place.write("client.pem", &whole);
        watch.look(noon());
        assert_eq!(
            (shown(&watch).as_str(), watch.refused.is_none()),
            ("TWO.X26.api.mesh-client.nhs.uk", true)
        );
        assert_eq!(watch.told, [FindingKind::IntermediateMissing]);
    }

    #[test]
    fn a_certificate_before_its_time_is_taken_when_it_comes() {
        let place = Place::new();
        let (mut watch, _) = place.watch();
        place.put("TWO.X26");
        // The certificates made here begin in 1975.
        watch.look("1970-01-01T00:00:00Z".parse().expect("a time"));
        let told = watch.refused.clone().expect("it is told");
        assert!(told.1.contains("is not valid before"), "{}", told.1);
        assert!(
            watch.told.contains(&FindingKind::NotYetValid),
            "the one in use is no better, which is told too"
        );
        watch.look(noon());
        assert_eq!(shown(&watch), "TWO.X26.api.mesh-client.nhs.uk");
    }

    #[test]
    fn its_end_is_a_metric_that_follows_the_files() {
        use metrics_util::debugging::{DebugValue, DebuggingRecorder};

        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let expiry = || {
            let seen = snapshotter.snapshot().into_vec();
            let [(key, _, Some(_), DebugValue::Gauge(value))] = &seen[..] else {
                panic!("one gauge with a description: {seen:?}")
            };
            let labels: Vec<_> = key.key().labels().map(|label| (label.key(), label.value())).collect();
            assert_eq!(labels, [("name", "client")]);
            assert_eq!(key.key().name(), "mesh_relay_certificate_expiry_seconds");
            value.into_inner()
        };
        metrics::with_local_recorder(&recorder, || {
            relay_core::metric::describe();
            let place = Place::new();
            let (mut watch, _) = place.watch();
            let first = expiry();
            let end = Facts::read(&watch.material.chain[0]).expect("facts").not_after;
            assert_eq!(first, end.as_second() as f64);
            let shorter = place.authority.client_until("TWO.X26.api.mesh-client.nhs.uk", 2031);
            place.write("client.pem", &shorter.certificate);
            place.write("client.key", &shorter.key);
            watch.look(noon());
            assert!(expiry() < first, "the new certificate ends sooner");
        });
    }

    #[tokio::test(start_paused = true)]
    async fn the_watch_ends_with_the_relay() {
        let place = Place::new();
        let (watch, _) = place.watch();
        let shown = watch.shown();
        let first = shown.current().expect("an identity");
        let (trigger, shutdown) = Shutdown::channel();
        let watching = tokio::spawn(watch.run(Duration::from_secs(30), shutdown));
        place.put("TWO.X26");
        while Arc::ptr_eq(&first, &shown.current().expect("an identity")) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        trigger.request();
        watching.await.expect("an orderly end");
    }
}
