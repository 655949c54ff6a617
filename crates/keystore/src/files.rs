//! Identity files on disk: loading them, and seeing that they changed.

use std::io;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use secret_file::{Exposed, Lax, ReadError};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{
    FILE_BYTES_MAX, KeyMaterial, KeystoreError, SwappableIdentity, Unlock, certified_key, read_pem, read_with,
};

/// Longest passphrase file, in bytes.
pub const PASSPHRASE_BYTES_MAX: usize = 4096;

/// Where a passphrase comes from.
#[derive(Debug, Clone, Default)]
pub enum Passphrase {
    /// There is none.
    #[default]
    None,
    /// It stands here.
    Value(SecretString),
    /// It is the content of a file: UTF-8, one line break at the end left out.
    File(PathBuf),
    /// It is in the environment variable of this name.
    Environment(String),
}

/// Where an identity is kept.
#[derive(Debug, Clone, Default)]
pub struct IdentityFiles {
    /// The store, or the PEM text with the certificates.
    pub identity: PathBuf,
    /// The PEM text with the key, if it is a file of its own.
    pub key: Option<PathBuf>,
    /// What opens the store, or the PEM key.
    pub passphrase: Passphrase,
    /// What opens the key of a Java keystore, if it has a passphrase of its own.
    pub key_passphrase: Passphrase,
    /// Which key of a store with several.
    pub alias: Option<String>,
    /// What becomes of a file with a key or a passphrase in it that others may read. Certificates alone are no secret.
    pub lax: Lax,
}

/// An identity that was loaded.
#[derive(Debug)]
pub struct Loaded {
    /// The identity.
    pub material: KeyMaterial,
    /// What the files were, for [`IdentityFiles::changed_since`].
    pub stamp: Stamp,
}

/// What the files were at one moment. Two are equal if every byte of the files was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    files: Vec<Option<Mark>>,
}

/// One file of a stamp. No times: a touched file has not changed, and a second write within the grain of the file
/// system's clock has.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    length: usize,
    digest: [u8; 32],
}

/// Why files give no identity. The identity in use is left as it was.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}; check the path, and that the service's account may read it", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A path leads to something else than a file.
    #[error("{} is not a file; give the path of the identity file itself", path.display())]
    NotAFile {
        /// Which path.
        path: PathBuf,
    },
    /// Others than its owner may read a file with a key or a passphrase in it.
    #[error("the key or its passphrase is not safe: {0}")]
    Exposed(#[from] Exposed),
    /// A file is larger than is read.
    #[error("{} is larger than {limit} bytes, so it is not what it should be; check the path", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// The limit in bytes.
        limit: usize,
    },
    /// A passphrase file is not UTF-8.
    #[error(
        "the passphrase file {} is not UTF-8 (a £ saved by an older editor looks so); save it as UTF-8",
        path.display()
    )]
    PassphraseNotUtf8 {
        /// Which file.
        path: PathBuf,
    },
    /// The environment has no such passphrase.
    #[error("the environment variable {name} holds no passphrase: {why}; set it for the service")]
    Environment {
        /// Its name.
        name: String,
        /// Absent, or not text.
        why: &'static str,
    },
    /// The files hold no identity.
    #[error("no identity can be read from {}: {source}", path.display())]
    Identity {
        /// Which file; with a separate key file this names the first one.
        path: PathBuf,
        /// Why.
        source: KeystoreError,
    },
    /// The files were written while they were read.
    #[error("{} is being written; load it again when that is done", path.display())]
    Changing {
        /// Which file; with others beside it this names the first one.
        path: PathBuf,
    },
}

impl IdentityFiles {
    /// One file with everything in it and no passphrase.
    pub fn at(identity: impl Into<PathBuf>) -> Self {
        Self { identity: identity.into(), ..Self::default() }
    }

    /// Loads the identity. Its key is proved to belong to its certificate, and the files to have stood still
    /// meanwhile, so what comes back is whole even if another program was replacing the files one by one.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which names the file.
    pub fn load(&self) -> Result<Loaded, LoadError> {
        // With the key in a file of its own, this one holds what everybody is shown.
        let certificates = if self.key.is_some() { Lax::Taken } else { self.lax };
        let identity = read_file(&self.identity, FILE_BYTES_MAX, certificates)?;
        let key = self.key.as_deref().map(|path| read_file(path, FILE_BYTES_MAX, self.lax)).transpose()?;
        let (passphrase, own) = (self.passphrase.get(self.lax)?, self.key_passphrase.get(self.lax)?);
        let refused = |source| LoadError::Identity { path: self.identity.clone(), source };
        let material = match &key {
            Some(key) => read_pem(&identity, key, own.as_ref().or(passphrase.as_ref())),
            None => {
                let unlock =
                    Unlock { store: passphrase.as_ref(), key: own.as_ref(), alias: self.alias.as_deref() };
                read_with(&identity, &unlock)
            }
        }
        .map_err(refused)?;
        certified_key(&material).map_err(refused)?;
        let stamp = self.stamp();
        let was_read: Vec<_> = [Some(&identity), key.as_ref()]
            .into_iter()
            .flatten()
            .map(|bytes| Some(Mark::of(bytes)))
            .collect();
        let stood_still = stamp.files.starts_with(&was_read);
        if stood_still {
            Ok(Loaded { material, stamp })
        } else {
            Err(LoadError::Changing { path: self.identity.clone() })
        }
    }

