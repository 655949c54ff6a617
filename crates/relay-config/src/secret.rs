//! Secrets: where they stand, never what they are.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use secret_file::{Exposed, Lax, ReadError};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use thiserror::Error;

use crate::imprint::Reads;

/// Longest file with a secret, in bytes. The longest secrets that there are, credentials of an object store, have some hundreds.
const FILE_BYTES_MAX: usize = 64 * 1024;

/// What to write in place of a secret.
const FORMS: &str = "write { file = \"path\" } or { env = \"NAME\" }";

/// Where a secret stands: `{ file = "path" }` or `{ env = "NAME" }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// The content of a file. A relative path is relative to the folder of the configuration file.
    File(PathBuf),
    /// The value of an environment variable.
    Env(String),
}

/// Where the secrets of one configuration are found. `Debug` shows none.
#[derive(Debug, Clone)]
pub struct Secrets {
    folder: PathBuf,
    /// What is held in place of files, by the path as the configuration writes it.
    held: Option<HashMap<PathBuf, SecretString>>,
    reads: Reads,
}

impl Secrets {
    /// Secrets in files; a relative path starts at `folder`.
    pub fn in_files(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), held: None, reads: Reads::default() }
    }

    /// Secrets that were read elsewhere and stand in for the files of a configuration that was made in memory
    /// ([`load_text_with`](crate::load_text_with)): `{ file = "path" }` is looked up by that path and no file is read.
    /// No text of a configuration leads here, so nobody reaches it by a slip of the pen.
    pub fn held(secrets: HashMap<PathBuf, SecretString>) -> Self {
        Self { folder: PathBuf::new(), held: Some(secrets), reads: Reads::default() }
    }

    /// The same, for one part of the configuration: what is read by it is noted apart, for [`Section::imprint`].
    ///
    /// [`Section::imprint`]: crate::Section::imprint
    #[must_use]
    pub fn apart(&self) -> Self {
        Self { reads: Reads::default(), ..self.clone() }
    }

    /// Reads a file that is no secret, such as certificates to trust, and notes that it was. The path is taken as it is.
    ///
    /// # Errors
    /// As the system has them.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let content = std::fs::read(path);
        // Also where it cannot be read: it is looked at again once it can.
        self.reads.file(path, content.as_deref().unwrap_or_default());
        content
    }

    /// The files that were read, for whoever follows their changes.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        self.reads.files()
    }

    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// The folder from which relative paths count.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether secrets are held at all: the configuration was made from another program's, with that program's files.
    pub fn are_held(&self) -> bool {
        self.held.is_some()
    }

    /// What is held in place of a file, if secrets are held at all and this one is among them.
    pub fn held_for(&self, path: &Path) -> Option<&SecretString> {
        self.held.as_ref()?.get(path)
    }

    fn file(&self, path: &Path) -> Result<SecretString, SecretError> {
        match &self.held {
            None => {
                let path = self.folder.join(path);
                let secret = read_file(path.clone());
                let content = secret.as_ref().map_or("", |secret| secret.expose_secret());
                self.reads.file(&path, content.as_bytes());
                secret
            }
            Some(held) => held.get(path).cloned().ok_or_else(|| SecretError::File {
                path: path.to_owned(),
                source: io::ErrorKind::NotFound.into(),
            }),
        }
    }
}

