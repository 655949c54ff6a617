//! `identity` of `[mesh]`: where the client certificate and its key are.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::fault::Faults;
use crate::secret::SecretRef;
use crate::section::Section;

/// What to write.
pub(crate) const FORMS: &str = "such as identity = { cert = \"client.pem\", key = \"client.key\" } or { keystore = \
                                \"mesh.keystore\", password = { file = \"path\" } }";

/// A client certificate with its key. Paths are relative to the folder of the configuration file, save those of the
/// secrets, which [`SecretRef::resolve`] makes so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Two PEM files.
    Pem {
        /// `cert`: the certificate, and those that lead from it to the root.
        cert: PathBuf,
        /// `key`: the private key, which may be encrypted.
        key: PathBuf,
        /// `password`: what opens the key, if it is encrypted.
        password: Option<SecretRef>,
    },
    /// A Java keystore (JKS) or a PKCS#12 file.
    Keystore {
        /// `keystore`: the file.
        keystore: PathBuf,
        /// `password`: what opens it. A Java keystore always has one.
        password: Option<SecretRef>,
        /// `alias`: which key of a store with several.
        alias: Option<String>,
        /// `key_password`: what opens the key in a Java keystore, if that differs.
        key_password: Option<SecretRef>,
    },
}

/// All keys of both forms, so that a mixture gets a better answer than that a key is unknown. An adapter that shows a
/// certificate has them in its own struct and reads them with
/// [`AdapterSection::identity`](crate::AdapterSection::identity).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct IdentityEntries {
    /// The certificate, and those that lead from it to the root.
    cert: Option<PathBuf>,
    /// The private key, which may be encrypted.
    key: Option<PathBuf>,
    /// The file.
    keystore: Option<PathBuf>,
    /// What opens an encrypted key, or the keystore. A Java keystore always has one.
    password: Option<SecretRef>,
    /// Which key of a store with several.
    alias: Option<String>,
    /// What opens the key in a Java keystore, if that differs.
    key_password: Option<SecretRef>,
}

impl IdentityEntries {
    pub(crate) fn read(self, section: &Section, faults: &mut Faults) -> Option<Identity> {
        let mut fault = |key: &str, message: &str, hint: &str| {
            faults.push(section.fault(Some(key), message, hint));
        };
        let Some(keystore) = self.keystore else {
            for (key, given) in
                [("alias", self.alias.is_some()), ("key_password", self.key_password.is_some())]
            {
                if given {
                    let hint = "PEM files hold one key; what opens it is its password";
                    fault(&format!("identity.{key}"), &format!("`{key}` belongs to a keystore"), hint);
                }
            }
            // A keystore that is there and no path has its fault already.
            if self.cert.is_none() && self.key.is_none() {
                section.require("identity.keystore", None::<()>, FORMS, faults);
                return None;
            }
            let cert = section.require("identity.cert", self.cert, "such as cert = \"client.pem\"", faults);
            let key = section.require("identity.key", self.key, "such as key = \"client.key\"", faults);
            let (cert, key) = (section.file(cert?), section.file(key?));
            return Some(Identity::Pem { cert, key, password: self.password });
        };
        for (key, given) in [("cert", self.cert.is_some()), ("key", self.key.is_some())] {
            if given {
                let hint = "a keystore holds certificate and key; leave either it or the PEM files out";
                fault(&format!("identity.{key}"), &format!("`{key}` stands beside `keystore`"), hint);
            }
        }
        if self.alias.as_deref().is_some_and(|alias| alias.trim().is_empty()) {
            fault("identity.alias", "`alias` is empty", "leave it out for a keystore with one key");
        }
        Some(Identity::Keystore {
            keystore: section.file(keystore),
            password: self.password,
            alias: self.alias,
            key_password: self.key_password,
        })
    }
}
