//! Serves MESH: an embedded MESH server for tests, demonstrations and rehearsals.
//!
//! [`Sandbox::start`] opens a port and answers the MESH HTTP API there, in the two response versions, as the
//! official emulator does (`mesh-api.md` sections 2 to 6 and 11; where the two part, the item says so). Under
//! [`Rules`] it also holds what the live service is known to hold, and [`Faults`] make it fail as a network, a
//! gateway or a bad day would. Its [`Clock`] can be moved forward, so that five days take no time.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use mesh_sandbox::{Sandbox, SandboxConfig};
//!
//! let sandbox = Sandbox::loopback().await?;
//! println!("{}/messageexchange/X26ABC1/inbox", sandbox.base_url());
//! sandbox.shutdown().await;
//!
//! let live_like = Sandbox::start(SandboxConfig::strict()).await?;
//! live_like.advance(jiff::SignedDuration::from_hours(5 * 24))?;
//! # Ok(())
//! # }
//! ```
//!
//! Inside, each subject has its file: `directory` says who there is, `store` keeps messages and `bodies` their
//! bytes, neither knows HTTP; `rules`, `faults` and `clock` say how the server behaves, `habits` and `requests` what
//! it saw; `api` answers calls and knows no socket, `page` shows all of it; `serve` owns the port, `certificate` the
//! TLS side, `sandbox` is what a program holds.

mod answer;
mod api;
mod bodies;
mod certificate;
mod clock;
mod config;
mod directory;
mod faults;
mod filter;
mod gzip;
mod habits;
mod impatient;
mod mischief;
mod page;
mod reports;
mod requests;
mod routing;
mod rules;
mod sandbox;
mod serve;
mod store;
mod text;
mod tokens;

pub use api::{NOTE_HEADER, REQUEST_BODY_BYTES_MAX};
pub use bodies::{HELD_BODY_BYTES_MAX, HELD_BYTES_MAX};
pub use clock::{CLOCK_AHEAD_MAX, Clock, ClockError};
pub use config::{Auth, ClientCertificates, SandboxConfig, SandboxError, Tls};
pub use directory::{Directory, DirectoryError, DirectoryFile};
pub use faults::{
    Call, DELAY_MAX, Effect, FAULTS_MAX, FIRED_MAX, Fault, FaultProblem, FaultScript, FaultScriptError,
    Faults, Fired, NAME_CHARS_MAX, Page, REPORT_DELAY_MAX, ScriptPlace, Standing, Struck,
};
pub use gzip::INFLATED_BYTES_MAX;
pub use habits::{Habit, POLL_MIN};
pub use reports::REPORTS_HELD_MAX;
pub use requests::{REQUESTS_KEPT_MAX, RequestSeen};
pub use rules::{Rule, Rules, UnknownRule};
pub use sandbox::Sandbox;
pub use serve::{
    ANSWER_IDLE_TIMEOUT, BODY_IDLE_TIMEOUT, CONNECTIONS_MAX, DRAIN_IDLE_TIMEOUT, DRAIN_TIMEOUT,
    HANDSHAKE_TIMEOUT, HEADER_TIMEOUT, SHUTDOWN_GRACE,
};
pub use store::{FolderError, INBOX_EXPIRY, RETENTION, StoreKind, StoredMessage};
pub use tokens::{SKEW_MAX, TOKENS_REMEMBERED_MAX};
