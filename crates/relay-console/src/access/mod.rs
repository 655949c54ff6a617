//! Who may see and do what: sign-in, sessions, and what a browser is told to allow.
//!
//! [`Access::protect`] wraps the routes of the console. It authenticates each request once and leaves a [`Visitor`] in
//! its extensions; the extractors [`Looker`], [`Actor`] and [`SendingCaller`] then say what a handler asks for:
//!
//! ```
//! # use axum::{Router, routing::{get, post}};
//! # use relay_console::{Access, Actor, Looker, SignedForm};
//! # #[derive(serde::Deserialize)]
//! # struct Why { note: String }
//! async fn messages(Looker(visitor): Looker) -> String {
//!     format!("{} looks", visitor.recorded_name())
//! }
//! async fn park(Actor(caller): Actor, SignedForm(why): SignedForm<Why>) -> String {
//!     format!("{caller} parks: {}", why.note)
//! }
//! # fn wrap(access: &Access) -> Router {
//! access.protect(Router::new().route("/messages", get(messages)).route("/park", post(park)))
//! # }
//! ```
//!
//! What holds for every request, whoever asks: its `Host` is one of the console's own (else a page elsewhere could have
//! its name resolve to this machine); a request that changes something and comes from another site is refused; one that
//! a session's cookie vouches for must also carry the session's CSRF token.

mod config;
mod cookie;
mod deeds;
mod entrance;
mod extract;
mod form;
mod guard;
mod headers;
mod openid;
mod origin;
mod page;
mod secret;
mod session;
mod sign_in;
mod state;
mod throttle;
mod token;
mod visitor;

pub use config::{AccessConfig, AccessError, OpenIdConfig, StaticToken};
pub use deeds::Deeds;
pub use extract::{Actor, Looker, Refusal, SendingCaller};
pub use form::{FORM_BYTES_MAX, SignedForm};
pub use openid::{LOGIN_AGE_MAX, LOGINS_MAX, LOGINS_PER_PEER_MAX};
pub use session::{SESSION_AGE_MAX, SESSION_IDLE_MAX, SESSIONS_MAX, SESSIONS_PER_NAME_MAX};
pub use state::Access;
pub use throttle::{FAILURES_MAX, FAILURES_PER_PEER_MAX};
pub use token::TOKEN_CHARS_MIN;
pub use visitor::Visitor;

#[cfg(test)]
mod tests;
