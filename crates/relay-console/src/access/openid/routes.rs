//! To the provider and back.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use openidconnect::core::{CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim};
use openidconnect::{
    AuthorizationCode, ClaimsVerificationError, CsrfToken, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError, TokenResponse,
    UserInfoClaims,
};
use relay_core::{Caller, Role};
use serde::Deserialize;
use serde_json::Value;

use super::OpenId;
use super::client::is_safe;
use super::identity::{self, Identity};
use super::login::Login;
use super::provider::{AnyClaims, Relying, signatures};
use crate::access::cookie::Purpose;
use crate::access::entrance::enter;
use crate::access::guard::{SOMEBODY, too_many, turn_away};
use crate::access::origin::local_place;
use crate::access::page::refused;
use crate::access::secret::{fingerprint, random};
use crate::access::sign_in::{Next, faulty};
use crate::access::state::Access;
use crate::access::visitor::{Passage, Visitor};
use crate::problem::Problem;

/// Most characters that are recorded of what the provider calls somebody; OpenID Connect allows no more.
const SUBJECT_CHARS_MAX: usize = 255;

/// What the provider sends back by the browser.
#[derive(Deserialize)]
pub(crate) struct Callback {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Why somebody is not signed in.
struct Refused {
    /// Under which name it is recorded; `None` if it is nobody's doing and not recorded.
    who: Option<String>,
    /// What is recorded.
    why: &'static str,
    problem: Box<Problem>,
}

impl Refused {
    fn somebody(why: &'static str, problem: Problem) -> Self {
        Self { who: Some(SOMEBODY.to_owned()), why, problem: Box::new(problem) }
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { who: None, why: "", problem: Box::new(problem) }
    }
}

fn unreachable() -> Problem {
    Problem::unavailable(
        "your organisation's sign-in service does not answer as it should; try again in a moment. The relay's log says why",
    )
}

fn not_proven() -> Problem {
    Problem::forbidden("your organisation's sign-in service did not confirm who you are; sign in again")
}

/// Leads to the provider.
pub(crate) async fn begin(
    State(access): State<Access>,
    Extension(passage): Extension<Passage>,
    visitor: Visitor,
    headers: HeaderMap,
    Query(Next { next }): Query<Next>,
) -> Response {
    let next = local_place(next.as_deref());
    let Some(openid) = &access.0.openid else {
        let detail = "the relay has no OpenID Connect configured";
        return refused(&visitor, StatusCode::NOT_FOUND, "There is no such sign-in", detail);
    };
    // The provider leads back to the public address, where cookies of another one do not come along.
    if let Some(public) = access.0.origins.public()
        && !passage.here.published
    {
        let mut there = public.clone();
        there.set_path("/sign-in/openid");
        there.query_pairs_mut().append_pair("next", &next);
        return Redirect::to(there.as_str()).into_response();
    }
    match openid.begin(&passage, &headers, &next).await {
        Ok(response) => response,
        Err(problem) => faulty(&access, &visitor, &passage, &headers, &next, problem),
    }
}

/// Comes back from the provider.
pub(crate) async fn finish(
    State(access): State<Access>,
    Extension(passage): Extension<Passage>,
    visitor: Visitor,
    headers: HeaderMap,
    Query(callback): Query<Callback>,
) -> Response {
    let Some(openid) = &access.0.openid else {
        let detail = "the relay has no OpenID Connect configured";
        return refused(&visitor, StatusCode::NOT_FOUND, "There is no such sign-in", detail);
    };
    let begun = callback.state.as_deref().zip(passage.cookies.get(&headers, Purpose::Login));
    let Some(login) = begun.and_then(|(state, browser)| openid.logins.finish(state, browser)) else {
        let detail =
            "this sign-in took too long, was finished before, or was begun in another browser; sign in again";
        let why = "an answer of the sign-in service to no question";
        let refused = Refused::somebody(why, Problem::bad_request(detail));
        return turned_away(&access, &visitor, &passage, &headers, "/", refused).await;
    };
    let next = login.next.clone();
    match openid.finish(&access, &passage, &headers, callback, login).await {
        Ok(response) => response,
        Err(refused) => turned_away(&access, &visitor, &passage, &headers, &next, refused).await,
    }
}

async fn turned_away(
    access: &Access,
    visitor: &Visitor,
    passage: &Passage,
    headers: &HeaderMap,
    next: &str,
    refused: Refused,
) -> Response {
    let problem = match &refused.who {
        None => *refused.problem,
        Some(who) => match turn_away(access, passage, who, refused.why).await {
            Ok(()) => *refused.problem,
            Err(seconds) => too_many(seconds),
        },
    };
    faulty(access, visitor, passage, headers, next, problem)
}

impl OpenId {
    async fn begin(&self, passage: &Passage, headers: &HeaderMap, next: &str) -> Result<Response, Problem> {
        let relying = self.provider.relying(&self.client, false).await.ok_or_else(unreachable)?;
        let (state, nonce) = (CsrfToken::new(random()), Nonce::new(random()));
        let verifier = PkceCodeVerifier::new(random());
        let made = (state.clone(), nonce.clone());
        let redirect = redirect_url(passage)?;
        let mut request = relying
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, || made.0, || made.1)
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .set_redirect_uri(Cow::Borrowed(&redirect));
        for scope in &self.config.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, ..) = request.url();
        let there = HeaderValue::try_from(url.as_str()).map_err(|_| unreachable())?;
        if !url.as_str().parse().is_ok_and(|uri| is_safe(&uri)) {
            tracing::warn!("the OpenID Connect provider's sign-in page is neither https nor on loopback");
            return Err(unreachable());
        }
        let known = passage.cookies.get(headers, Purpose::Login).map(str::to_owned);
        let browser = known.unwrap_or_else(random);
        let login = Login {
            nonce,
            verifier,
            redirect: redirect.to_string(),
            next: next.to_owned(),
            browser: fingerprint(&browser),
            peer: passage.peer,
        };
        self.logins.begin(state.secret(), login);
        let mut response = StatusCode::SEE_OTHER.into_response();
        response.headers_mut().insert(header::LOCATION, there);
        response.headers_mut().append(header::SET_COOKIE, passage.cookies.set(Purpose::Login, &browser));
        Ok(response)
    }

    async fn finish(
        &self,
        access: &Access,
        passage: &Passage,
        headers: &HeaderMap,
        callback: Callback,
        login: Login,
    ) -> Result<Response, Refused> {
        if callback.iss.is_some_and(|issuer| issuer != self.config.issuer) {
            return Err(Refused::somebody("an answer of another sign-in service", not_proven()));
        }
        let code = match (callback.code, callback.error.as_deref()) {
            (Some(code), None) => code,
            (_, Some("access_denied")) => {
                let problem = Problem::forbidden(
                    "the sign-in was stopped, or your organisation does not let you in here",
                );
                return Err(Refused::somebody("the sign-in service denied it", problem));
            }
            (_, Some("temporarily_unavailable" | "server_error")) => return Err(unreachable().into()),
            _ => return Err(Refused::somebody("the sign-in service did not let them in", not_proven())),
        };
        let next = login.next.clone();
        let claims = self.claims(code, login).await?;
        let (caller, how) = self.admitted(access, &claims)?;
        Ok(enter(access, passage, headers, caller, &how, &next).await?)
    }

    /// Who that is here, and how they proved it.
    fn admitted(&self, access: &Access, claims: &Value) -> Result<(Caller, String), Refused> {
        let identity = Identity::of(claims, &self.config);
        // Names are kept as records show them, whatever the role.
        let named = Caller::new(&identity.name, identity.role.unwrap_or(Role::Viewer));
        let refused = |why, detail: &str| {
            let problem = Box::new(Problem::forbidden(detail));
            Refused { who: Some(named.name().to_owned()), why, problem }
        };
        if named.name().trim().is_empty()
            || named.name().starts_with('(')
            || access.0.tokens.is_name(named.name())
        {
            let detail = "your organisation's sign-in service gives you a name that the relay uses for something else; ask \
                          whoever runs the relay to set another name_claim";
            return Err(Refused {
                who: Some(SOMEBODY.to_owned()),
                ..refused("a name that is taken", detail)
            });
        }
        if identity.role.is_none() {
            let detail = "you have no role here; ask whoever gives out roles in your organisation for one that the relay \
                          knows as viewer or operator, then sign in again";
            return Err(refused("no role", detail));
        }
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        let subject: String = subject.chars().filter(|c| !c.is_control()).take(SUBJECT_CHARS_MAX).collect();
        Ok((named, format!("by OpenID Connect, where they are {subject}")))
    }

    /// What the provider says of the one who signed in, once it is proven that it says so.
    async fn claims(&self, code: String, login: Login) -> Result<Value, Refused> {
        let relying = self.provider.relying(&self.client, false).await.ok_or_else(unreachable)?;
        let redirect = RedirectUrl::new(login.redirect).map_err(|_| unreachable())?;
        let answer = relying
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|_| unreachable())?
            .set_pkce_verifier(login.verifier)
            .set_redirect_uri(Cow::Owned(redirect))
            .request_async(&self.client)
            .await
            .map_err(|error| match error {
                RequestTokenError::ServerResponse(told) => {
                    tracing::warn!(
                        error = told.error().as_ref(),
                        "the OpenID Connect provider refused a code"
                    );
                    match told.error() {
                        CoreErrorResponseType::InvalidGrant => {
                            Refused::somebody("a code that the sign-in service does not take", not_proven())
                        }
                        _ => unreachable().into(),
                    }
                }
                RequestTokenError::Request(error) => {
                    tracing::warn!(%error, "the OpenID Connect provider cannot be asked for a token");
                    unreachable().into()
                }
                _ => {
                    tracing::warn!("the OpenID Connect provider's token is not what OpenID Connect says");
                    unreachable().into()
                }
            })?;
        let Some(token) = answer.id_token() else {
            tracing::warn!("the OpenID Connect provider gave no ID token");
            return Err(unreachable().into());
        };
        let checked = |relying: &Relying| {
            let verifier = relying.id_token_verifier().set_allowed_algs(signatures());
            token
                .claims(&verifier, &login.nonce)
                .map(|claims| (claims.subject().clone(), serde_json::to_value(claims).unwrap_or_default()))
        };
        let unknown_key =
            ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey);
        let mut proven = checked(&relying);
        if proven.as_ref().is_err_and(|error| *error == unknown_key) {
            // The provider has changed its keys since it was asked for them.
            let relying: Arc<Relying> =
                self.provider.relying(&self.client, true).await.ok_or_else(unreachable)?;
            proven = checked(&relying);
        }
        let (subject, mut claims) = proven.map_err(|error| {
            tracing::warn!(error = explained(&error), "an ID token was refused");
            Refused::somebody("an ID token that does not hold", not_proven())
        })?;
        // Many providers keep all but the subject out of the token and tell the rest when asked.
        if !identity::is_told(&claims, &self.config)
            && let Ok(request) = relying.user_info(answer.access_token().clone(), Some(subject))
        {
            let told: UserInfoClaims<AnyClaims, CoreGenderClaim> =
                request.request_async(&self.client).await.map_err(|_| {
                    tracing::warn!("the OpenID Connect provider does not tell about somebody who signed in");
                    unreachable()
                })?;
            if let (Value::Object(claims), Ok(Value::Object(told))) =
                (&mut claims, serde_json::to_value(told))
            {
                for (name, value) in told {
                    claims.entry(name).or_insert(value);
                }
            }
        }
        Ok(claims)
    }
}

/// Where the provider leads back to: the address at which the browser has the console.
fn redirect_url(passage: &Passage) -> Result<RedirectUrl, Problem> {
    let mut url = passage.here.origin.clone();
    url.set_path("/sign-in/callback");
    RedirectUrl::new(url.into()).map_err(|_| unreachable())
}

/// Why an ID token does not hold, without anything of what it says.
fn explained(error: &ClaimsVerificationError) -> &'static str {
    use SignatureVerificationError as Signature;
    match error {
        ClaimsVerificationError::Expired(_) => "it has expired; check the clocks",
        ClaimsVerificationError::InvalidAudience(_) => "it is for another client",
        ClaimsVerificationError::InvalidIssuer(_) => "it is from another issuer",
        ClaimsVerificationError::InvalidNonce(_) => "it is for another sign-in",
        ClaimsVerificationError::SignatureVerification(Signature::NoMatchingKey) => {
            "its key is not the provider's"
        }
        ClaimsVerificationError::SignatureVerification(Signature::DisallowedAlg(_)) => {
            "it is signed in a way that is not taken"
        }
        ClaimsVerificationError::SignatureVerification(_) => "its signature is wrong",
        _ => "it is not sound",
    }
}
