//! The claim check (`queue-bridging.md` 2.9): a queue's message that names its payload instead of holding it. The payload
//! lies in a folder or in an object store; the message says where, how long it is and its SHA-256.
//!
//! For MESH, a payload is taken only from where the configuration allows, checked whole, and then read again under the same
//! version, so that what is sent is what was checked. From MESH, a payload is named only once it is durable (INV-3). No
//! error holds a reference, a path or a key: they may carry patient data.
//!
//! | subject | where |
//! |---|---|
//! | what `[adapter.claim_check]` may say | [`Config`] |
//! | a reference as what it means, and whether it lies under another | `place` |
//! | options and credentials of object stores | `options` |
//! | files, read beneath a folder and written durably | `folder` |
//! | objects of a store | `bucket` |
//! | payloads for MESH | `fetch` |
//! | payloads from MESH | `put` |
//! | whether one goes there | `body` |

mod body;
mod bucket;
mod config;
mod error;
mod fetch;
mod folder;
mod options;
mod place;
mod put;

use std::sync::Arc;

pub use body::Body;
pub use config::Config;
pub use error::{ClaimError, OpenError, PutError, StoreTrouble};
pub use fetch::{Checked, Unclaimed, payload};
pub use put::Claim;

use relay_core::diagnosis::Finding;

use bucket::Bucket;
use folder::Folder;
use options::Settings;
use place::{Place, Scheme};

/// Whether a place for payloads can be used.
const PLACE: &str = "claim-check.place";

/// One adapter's claim check. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ClaimCheck(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Longest body in bytes that a message from MESH carries itself.
    inline_max: u64,
    /// Longest payload in bytes that is taken by reference.
    size_max: u64,
    /// What references may name.
    read: Vec<Shelf>,
    /// Where payloads from MESH are put.
    write: Option<Shelf>,
}

/// A place, and who holds what lies there.
#[derive(Debug)]
struct Shelf {
    place: Place,
    store: Store,
}

/// Who holds payloads.
#[derive(Debug, Clone)]
enum Store {
    Folder(Folder),
    Bucket(Bucket),
}

impl ClaimCheck {
    /// Opens what `config` names. Its credentials must have been resolved, and its relative paths made to begin at the
    /// configuration's folder. Folders must be there; of object stores nobody is asked yet.
    ///
    /// # Errors
    /// When something of it cannot be used, with what to do.
    pub fn open(config: &Config) -> Result<Self, OpenError> {
        let settings = Settings::read(config)?;
        let shelf =
            |key: &'static str, text: &str| {
                let place = Place::configured(text).map_err(|what| OpenError::Place { key, what })?;
                let (place, store) =
                    match place.scheme {
                        Scheme::File => {
                            let folder = Folder::open(place.to_path())
                                .map_err(|source| OpenError::Folder { key, path: place.to_path(), source })?;
                            (folder.place()?, Store::Folder(folder))
                        }
                        Scheme::S3 | Scheme::Azure => {
                            let bucket = Bucket::open(&place, &settings)?;
                            (place, Store::Bucket(bucket))
                        }
                    };
                Ok(Shelf { place, store })
            };
        let read = config.read.iter().map(|text| shelf("read", text)).collect::<Result<_, OpenError>>()?;
        let write = config.write.as_deref().map(|text| shelf("write", text)).transpose()?;
        let (inline_max, size_max) = (config.inline_max.bytes(), config.size_max.bytes());
        Ok(Self(Arc::new(Inner { inline_max, size_max, read, write })))
    }

    /// Longest body in bytes that a message from MESH carries itself.
    pub fn inline_max(&self) -> u64 {
        self.0.inline_max
    }

    /// Looks at every place for whoever sets them up, for the adapter `name`. Puts and takes nothing.
    pub async fn diagnose(&self, name: &str) -> Vec<Finding> {
        let shelves = self.0.read.iter().map(|shelf| (shelf, false));
        let mut findings = Vec::new();
        for (shelf, writes) in shelves.chain(self.0.write.iter().map(|shelf| (shelf, true))) {
            let key = if writes { "write" } else { "read" };
            let item = format!("adapter {name}: claim_check.{key} {}", shelf.place.to_reference());
            let looked = match &shelf.store {
                Store::Folder(folder) => folder.diagnose(writes).await,
                Store::Bucket(bucket) => bucket.diagnose(&shelf.place).await,
            };
            findings.push(match looked {
                Ok(found) => Finding::sound(PLACE, item, found),
                Err((found, advice)) => Finding::fault(PLACE, item, found, advice),
            });
        }
        findings
    }

    /// Whether payloads from MESH may be put anywhere.
    pub fn writes(&self) -> bool {
        self.0.write.is_some()
    }
}
