//! The last step of every sign-in: recorded, then done.

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use relay_core::{Caller, DeedKind};

use super::cookie::Purpose;
use super::origin::local_place;
use super::state::Access;
use super::visitor::Passage;
use crate::problem::Problem;

/// Begins a session and leads on to `next`, a place of the console.
///
/// # Errors
/// The sign-in cannot be recorded; it then does not take place.
pub(crate) async fn enter(
    access: &Access,
    passage: &Passage,
    headers: &HeaderMap,
    caller: Caller,
    how: &str,
    next: &str,
) -> Result<Response, Problem> {
    access.record(DeedKind::SignIn, caller.name(), how.to_owned()).await.map_err(|error| {
        tracing::warn!(%error, "a sign-in could not be recorded, and did not take place");
        let detail = "sign-ins are recorded, and the record cannot be written for the moment; the relay's log says why";
        Problem::unavailable(detail)
    })?;
    let cookies = passage.cookies;
    // Whoever may have known an id from before knows nothing of this session.
    if let Some(before) = cookies.get(headers, Purpose::Session) {
        access.0.sessions.end(before);
    }
    let id = access.0.sessions.begin(caller, access.now());
    let mut response = Redirect::to(&local_place(Some(next))).into_response();
    let set = response.headers_mut();
    set.append(header::SET_COOKIE, cookies.set(Purpose::Session, &id));
    set.append(header::SET_COOKIE, cookies.clear(Purpose::Form));
    set.append(header::SET_COOKIE, cookies.clear(Purpose::Login));
    Ok(response)
}
