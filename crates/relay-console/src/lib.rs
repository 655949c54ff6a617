//! What people see and steer: the HTTP API and the operator page.
//!
//! | subject | where |
//! |---|---|
//! | who may see and do what | `access` |
//! | the port and its connections | `serve` |
//! | the API, and its OpenAPI document | `api`, with what is asked in `ask` and answered in [`view`] |
//! | the pages | `page`, with states and evidence in words in `words` |
//! | is it alive, is it ready? | `health` |
//! | is it moving? | `overview`, and what wants attention in `trouble` |
//! | changes as they happen | `live` |

mod access;
mod api;
mod ask;
mod console;
mod csv;
mod health;
mod live;
mod metrics;
mod overview;
mod page;
mod problem;
mod serve;
mod trouble;
pub mod view;
mod words;

pub use access::{
    Access, AccessConfig, AccessError, Actor, Deeds, FAILURES_MAX, FAILURES_PER_PEER_MAX, FORM_BYTES_MAX,
    LOGIN_AGE_MAX, LOGINS_MAX, LOGINS_PER_PEER_MAX, Looker, OpenIdConfig, Refusal, SESSION_AGE_MAX,
    SESSION_IDLE_MAX, SESSIONS_MAX, SESSIONS_PER_NAME_MAX, SendingCaller, SignedForm, StaticToken,
    TOKEN_CHARS_MIN, Visitor,
};
pub use console::{Adapter, Certificate, Console, Mailbox, Site, Volume};
pub use live::WATCHERS_MAX;
pub use metrics::metrics;
pub use problem::Problem;
pub use serve::{
    CONNECTIONS_MAX, CONNECTIONS_PER_PEER_MAX, Connection, ListenConfig, ListenError, Listening, STOP_GRACE,
};

/// The release, for the foot of each page.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
