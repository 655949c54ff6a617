#![allow(missing_docs)]
use crate::Problem;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use relay_core::{Caller, Role};
#[derive(Debug, Clone)]
pub struct Visitor {
    pub caller: Option<Caller>,
}
impl Visitor {
    pub fn recorded_name(&self) -> &str {
        "x"
    }
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }
    pub fn name(&self) -> Option<&str> {
        None
    }
    pub fn csrf_token(&self) -> Option<&str> {
        None
    }
    pub fn can_sign_in(&self) -> bool {
        true
    }
    pub fn has_session(&self) -> bool {
        true
    }
    pub fn may_act(&self) -> bool {
        true
    }
    pub fn may_look(&self) -> bool {
        true
    }
    pub fn is_current(&self) -> bool {
        true
    }
}
pub struct Looker(pub Visitor);
impl<S: Send + Sync> FromRequestParts<S> for Looker {
    type Rejection = Problem;
    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(Visitor { caller: None }))
    }
}
impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Problem;
    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Visitor { caller: None })
    }
}
pub struct Actor(pub Caller);
impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Problem;
    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(Caller::new("x", Role::Operator)))
    }
}
pub struct SignedForm<T>(pub T);
impl<S: Send + Sync, T: serde::de::DeserializeOwned> FromRequest<S> for SignedForm<T> {
    type Rejection = Problem;
    async fn from_request(r: Request, s: &S) -> Result<Self, Problem> {
        axum::Form::from_request(r, s)
            .await
            .map(|axum::Form(t)| Self(t))
            .map_err(|e| Problem::bad_request(e.to_string()))
    }
}
