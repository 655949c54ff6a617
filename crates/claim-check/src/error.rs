//! What can go wrong. No text of it holds a reference, a path of a payload or a credential.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a claim check cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A place is none.
    #[error("claim_check.{key}: {what}")]
    Place {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A folder cannot be used.
    #[error(
        "claim_check.{key}: the folder {} cannot be used: {source}; create it, and let this user work in it",
        path.display()
    )]
    Folder {
        /// The key.
        key: &'static str,
        /// The folder, as it is configured.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The certificates to trust cannot be read.
    #[error("claim_check.roots: {} cannot be used: {what}; name a file of PEM certificates", path.display())]
    Roots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The credentials are not of the form that is read.
    #[error("claim_check.credentials: {what}")]
    Credentials {
        /// What is wrong with them, without what they are.
        what: String,
    },
    /// The options of the store do not fit together.
    #[error(
        "claim_check: the store {store} cannot be used with these options and credentials; look at region, endpoint and \
         account, and whether a key of the credentials is missing"
    )]
    Store {
        /// The bucket or container.
        store: String,
    },
}

/// A store that could not be asked, or did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{store} {what}")]
pub struct StoreTrouble {
    /// Which store: its bucket, its container, or that it is a folder.
    pub store: String,
    /// What is wrong with it, and what to do.
    pub what: &'static str,
}

/// Why a payload cannot be had by its reference.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClaimError {
    /// References are not taken at all.
    #[error(
        "it names its payload in mesh_data_ref, and no place is allowed for that; list the folder or the store's prefix in \
         the adapter's claim_check.read"
    )]
    Off,
    /// The reference is not of the form that is read.
    #[error("mesh_data_ref {0}")]
    Form(&'static str),
    /// It lies under no prefix that is allowed.
    #[error("mesh_data_ref names a place outside of those that the adapter's claim_check.read allows")]
    NotAllowed,
    /// It leads through a link, or to something that is no file.
    #[error("mesh_data_ref leads through a link or to what is no file; put the payload itself there")]
    NoFile,
    /// Nothing is there.
    #[error("there is nothing at mesh_data_ref; put the payload there before the message is sent")]
    NotThere,
    /// It is longer or shorter than the message says.
    #[error("the payload at mesh_data_ref is not of the length that mesh_data_size says")]
    WrongSize,
    /// It is longer than is let through.
    #[error(
        "the payload at mesh_data_ref is longer than the {most} bytes that claim_check.size_max lets through"
    )]
    TooLarge {
        /// Longest that is taken, in bytes.
        most: u64,
    },
    /// There is nothing in it.
    #[error("the payload at mesh_data_ref is empty, and MESH takes none without content")]
    Empty,
    /// It is not what the message says.
    #[error("the payload at mesh_data_ref has not the SHA-256 that mesh_data_sha256 says")]
    WrongHash,
    /// It changed while it was read.
    #[error(
        "the payload at mesh_data_ref was changed while it was read; write each one once, under a name of its own"
    )]
    Changed,
    /// The store could not be asked. It may be another time.
    #[error(transparent)]
    Store(#[from] StoreTrouble),
}

impl ClaimError {
    /// Whether the message can never be sent as it is. Otherwise its store is to be mended, and it is to be kept.
    pub fn is_permanent(&self) -> bool {
        !matches!(self, Self::Store(_))
    }
}

/// Why a payload from MESH was not put into the store.
#[derive(Debug, Error)]
pub enum PutError {
    /// Its bytes did not come. As [`relay_core::PayloadStream`] says: of the kind `InvalidData`, they will not come another
    /// time either.
    #[error("{0}")]
    Body(io::Error),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreTrouble),
}
