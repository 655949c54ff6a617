//! Who makes a call (`mesh-api.md` 2.2), before anything else about the request is looked at.

use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, StatusCode};
use mesh_api::{Authorization, AuthorizationError, code, stamp};
use secrecy::ExposeSecret;

use crate::answer::Refusal;
use crate::api::{Api, Visit};
use crate::config::Auth;
use crate::directory::Mailbox;
use crate::rules::Rule;
use crate::text::Text;
use crate::tokens::SKEW_MAX;

/// The nonce that canned authorisation lets in, in any case (11.1).
const CANNED_NONCE: &str = "VALID";

impl Api {
    /// Checks the token as the server was told to. The path may spell the mailbox in any case, unless a rule says
    /// otherwise.
    pub(super) fn authorise(
        &self,
        headers: &HeaderMap,
        path_mailbox: &str,
        visit: &mut Visit,
    ) -> Result<&Mailbox, Refusal> {
        let header = headers.get(AUTHORIZATION).map(Text::from).unwrap_or_default();
        let found = |id: &str| {
            let refused =
                || Refusal::coded(StatusCode::FORBIDDEN, "SEND", code::NO_MAILBOX, "No mailbox matched");
            self.directory.mailbox(id).ok_or_else(refused)
        };
        let mailbox = match self.auth {
            Auth::None => found(&path_mailbox.to_uppercase())?,
            Auth::Canned => {
                canned(&header.read(), path_mailbox).map_err(refused)?;
                found(&path_mailbox.to_uppercase())?
            }
            Auth::Full => {
                let token = Authorization::read(&header.read(), path_mailbox).map_err(refused)?;
                let mailbox = found(&token.mailbox)?;
                token.verify(mailbox.password.expose_secret(), &self.shared_key).map_err(refused)?;
                self.check_rules(&token, path_mailbox, visit)?;
                mailbox
            }
        };
        if self.rules.hold(Rule::InactiveMailbox) && !self.is_active(mailbox) {
            visit.broke(Rule::InactiveMailbox);
            return Err(Refusal::forbidden("Request Received from Inactive Mailbox"));
        }
        Ok(mailbox)
    }

    /// What live checks about a genuine token and the official emulator does not.
    fn check_rules(
        &self,
        token: &Authorization,
        path_mailbox: &str,
        visit: &mut Visit,
    ) -> Result<(), Refusal> {
        if self.rules.hold(Rule::MailboxCase) && path_mailbox != token.mailbox {
            visit.broke(Rule::MailboxCase);
            return Err(refused(AuthorizationError::OtherMailbox));
        }
        if self.rules.hold(Rule::ClockSkew) {
            let minute = token.timestamp.len() == 12 && token.timestamp.bytes().all(|b| b.is_ascii_digit());
            let made = stamp::parse(&token.timestamp).filter(|_| minute);
            if made.is_none_or(|made| visit.now.duration_since(made).abs() > SKEW_MAX) {
                visit.broke(Rule::ClockSkew);
                return Err(refused(AuthorizationError::WrongHash));
            }
        }
        if self.rules.hold(Rule::TokenReplay) && !self.used_tokens.use_up(token, visit.now) {
            visit.broke(Rule::TokenReplay);
            return Err(Refusal::forbidden("Error Duplicated Authentication Token"));
        }
        Ok(())
    }
}

fn refused(error: AuthorizationError) -> Refusal {
    Refusal::forbidden(match error {
        AuthorizationError::Unreadable => "Error reading from Authorization header",
        AuthorizationError::OtherMailbox => "Mailbox id does not match token",
        AuthorizationError::WrongHash => "Invalid Authentication Token",
    })
}

/// Canned authorisation looks at the mailbox and the nonce alone; the fields after them may be missing.
fn canned(header: &str, path_mailbox: &str) -> Result<(), AuthorizationError> {
    match Authorization::fields(header, path_mailbox)?.get(1) {
        Some(nonce) if nonce.eq_ignore_ascii_case(CANNED_NONCE) => Ok(()),
        _ => Err(AuthorizationError::WrongHash),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canned_authorisation_looks_at_mailbox_and_nonce() {
        for (header, expected) in [
            ("NHSMESH A:VALID:1:202603292345", Ok(())),
            ("nhsmesh A:valid", Ok(())),
            ("A:Valid:x", Ok(())),
            ("NHSMESH A:INVALID:1:202603292345", Err(AuthorizationError::WrongHash)),
            ("NHSMESH A", Err(AuthorizationError::WrongHash)),
            ("NHSMESH B:VALID", Err(AuthorizationError::OtherMailbox)),
            (" ", Err(AuthorizationError::Unreadable)),
        ] {
            assert_eq!(canned(header, "a"), expected, "{header}");
        }
    }
}