    /// Loads the identity and puts it in use. After an error the identity before is still in use.
    ///
    /// # Errors
    ///
    /// As [`IdentityFiles::load`].
    pub fn reload(&self, identity: &SwappableIdentity) -> Result<Loaded, LoadError> {
        let loaded = self.load()?;
        let key = certified_key(&loaded.material)
            .map_err(|source| LoadError::Identity { path: self.identity.clone(), source })?;
        identity.swap(Some(key));
        Ok(loaded)
    }

    /// What the files are now, passphrase files included. A file that cannot be read counts as a state too, so that
    /// a caller can keep the stamp of a failed try and try again only when something changed.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        let files = [
            Some(self.identity.as_path()),
            self.key.as_deref(),
            self.passphrase.file(),
            self.key_passphrase.file(),
        ];
        let mark = |path| read_file(path, FILE_BYTES_MAX, Lax::Taken).ok().map(|bytes| Mark::of(&bytes));
        Stamp { files: files.into_iter().flatten().map(mark).collect() }
    }

    /// Whether the files differ from what they were. Reads them (a few thousand bytes) and waits for nothing else;
    /// environment variables cannot change under a running program.
    #[must_use]
    pub fn changed_since(&self, stamp: &Stamp) -> bool {
        self.stamp() != *stamp
    }
}

impl Passphrase {
    fn file(&self) -> Option<&Path> {
        if let Self::File(path) = self { Some(path) } else { None }
    }

    fn get(&self, lax: Lax) -> Result<Option<SecretString>, LoadError> {
        match self {
            Self::None => Ok(None),
            Self::Value(value) => Ok(Some(value.clone())),
            Self::File(path) => {
                let bytes = read_file(path, PASSPHRASE_BYTES_MAX, lax)?;
                let text = std::str::from_utf8(&bytes)
                    .map_err(|_| LoadError::PassphraseNotUtf8 { path: path.clone() })?;
                let text = text.strip_prefix('\u{feff}').unwrap_or(text);
                let text = text.strip_suffix('\n').unwrap_or(text);
                Ok(Some(SecretString::from(text.strip_suffix('\r').unwrap_or(text))))
            }
            Self::Environment(name) => {
                let why = match std::env::var(name) {
                    Ok(value) => {
                        return Ok(Some(SecretString::from(Zeroizing::new(value).as_str())));
                    }
                    Err(std::env::VarError::NotPresent) => "it is not set",
                    Err(std::env::VarError::NotUnicode(_)) => "it is not UTF-8",
                };
                Err(LoadError::Environment { name: name.clone(), why })
            }
        }
    }
}

impl Mark {
    fn of(bytes: &[u8]) -> Self {
        Self { length: bytes.len(), digest: Sha256::digest(bytes).into() }
    }
}

