//! Secrets and key files: whether they can be read here, and by whom else.

use std::path::{Path, PathBuf};

use relay_config::{Identity, JournalPlace, SecretRef, Secrets};
use relay_core::diagnosis::Finding;

use super::{Read, aside};

/// Whether a secret can be read, and by its owner alone.
pub(super) const CHECK: &str = "secret.readable";

/// Where a secret is, in words.
pub(super) fn place(secret: &SecretRef, secrets: &Secrets) -> String {
    match secret {
        SecretRef::File(path) => secrets.folder().join(path).display().to_string(),
        SecretRef::Env(name) => format!("environment variable {name}"),
    }
}

/// The secrets that sections of the relay's own name. An adapter's are read with its other settings.
pub(super) struct Known {
    named: Vec<(String, SecretRef)>,
    keys: Vec<(String, PathBuf)>,
    secrets: Secrets,
}

impl Known {
    pub(super) fn of(loaded: &Read) -> Self {
        let mut named = vec![("shared_key of [mesh]".to_owned(), loaded.mesh.shared_key.clone())];
        let mut keys = Vec::new();
        let mut opened = |password: &Option<SecretRef>| {
            named.extend(password.iter().map(|password| ("identity of [mesh]".to_owned(), password.clone())));
        };
        match &loaded.mesh.identity {
            Some(Identity::Pem { key, password, .. }) => {
                keys.push(("key of identity of [mesh]".to_owned(), key.clone()));
                opened(password);
            }
            Some(Identity::Keystore { keystore, password, key_password, .. }) => {
                keys.push(("keystore of [mesh]".to_owned(), keystore.clone()));
                opened(password);
                opened(key_password);
            }
            None => {}
        }
        let login = loaded.mesh.proxy.as_ref().and_then(|proxy| proxy.login.as_ref());
        named.extend(login.map(|login| ("proxy.password of [mesh]".to_owned(), login.password.clone())));
        if let JournalPlace::Postgres { url, .. } = &loaded.journal.place {
            named.push(("url of [journal]".to_owned(), url.clone()));
        }
        named.extend(
            loaded
                .mailboxes
                .iter()
                .map(|mailbox| (format!("password of mailbox {}", mailbox.id), mailbox.password.clone())),
        );
        let callers = loaded.console.iter().flat_map(|console| &console.callers);
        named
            .extend(callers.map(|caller| (format!("token of caller {}", caller.name), caller.token.clone())));
        Self { named, keys, secrets: loaded.secrets.clone() }
    }

    pub(super) async fn look(self) -> Vec<Finding> {
        aside(move || self.findings()).await.unwrap_or_default()
    }

    fn findings(&self) -> Vec<Finding> {
        let secret = |(what, secret): &(String, SecretRef)| {
            let item = format!("{what} ({})", place(secret, &self.secrets));
            match (secret.resolve(&self.secrets), secret) {
                (Err(error), _) => {
                    let told = error.to_string();
                    let (found, advice) = told.split_once("; ").unwrap_or((&told, "write it there"));
                    Finding::fault(CHECK, item, found, advice)
                }
                (Ok(_), SecretRef::File(path)) => private(item, &self.secrets.folder().join(path)),
                (Ok(_), SecretRef::Env(_)) => Finding::sound(CHECK, item, "it is set"),
            }
        };
        let named = self.named.iter().map(secret);
        // One that cannot be read is told where certificate and key are looked at together.
        let there = self.keys.iter().filter(|(_, path)| std::fs::File::open(path).is_ok());
        named.chain(there.map(|(what, path)| private(format!("{what} ({})", path.display()), path))).collect()
    }
}

#[cfg(unix)]
fn private(item: String, path: &Path) -> Finding {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o077 == 0 {
        return Finding::sound(CHECK, item, "it can be read, by its owner alone");
    }
    let found = format!("it can be read, and others may get at it as well (mode {:o})", mode & 0o777);
    Finding::warning(CHECK, item, found, "take the rights of others away: chmod 600")
}

#[cfg(not(unix))]
fn private(item: String, _: &Path) -> Finding {
    Finding::sound(CHECK, item, "it can be read")
}
