//! Serves MESH: an embedded MESH server for tests, demonstrations and rehearsals.
//!
//! [`Sandbox::start`] opens a port and answers the MESH HTTP API there, in the two response versions, as the
//! official emulator does (`mesh-api.md` sections 2 to 6; where the two part, the item says so). Messages live in
//! memory and end with the process. Callers are always authorised in full: the token's hash is checked against the
//! mailbox's password and the shared key.
//!
//! ```no_run
//! # async fn example() -> Result<(), mesh_sandbox::SandboxError> {
//! use mesh_sandbox::{Sandbox, SandboxConfig};
//!
//! let sandbox = Sandbox::start(SandboxConfig::loopback()).await?;
//! println!("{}/messageexchange/X26ABC1/inbox", sandbox.base_url());
//! sandbox.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Inside, each subject has its file: `directory` says who there is, `store` keeps messages and knows no HTTP,
//! `api` answers calls and knows no socket, `serve` owns the port, `certificate` the TLS side.

mod answer;
mod api;
mod certificate;
mod config;
mod directory;
mod filter;
mod gzip;
mod serve;
mod store;
mod text;

pub use api::REQUEST_BODY_BYTES_MAX;
pub use config::{SandboxConfig, SandboxError, Tls};
pub use directory::{Directory, DirectoryError, DirectoryFile};
pub use gzip::INFLATED_BYTES_MAX;
pub use serve::{
    BODY_IDLE_TIMEOUT, CONNECTIONS_MAX, DRAIN_IDLE_TIMEOUT, HANDSHAKE_TIMEOUT, HEADER_TIMEOUT,
    SHUTDOWN_GRACE, Sandbox,
};
pub use store::StoredMessage;
