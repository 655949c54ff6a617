//! What the console's handlers share, and all of its routes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use relay_core::operator::About;
use relay_core::{
    Clock, Conditions, DeedKind, Journal, JournalError, Limits, MailboxId, Operator, Role, Seen, Shutdown,
    Sink, Surroundings,
};
use utoipa_axum::router::OpenApiRouter;

use crate::access::Visitor;
use crate::live::Live;
use crate::overview::Overviews;
use crate::page::Once;
use crate::problem::Problem;
use crate::{api, health, page};

/// The header that names the sending mailbox of what is handed in.
const FROM: HeaderName = HeaderName::from_static("mex-from");

/// What is configured, as far as people see it.
pub struct Site {
    /// What people call this relay: the host's name, say.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where MESH is, in words.
    pub mesh: String,
    /// How often each inbox is looked into, by mailbox.
    pub mailboxes: Vec<Mailbox>,
    /// Its adapters.
    pub adapters: Vec<Adapter>,
    /// The certificates that it shows, as they are now.
    pub certificates: Arc<dyn Fn() -> Vec<Certificate> + Send + Sync>,
    /// The disks that it writes to, as they were seen last.
    pub volumes: Arc<dyn Fn() -> Vec<Volume> + Send + Sync>,
    /// How far this machine's clock is from MESH's, as far as MESH said so.
    pub clock_skew: Arc<dyn Fn() -> Option<SignedDuration> + Send + Sync>,
    /// From when on what is wrong is an incident.
    pub limits: Limits,
}

/// A disk that the relay writes to.
#[derive(Debug, Clone)]
pub struct Volume {
    /// What is on it, for people: the journal, or an adapter's folders.
    pub name: String,
    /// How many bytes of it are left to the relay's account.
    pub free: u64,
    /// How many it has.
    pub total: u64,
}

/// A mailbox as it is configured.
pub struct Mailbox {
    /// Its id.
    pub id: MailboxId,
    /// The pause between two looks into its inbox.
    pub poll_every: Duration,
}

/// An adapter as it is configured.
pub struct Adapter {
    /// Its name.
    pub name: String,
    /// Its kind, such as `dts-folder`.
    pub kind: &'static str,
    /// The mailbox whose messages it carries.
    pub mailbox: MailboxId,
    /// Where it puts messages, if it takes any: asked how it fares.
    pub sink: Option<Arc<dyn Sink>>,
}

/// A certificate that the relay shows.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Whom it is shown to: MESH, or an adapter's broker.
    pub name: String,
    /// When it ends.
    pub ends: Timestamp,
}

/// What the console's handlers share. Cheap to clone.
#[derive(Clone)]
pub struct Console {
    site: Arc<Mutex<Arc<Site>>>,
    pub(crate) surroundings: Surroundings,
    pub(crate) operator: Operator,
    pub(crate) overviews: Arc<Overviews>,
    pub(crate) live: Live,
    /// Forms of the pages that were taken.
    pub(crate) once: Arc<Once>,
}

impl Console {
    /// A console of this relay.
    pub fn new(site: Site, surroundings: Surroundings, operator: Operator) -> Self {
        let live = Live::new(Arc::clone(&surroundings.journal));
        let overviews = Arc::default();
        let site = Arc::new(Mutex::new(Arc::new(site)));
        Self { site, surroundings, operator, overviews, live, once: Arc::default() }
    }

    /// What is configured changed. Its clones show it, too.
    pub async fn show(&self, site: Site) {
        *self.site.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(site);
        self.overviews.forget().await;
    }

    pub(crate) fn site(&self) -> Arc<Site> {
        Arc::clone(&self.site.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The routes of the API, with `more` of other rooms, and of the pages.
    pub fn routes(self, more: OpenApiRouter) -> Router {
        // Whoever calls is known to other rooms by name and role alone.
        let more = more.layer(from_fn_with_state(self.clone(), name_caller));
        let (api, document) = api::routes(self.clone(), more);
        let health = health::routes(self.clone());
        Router::new().merge(api).merge(api::document(document)).merge(page::routes(self)).merge(health)
    }

    /// Passes changes on to those who watch, until shutdown.
    pub async fn follow(&self, shutdown: Shutdown) {
        self.live.run(shutdown).await;
    }

    pub(crate) fn journal(&self) -> &dyn Journal {
        &*self.surroundings.journal
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.surroundings.clock
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock().now()
    }
}

#[async_trait]
impl Conditions for Console {
    async fn conditions(&self) -> Result<Seen, JournalError> {
        Ok(self.overview().await?.seen.clone())
    }
}

/// Tells other rooms who calls, and records what an operator hands in: a program's messages are recorded as such.
async fn name_caller(
    State(console): State<Console>,
    visitor: Visitor,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(caller) = visitor.caller() else { return next.run(request).await };
    if caller.role() == Role::Operator && request.method() == Method::POST {
        let from = request.headers().get(FROM).and_then(|from| from.to_str().ok());
        let mailbox: Option<MailboxId> = from.and_then(|from| from.parse().ok());
        let about = About { mailbox: mailbox.as_ref(), ..About::default() };
        if let Err(error) = console.operator.record(caller, DeedKind::Submit, about).await {
            return Problem::from(error).into_response();
        }
    }
    request.extensions_mut().insert(caller.clone());
    next.run(request).await
}
