//! `[mesh]`: the server, the relay's identity there, and the shared key.

use std::path::PathBuf;

use mesh_api::chunk::{CHUNK_BYTES_DEFAULT, REQUEST_BYTES_MAX};
use serde::Deserialize;

use crate::environment::Environment;
use crate::fault::Faults;
use crate::quantity::Size;
use crate::secret::SecretRef;
use crate::section::Section;

/// The section `[mesh]`.
#[derive(Debug, Clone)]
pub struct MeshSection {
    /// `environment`: which MESH. Required.
    pub environment: Environment,
    /// `identity`: client certificate and key. Required for NHS England's servers.
    pub identity: Option<Identity>,
    /// `shared_key`: the key of the environment, with which requests are signed. Required.
    pub shared_key: SecretRef,
    /// `roots`: PEM file of the certificates to trust. Required over TLS: NHS roots are in no public store.
    /// Relative to the folder of the configuration file.
    pub roots: Option<PathBuf>,
    /// `chunk_size`: bytes of one chunk before compression, 1 to 100 MB. Default 20 MB.
    pub chunk_bytes: u64,
    /// The section, for faults that are found later.
    pub section: Section,
}

/// A client certificate with its key. Paths are relative to the folder of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `cert`: PEM file of the certificate, followed by those that issued it.
    pub cert: PathBuf,
    /// `key`: PEM file of the private key.
    pub key: PathBuf,
}

#[derive(Deserialize)]
struct Entries {
    environment: Option<Environment>,
    identity: Option<IdentityEntries>,
    shared_key: Option<SecretRef>,
    roots: Option<PathBuf>,
    chunk_size: Option<Size>,
}

/// `keystore` and `password` are known so that the answer to them is better than that they are not.
#[derive(Deserialize)]
struct IdentityEntries {
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    keystore: Option<PathBuf>,
    password: Option<SecretRef>,
}

impl MeshSection {
    /// What could be read of the environment comes beside the section, for the checks of other sections.
    pub(crate) fn read(section: Section, faults: &mut Faults) -> (Option<Self>, Option<Environment>) {
        let (Some(entries), _) = section.read::<Entries>(&[], faults) else {
            return (None, None);
        };
        let hint =
            "such as environment = \"sandbox\", \"integration\", \"live\" or { url = \"https://host\" }";
        let environment = section.require("environment", entries.environment, hint, faults);
        let hint = "such as shared_key = { env = \"MESH_SHARED_KEY\" } or { file = \"path\" }";
        let shared_key = section.require("shared_key", entries.shared_key, hint, faults);
        let identity = entries.identity.and_then(|entries| read_identity(&section, entries, faults));
        if environment.as_ref().is_some_and(Environment::is_nhs) && identity.is_none() {
            let hint = "such as identity = { cert = \"client.pem\", key = \"client.key\" }";
            section.require("identity", None::<Identity>, hint, faults);
        }
        if environment.as_ref().is_some_and(Environment::is_tls) && entries.roots.is_none() {
            let hint = "such as roots = \"nhs-roots.pem\"; the NHS roots are in no public store";
            section.require("roots", None::<PathBuf>, hint, faults);
        }
        let chunk_bytes = entries.chunk_size.map_or(CHUNK_BYTES_DEFAULT, Size::bytes);
        if chunk_bytes == 0 || chunk_bytes > REQUEST_BYTES_MAX {
            let message = "`chunk_size` must be more than nothing and at most 100MB";
            let hint = Some("leave it out for the default of 20MB".to_owned());
            faults.push(section.fault(Some("chunk_size"), message, hint));
        }
        let roots = entries.roots.map(|path| section.file(path));
        let mesh = match (environment.clone(), shared_key) {
            (Some(environment), Some(shared_key)) => {
                Some(Self { environment, identity, shared_key, roots, chunk_bytes, section })
            }
            _ => None,
        };
        (mesh, environment)
    }
}

fn read_identity(section: &Section, entries: IdentityEntries, faults: &mut Faults) -> Option<Identity> {
    if entries.keystore.is_some() {
        let hint = "convert it to PEM: keytool -importkeystore -srckeystore mesh.keystore -destkeystore mesh.p12 \
                    -deststoretype PKCS12, then openssl pkcs12 -in mesh.p12 -nodes; give the parts as cert and key";
        let message = "`keystore` is not supported yet";
        faults.push(section.fault(Some("identity.keystore"), message, Some(hint.to_owned())));
        return None;
    }
    if entries.password.is_some() {
        let hint = "PEM keys are read without one; openssl pkey removes it";
        let message = "`password` belongs to a keystore, which is not supported yet";
        faults.push(section.fault(Some("identity.password"), message, Some(hint.to_owned())));
    }
    let cert = section.require("identity.cert", entries.cert, "such as cert = \"client.pem\"", faults);
    let key = section.require("identity.key", entries.key, "such as key = \"client.key\"", faults);
    Some(Identity { cert: section.file(cert?), key: section.file(key?) })
}
