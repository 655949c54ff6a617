//! TLS identities of a MESH client from files: PEM, PKCS#12 and Java keystores become a certificate chain and a key
//! that rustls takes (`mesh-api.md` 1.2 and 1.3).
//!
//! * [`read`], [`read_with`], [`read_pem`] and [`read_authorities`] read bytes. What a file is is told by its content,
//!   never by its name. What cannot be read is refused with the command that converts it.
//! * [`Facts`] and [`check`] say what a certificate is and what will go wrong with it, before a connection does.
//! * [`SwappableIdentity`] gives rustls an identity that can be replaced while connections are made;
//!   [`IdentityFiles`] loads it from disk and sees when the files changed.
//!
//! Files are taken as hostile: nothing panics, nothing is allocated by a length that a file claims, and every bound
//! has a name. Keys and passphrases do not print.
//!
//! ```no_run
//! use keystore::{IdentityFiles, Passphrase, SwappableIdentity};
//!
//! # fn main() -> Result<(), keystore::LoadError> {
//! let files = IdentityFiles {
//!     passphrase: Passphrase::File("/etc/mesh-relay/keystore.password".into()),
//!     ..IdentityFiles::at("/opt/mesh/KEYSTORE/mesh.keystore")
//! };
//! let identity = SwappableIdentity::new(None);
//! let loaded = files.reload(&identity)?;
//! // Later, from a timer or a watcher:
//! if files.changed_since(&loaded.stamp) {
//!     files.reload(&identity)?; // an error leaves the old identity in place
//! }
//! # Ok(())
//! # }
//! ```

mod check;
mod encrypted;
mod error;
mod facts;
mod files;
mod identity;
mod jks;
mod material;
mod p12;
mod pem;
mod read;

pub use check::{EXPIRY_WARNING_DAYS, Finding, FindingKind, Severity, check};
pub use encrypted::{KDF_ROUNDS_MAX, SCRYPT_BYTES_MAX, SCRYPT_PARALLEL_MAX};
pub use error::KeystoreError;
pub use facts::{DNS_NAMES_MAX, Facts, KeyKind, NAME_CHARS_MAX};
pub use files::{IdentityFiles, LoadError, Loaded, PASSPHRASE_BYTES_MAX, Passphrase, Stamp};
pub use identity::{SwappableIdentity, certified_key};
pub use material::KeyMaterial;
pub use read::{Unlock, read, read_authorities, read_pem, read_with};

/// Largest file that is read, in bytes. A store with a key and its chain has a few thousand.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most entries of a store, and most sections of a PEM text. Java's own store of public roots has about 150.
pub const ENTRIES_MAX: usize = 1000;
/// Most certificates of a chain, leaf included. The NHS chains have three.
pub const CHAIN_MAX: usize = 10;
