//! What `[adapter.claim_check]` may say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use relay_config::{ClearText, SecretError, SecretRef, Secrets, Size};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use crate::options;
use crate::place::{Place, Scheme};

/// One adapter's payloads by reference. A place is a folder's path, or a URL: `file:///…`, `s3://bucket/prefix` or
/// `az://container/prefix`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Config {
    /// Longest body in bytes that a message from MESH carries itself. What is longer goes to `write`.
    #[serde(default = "inline_max_default")]
    pub inline_max: Size,
    /// Where payloads of messages from MESH are put. Absent: nowhere, and all of them are carried.
    pub write: Option<String>,
    /// What a message for MESH may name: these places and all beneath them. Empty: nothing.
    #[serde(default)]
    pub read: Vec<String>,
    /// Longest payload in bytes that is taken by reference.
    #[serde(default = "size_max_default")]
    pub size_max: Size,
    /// Of the object store: what is no secret, such as `region` and `endpoint`.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Of the object store: lines of the form `key=value`, such as `secret_access_key=…`. Absent: the login that the
    /// machine itself has in its cloud.
    pub credentials: Option<SecretRef>,
    /// Whether an object store on another machine may be reached by `http` (`allow_http` in the options).
    pub clear_text: Option<ClearText>,
    /// A file of PEM certificates that the object store's may come from, beside those that the system trusts.
    pub roots: Option<PathBuf>,
    #[serde(skip)]
    pub(crate) secret: Option<SecretString>,
}

/// What to write as a place.
const PLACES: &str = "write a folder's path, s3://bucket/prefix or az://container/prefix";

/// What is kept out of a broker unless told otherwise (2.9).
fn inline_max_default() -> Size {
    Size::of_bytes(1 << 20)
}

fn size_max_default() -> Size {
    Size::of_bytes(5_000_000_000)
}

impl Config {
    /// Makes relative paths begin at `folder`, which is the configuration's.
    pub fn start_at(&mut self, folder: &Path) {
        // Of its own it may be relative, or go up; a file that is named without one lies in this one.
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let begin = |text: &mut String| {
            if !text.contains("://") {
                *text = folder.join(&*text).to_string_lossy().into_owned();
            }
        };
        self.read.iter_mut().for_each(begin);
        self.write.iter_mut().for_each(begin);
        self.roots.iter_mut().for_each(|path| *path = folder.join(&*path));
    }

    /// Reads the credentials, if there are any.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn resolve(&mut self, secrets: &Secrets) -> Result<(), SecretError> {
        self.secret = self.credentials.as_ref().map(|place| place.resolve(secrets)).transpose()?;
        Ok(())
    }

    /// The object store to which payloads would go in clear text over a network, in words, once [`Self::resolve`] was
    /// called. It need not: where `http` is allowed, a store may also lead there.
    pub fn in_clear_text(&self) -> Option<String> {
        options::in_clear_text(self)
    }

    /// What is wrong with the values: the key of the adapter's section that it concerns, what is wrong, and what to do.
    pub fn faults(&self) -> Vec<(&'static str, String, String)> {
        let mut faults = Vec::new();
        let mut fault = |key, what: String, hint: &str| faults.push((key, what, hint.to_owned()));
        let mut schemes = Vec::new();
        let places = self.read.iter().map(|text| ("claim_check.read", text));
        for (key, text) in places.chain(self.write.iter().map(|text| ("claim_check.write", text))) {
            match Place::configured(text) {
                Ok(place) => schemes.push(place.scheme),
                Err(what) => fault(key, format!("{key}: a place {what}"), PLACES),
            }
        }
        if self.read.is_empty() && self.write.is_none() {
            let what = "neither claim_check.read nor claim_check.write is there: nothing would be done";
            fault(
                "claim_check",
                what.to_owned(),
                "such as claim_check = { read = [\"/srv/claims\"] }, or leave it out",
            );
        }
        if self.size_max.bytes() == 0 {
            let what = "claim_check.size_max must be 1 byte at least".to_owned();
            fault("claim_check.size_max", what, "leave it out for the default of 5GB");
        }
        schemes.retain(|scheme| *scheme != Scheme::File);
        schemes.dedup();
        if schemes.windows(2).any(|pair| pair[0] != pair[1]) {
            let what = "one adapter's claim check has one kind of object store, s3 or az, since both would be given the \
                        same options";
            fault("claim_check.read", what.to_owned(), "give the other kind to another adapter");
        }
        let given = [
            ("claim_check.options", !self.options.is_empty()),
            ("claim_check.credentials", self.credentials.is_some()),
            ("claim_check.roots", self.roots.is_some()),
        ];
        match schemes.first() {
            Some(scheme) => {
                for (what, hint) in self.options.keys().filter_map(|key| options::fault(*scheme, key)) {
                    fault("claim_check.options", what, &hint);
                }
            }
            None => {
                for (key, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
                    let what = format!("{key} is for object stores, and only folders are named");
                    fault(
                        key,
                        what,
                        "leave it out, or name a place of the form s3://bucket/prefix or az://container/prefix",
                    );
                }
            }
        }
        faults
    }
}