/// Reads a file up to a limit, whatever length it claims.
fn read_file(path: &Path, limit: usize, lax: Lax) -> Result<Zeroizing<Vec<u8>>, LoadError> {
    secret_file::read(path, limit, lax).map_err(|error| match error {
        ReadError::Unreadable { source } => LoadError::Unreadable { path: path.to_owned(), source },
        ReadError::NotAFile => LoadError::NotAFile { path: path.to_owned() },
        ReadError::TooLarge { limit } => LoadError::TooLarge { path: path.to_owned(), limit },
        ReadError::Exposed(exposed) => LoadError::Exposed(exposed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tests::{PASS, fixture};
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use tempfile::TempDir;

    /// Writes a file, which is its owner's alone if it is new.
    fn put(path: &Path, content: &[u8]) {
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path).unwrap().write_all(content).unwrap();
    }

    /// A folder with one identity in it, as PEM or as a keystore with its passphrase file.
    fn pem_files(folder: &TempDir) -> IdentityFiles {
        let (identity, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
        put(&identity, &fixture("ec.pem"));
        put(&key, &fixture("ec-encrypted.pem"));
        IdentityFiles { key: Some(key), passphrase: value(PASS), ..IdentityFiles::at(identity) }
    }

    fn value(text: &str) -> Passphrase {
        Passphrase::Value(SecretString::from(text))
    }

    #[test]
    fn an_identity_is_loaded_and_watched() {
        let folder = TempDir::new().unwrap();
        let files = pem_files(&folder);
        let loaded = files.load().unwrap();
        assert!(!files.changed_since(&loaded.stamp));
        put(&files.identity, &fixture("ec.pem"));
        assert!(!files.changed_since(&loaded.stamp), "touched, not changed");
        let mut other = fixture("ec.pem");
        *other.last_mut().unwrap() = b' ';
        put(&files.identity, &other);
        assert!(files.changed_since(&loaded.stamp), "of the same length");
        std::fs::remove_file(files.key.as_ref().unwrap()).unwrap();
        let gone = files.stamp();
        assert!(files.load().is_err() && !files.changed_since(&gone));
    }

    #[test]
    fn a_half_written_file_leaves_the_old_identity() {
        let folder = TempDir::new().unwrap();
        let files = pem_files(&folder);
        let identity = SwappableIdentity::new(None);
        files.reload(&identity).unwrap();
        let before = identity.current().unwrap();
        let whole = fixture("ec.pem");
        for length in [0, 10, whole.len() / 2, whole.len() - 3] {
            put(&files.identity, &whole[..length]);
            files.reload(&identity).unwrap_err();
        }
        // Half of a pair: the new certificate stands, the new key does not yet.
        put(&files.identity, &fixture("rsa.pem"));
        let error = files.reload(&identity).unwrap_err();
        assert!(error.to_string().contains("does not belong"), "{error}");
        assert!(error.to_string().contains("chain.pem"), "{error}");
        assert!(std::sync::Arc::ptr_eq(&before, &identity.current().unwrap()));
        put(files.key.as_ref().unwrap(), &fixture("rsa-encrypted-3des.pem"));
        files.reload(&identity).unwrap();
        assert!(!std::sync::Arc::ptr_eq(&before, &identity.current().unwrap()));
    }

    #[test]
    fn a_passphrase_comes_from_where_it_is_kept() {
        let folder = TempDir::new().unwrap();
        let (store, passphrase) = (folder.path().join("mesh.keystore"), folder.path().join("password"));
        put(&store, &fixture("pound.jks"));
        let mut files =
            IdentityFiles { passphrase: Passphrase::File(passphrase.clone()), ..IdentityFiles::at(store) };
        for written in ["pa££word", "pa££word\n", "pa££word\r\n", "\u{feff}pa££word\n"] {
            put(&passphrase, written.as_bytes());
            assert!(files.load().is_ok(), "{written:?}");
        }
        let stamp = files.stamp();
        put(&passphrase, b"pa\xa3\xa3word");
        assert!(files.changed_since(&stamp));
        assert!(matches!(files.load(), Err(LoadError::PassphraseNotUtf8 { .. })));
        put(&passphrase, &[b'x'; PASSPHRASE_BYTES_MAX + 1]);
        assert!(matches!(files.load(), Err(LoadError::TooLarge { .. })));
        files.passphrase = Passphrase::Environment("MESH_RELAY_TEST_NO_SUCH_VARIABLE".to_owned());
        assert!(files.load().unwrap_err().to_string().contains("MESH_RELAY_TEST_NO_SUCH_VARIABLE"));
    }

    #[test]
    fn a_key_in_a_store_has_its_own_passphrase_and_alias() {
        let folder = TempDir::new().unwrap();
        let files = IdentityFiles {
            passphrase: value(PASS),
            key_passphrase: value("keypass"),
            alias: Some("mesh".to_owned()),
            ..IdentityFiles::at(folder.path().join("mesh.keystore"))
        };
        put(&files.identity, &fixture("keypass.jks"));
        assert!(files.load().is_ok());
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = TempDir::new().unwrap();
        let at = |path: &Path| IdentityFiles::at(path).load().unwrap_err();
        assert!(matches!(at(folder.path()), LoadError::NotAFile { .. }));
        assert!(matches!(at(&folder.path().join("none")), LoadError::Unreadable { .. }));
        let large = folder.path().join("large");
        put(&large, b"");
        File::options().write(true).open(&large).unwrap().set_len(FILE_BYTES_MAX as u64 + 1).unwrap();
        assert!(matches!(at(&large), LoadError::TooLarge { .. }));
    }

    #[test]
    #[cfg(unix)]
    fn what_others_may_read_is_refused_unless_it_is_no_secret() {
        use std::os::unix::fs::PermissionsExt;
        let folder = TempDir::new().unwrap();
        let password = folder.path().join("password");
        put(&password, PASS.as_bytes());
        let files = IdentityFiles { passphrase: Passphrase::File(password.clone()), ..pem_files(&folder) };
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&files.identity, 0o644);
        assert!(files.load().is_ok(), "certificates are shown to everybody");
        for path in [files.key.as_ref().unwrap(), &password] {
            mode(path, 0o644);
            let error = files.load().unwrap_err();
            assert!(matches!(&error, LoadError::Exposed(exposed) if exposed.path == *path), "{error}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
            assert!(IdentityFiles { lax: Lax::Taken, ..files.clone() }.load().is_ok());
            mode(path, 0o600);
        }
        let store = IdentityFiles {
            passphrase: value(PASS),
            ..IdentityFiles::at(folder.path().join("mesh.keystore"))
        };
        put(&store.identity, &fixture("ec.jks"));
        assert!(store.load().is_ok());
        mode(&store.identity, 0o644);
        assert!(matches!(store.load(), Err(LoadError::Exposed(_))));
    }

    #[test]
    fn passphrases_do_not_print() {
        let files = IdentityFiles { passphrase: value("canary"), ..IdentityFiles::at("x") };
        assert!(!format!("{files:?}").contains("canary"));
    }
}
