//! `[mesh]`: the server, the relay's identity there, the shared key, and the proxy on the way.

use std::path::PathBuf;
use std::time::Duration;

use mesh_api::chunk::{CHUNK_BYTES_DEFAULT, REQUEST_BYTES_MAX};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::environment::Environment;
use crate::fault::Faults;
use crate::identity::{FORMS as IDENTITY_FORMS, Identity, IdentityEntries};
use crate::proxy::{Proxy, ProxyEntries};
use crate::quantity::{Interval, Size};
use crate::secret::SecretRef;
use crate::section::Section;

/// The pause between two looks at the files of the identity unless configured: short beside the days that a change
/// of certificates takes, long beside the milliseconds that a look costs.
pub const IDENTITY_LOOK: Duration = Duration::from_secs(30);

/// The section `[mesh]`.
#[derive(Debug, Clone)]
pub struct MeshSection {
    /// `environment`: which MESH. Required.
    pub environment: Environment,
    /// `identity`: client certificate and key. Required for NHS England's servers.
    pub identity: Option<Identity>,
    /// `identity_look`: pause between two looks whether the files of the identity changed. Default
    /// [`IDENTITY_LOOK`]; there to make tests short.
    pub identity_look: Duration,
    /// `shared_key`: the key of the environment, with which requests are signed. Required.
    pub shared_key: SecretRef,
    /// `roots`: file of the certificates to trust: PEM, or the keystore of the identity. Required over TLS: NHS roots
    /// are in no public store. Relative to the folder of the configuration file.
    pub roots: Option<PathBuf>,
    /// `proxy`: the HTTP proxy on the way. Not used for plain HTTP, which stays on this machine.
    pub proxy: Option<Proxy>,
    /// `chunk_size`: bytes of one chunk before compression, 1 to 100 MB. Default 20 MB.
    pub chunk_bytes: u64,
    /// The section, for faults that are found later.
    pub section: Section,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Entries {
    /// Which MESH. Required.
    #[schemars(required)]
    environment: Option<Environment>,
    /// Client certificate and key: `cert` and `key`, or `keystore`. Required for NHS England's servers.
    identity: Option<IdentityEntries>,
    /// Pause between two looks whether the files of the identity changed. Default 30 s; there to make tests short.
    #[schemars(extend("default" = "30s"))]
    identity_look: Option<Interval>,
    /// The key of the environment, with which requests are signed. Required.
    #[schemars(required)]
    shared_key: Option<SecretRef>,
    /// File of the certificates to trust: PEM, or the keystore of the identity. Required over TLS: NHS roots are in no
    /// public store. Relative to the folder of the configuration file.
    roots: Option<PathBuf>,
    /// The HTTP proxy on the way to MESH. Not used for plain HTTP, which stays on this machine.
    proxy: Option<ProxyEntries>,
    /// Size of one chunk before compression, 1 byte to 100 MB.
    #[schemars(extend("default" = "20MB"))]
    chunk_size: Option<Size>,
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
        let identity = entries.identity.and_then(|entries| entries.read(&section, faults));
        if environment.as_ref().is_some_and(Environment::is_nhs) && identity.is_none() {
            section.require("identity", None::<Identity>, IDENTITY_FORMS, faults);
        }
        if environment.as_ref().is_some_and(Environment::is_tls) && entries.roots.is_none() {
            let hint = "such as roots = \"nhs-roots.pem\"; the NHS roots are in no public store";
            section.require("roots", None::<PathBuf>, hint, faults);
        }
        let chunk_bytes = entries.chunk_size.map_or(CHUNK_BYTES_DEFAULT, Size::bytes);
        if chunk_bytes == 0 || chunk_bytes > REQUEST_BYTES_MAX {
            let message = "`chunk_size` must be more than nothing and at most 100MB";
            let hint = "leave it out for the default of 20MB";
            faults.push(section.fault(Some("chunk_size"), message, hint));
        }
        let identity_look = entries.identity_look.map_or(IDENTITY_LOOK, Interval::get);
        if identity_look.is_zero() {
            let hint = "leave it out for the default";
            let message = "`identity_look` must be longer than nothing";
            faults.push(section.fault(Some("identity_look"), message, hint));
        }
        let proxy = entries.proxy.and_then(|entries| entries.read(&section, faults));
        let roots = entries.roots.map(|path| section.file(path));
        let mesh = match (environment.clone(), shared_key) {
            (Some(environment), Some(shared_key)) => Some(Self {
                environment,
                identity,
                identity_look,
                shared_key,
                roots,
                proxy,
                chunk_bytes,
                section,
            }),
            _ => None,
        };
        (mesh, environment)
    }
}
