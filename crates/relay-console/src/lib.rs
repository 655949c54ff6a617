//! What people see and steer: the HTTP API and the operator page.

mod access;
mod problem;
mod serve;

pub use access::{
    Access, AccessConfig, AccessError, Actor, Deeds, FAILURES_MAX, FAILURES_PER_PEER_MAX, FORM_BYTES_MAX,
    LOGIN_AGE_MAX, LOGINS_MAX, LOGINS_PER_PEER_MAX, Looker, OpenIdConfig, Refusal, SESSION_AGE_MAX,
    SESSION_IDLE_MAX, SESSIONS_MAX, SESSIONS_PER_NAME_MAX, SendingCaller, SignedForm, StaticToken,
    TOKEN_CHARS_MIN, Visitor,
};
pub use problem::Problem;
pub use serve::{
    CONNECTIONS_MAX, CONNECTIONS_PER_PEER_MAX, Connection, ListenConfig, ListenError, Listening, STOP_GRACE,
};