/// Why a secret cannot be had. Names the file or the variable and what to do, never the content.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read the secret in {}: {source}; create the file, and let this user read it", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others than its owner may read the file.
    #[error("the secret in {0}")]
    Exposed(Exposed),
    /// The file is too long for a secret.
    #[error("the secret in {} is longer than {FILE_BYTES_MAX} bytes, so it is none; check the path", path.display())]
    FileTooLong {
        /// The file.
        path: PathBuf,
    },
    /// The file is no UTF-8 text.
    #[error("the secret in {} is not UTF-8 text; write it to the file as plain text", path.display())]
    FileNotText {
        /// The file.
        path: PathBuf,
    },
    /// The file has nothing in it.
    #[error("the secret in {} is empty; write it to the file", path.display())]
    FileEmpty {
        /// The file.
        path: PathBuf,
    },
    /// There is no such variable.
    #[error("the environment variable {name} is not set; set it for the user that runs the relay")]
    EnvMissing {
        /// The variable.
        name: String,
    },
    /// The variable holds no UTF-8 text.
    #[error("the environment variable {name} is not UTF-8 text; set it to plain text")]
    EnvNotText {
        /// The variable.
        name: String,
    },
    /// The variable has nothing in it.
    #[error("the environment variable {name} is empty; set it to the secret")]
    EnvEmpty {
        /// The variable.
        name: String,
    },
}

impl SecretRef {
    /// Reads the secret. One line end at the end of a file does not belong to the secret; all else does.
    pub fn resolve(&self, secrets: &Secrets) -> Result<SecretString, SecretError> {
        match self {
            Self::File(path) => secrets.file(path),
            Self::Env(name) => {
                let secret = read_variable(name)?;
                secrets.reads.variable(name, secret.expose_secret().as_bytes());
                Ok(secret)
            }
        }
    }
}

fn read_file(path: PathBuf) -> Result<SecretString, SecretError> {
    let bytes = match secret_file::read(&path, FILE_BYTES_MAX, Lax::Refused) {
        Ok(bytes) => bytes,
        Err(ReadError::Exposed(exposed)) => return Err(SecretError::Exposed(exposed)),
        Err(ReadError::TooLarge { .. }) => return Err(SecretError::FileTooLong { path }),
        Err(ReadError::NotAFile) => {
            return Err(SecretError::File { path, source: io::Error::other("it is not a file") });
        }
        Err(ReadError::Unreadable { source }) => return Err(SecretError::File { path, source }),
    };
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Err(SecretError::FileNotText { path });
    };
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return Err(SecretError::FileEmpty { path });
    }
    // Of the text, which is copied once: of a `String` with room to spare a part would be left behind.
    Ok(SecretString::from(text))
}

fn read_variable(name: &str) -> Result<SecretString, SecretError> {
    let name = name.to_owned();
    match std::env::var(&name).map(Zeroizing::new) {
        Ok(text) if text.is_empty() => Err(SecretError::EnvEmpty { name }),
        Ok(text) => Ok(SecretString::from(text.as_str())),
        Err(std::env::VarError::NotPresent) => Err(SecretError::EnvMissing { name }),
        Err(std::env::VarError::NotUnicode(_)) => Err(SecretError::EnvNotText { name }),
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As a struct, so that the two keys can be offered to someone who misspells one.
        deserializer.deserialize_struct("SecretRef", &["file", "env"], Reference)
    }
}

struct Reference;

impl<'de> Visitor<'de> for Reference {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ file = \"path\" } or { env = \"NAME\" }")
    }

    // The value may be a secret: it goes into no message.
    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<SecretRef, E> {
        Err(E::custom(format!("a secret does not stand in the configuration itself\n{FORMS}")))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        use serde::de::Error;
        let (mut file, mut env) = (None::<PathBuf>, None::<String>);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "file" => file = Some(map.next_value()?),
                "env" => env = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        match (file, env) {
            (Some(file), None) if !file.as_os_str().is_empty() => Ok(SecretRef::File(file)),
            (None, Some(env)) if env.contains(['=', '\0']) || env.is_empty() => {
                Err(A::Error::custom(format!("`env` takes the name of an environment variable\n{FORMS}")))
            }
            (None, Some(env)) => Ok(SecretRef::Env(env)),
            (Some(_), Some(_)) => {
                Err(A::Error::custom(format!("a secret has one place, not `file` and `env`\n{FORMS}")))
            }
            _ => Err(A::Error::custom(format!("the place of the secret is missing\n{FORMS}"))),
        }
    }
}
