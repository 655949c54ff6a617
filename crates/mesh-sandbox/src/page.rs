//! The page for a developer's browser.

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use crate::answer::{self, Answer, Refusal};
use crate::api::Api;

/// Answers for the page (`file` is empty) and for what belongs to it.
pub(crate) fn answer(_api: &Api, file: &str, _query: &str) -> Result<Answer, Refusal> {
    match file {
        "" => {
            let mut page = answer::empty(StatusCode::OK);
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            page.headers_mut().insert(CONTENT_TYPE, html);
            Ok(page)
        }
        _ => Err(Refusal::NoRoute { allow: None }),
    }
}
