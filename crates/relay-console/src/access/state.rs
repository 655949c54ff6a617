//! What the console knows of who may do what, and how it is put before the routes.

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderValue;
use axum::middleware::from_fn_with_state;
use jiff::Timestamp;
use relay_core::{Clock, DeedKind, JournalError, NewDeed};
use tower_http::catch_panic::CatchPanicLayer;

use super::config::{AccessConfig, AccessError};
use super::deeds::Deeds;
use super::guard::guard;
use super::headers::{add_headers, after_panic, content_security_policy};
use super::openid::OpenId;
use super::origin::Origins;
use super::session::Sessions;
use super::sign_in;
use super::throttle::Throttle;
use super::token::Tokens;

/// Who may see and do what. Cheap to clone; all clones share the same sessions.
#[derive(Clone)]
pub struct Access(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) origins: Origins,
    pub(crate) port: u16,
    /// Whether people on this machine may look without signing in.
    pub(crate) open: bool,
    pub(crate) tokens: Tokens,
    pub(crate) sessions: Sessions,
    pub(crate) throttle: Throttle,
    pub(crate) openid: Option<OpenId>,
    pub(crate) policy: HeaderValue,
    deeds: Arc<dyn Deeds>,
    clock: Arc<dyn Clock>,
}

impl Access {
    /// Checks a configuration and makes it ready. Nothing is asked of an OpenID Connect provider before somebody signs in
    /// there.
    ///
    /// # Errors
    /// What of the configuration cannot be, and what to write in its place.
    pub fn new(
        config: AccessConfig,
        deeds: Arc<dyn Deeds>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AccessError> {
        config.check()?;
        let openid = config.openid.as_ref().map(OpenId::new).transpose()?;
        Ok(Self(Arc::new(Inner {
            origins: Origins::new(&config),
            port: config.listen.port(),
            open: config.read_without_sign_in,
            tokens: Tokens::new(&config.tokens)?,
            sessions: Sessions::default(),
            throttle: Throttle::default(),
            policy: content_security_policy(config.openid.as_ref()),
            openid,
            deeds,
            clock,
        })))
    }

    /// Puts sign-in, its pages and everything that is checked about a request before `routes`. The routes must not have
    /// `/sign-in` and `/sign-out` themselves.
    pub fn protect(&self, routes: Router) -> Router {
        routes
            .merge(sign_in::routes(self))
            .layer(from_fn_with_state(self.clone(), guard))
            .layer(CatchPanicLayer::custom(after_panic))
            .layer(from_fn_with_state(self.clone(), add_headers))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Whether somebody could sign in at all.
    pub(crate) fn has_sign_in(&self) -> bool {
        self.0.openid.is_some() || !self.0.tokens.is_empty()
    }

    pub(crate) async fn record(&self, kind: DeedKind, who: &str, note: String) -> Result<(), JournalError> {
        let deed = NewDeed {
            at: self.now(),
            who: who.to_owned(),
            kind,
            relay_id: None,
            mailbox: None,
            message_id: None,
            note: Some(note),
        };
        self.0.deeds.record(deed).await
    }
}
