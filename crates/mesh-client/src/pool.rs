//! Connections that wait for the next request.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use keystore::SwappableIdentity;

use crate::body::RequestBody;
use crate::connect::Connector;
use crate::wire::Shown;

/// The pool. A connection goes back to it only while it shows the identity that a new one would.
pub(crate) struct Pool {
    http: legacy::Client<Connector, RequestBody>,
    identity: Option<Arc<SwappableIdentity>>,
}

impl Pool {
    /// `idle` is how long an unused connection is kept.
    pub(crate) fn new(connector: Connector, idle: Duration) -> Self {
        let identity = connector.identity().cloned();
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(idle)
            // A repeat down there would carry a used token, and a send must never be repeated at all.
            .retry_canceled_requests(false)
            .build(connector);
        Self { http, identity }
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn request(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, legacy::Error> {
        let connection = capture_connection(&mut request);
        let response = self.http.request(request).await?;
        let shown = response.extensions().get::<Shown>();
        // A busy connection is never idle, so without this a replaced certificate could be shown for ever.
        if shown.is_some_and(|shown| !shown.is_current(self.identity.as_deref()))
            && let Some(connected) = connection.connection_metadata().as_ref()
        {
            connected.poison();
        }
        Ok(response)
    }
}
