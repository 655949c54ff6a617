//! Forms of the console's own pages.

use axum::Form;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde::de::DeserializeOwned;

use super::extract::{Refusal, passed};
use super::guard::{bounded, is_form};
use crate::problem::Problem;

/// Most bytes of a form.
pub const FORM_BYTES_MAX: usize = 64 * 1024;

/// A form of at most [`FORM_BYTES_MAX`] bytes, as pages send it (`application/x-www-form-urlencoded`), from a request
/// that [`Access::protect`](super::Access::protect) has looked at: where a session vouches for it, its `csrf` was right.
#[derive(Debug, Clone, Copy)]
pub struct SignedForm<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for SignedForm<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        passed(&parts)?;
        if !is_form(parts.headers.get(header::CONTENT_TYPE)) {
            return Err(Problem::bad_request("a form is sent as application/x-www-form-urlencoded").into());
        }
        let bytes = bounded(body).await?;
        let request = Request::from_parts(parts, Body::from(bytes));
        match Form::<T>::from_request(request, state).await {
            Ok(Form(form)) => Ok(Self(form)),
            // What was typed is not repeated.
            Err(_) => Err(Problem::bad_request("a field of the form is missing or does not fit").into()),
        }
    }
}
