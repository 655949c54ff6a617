//! Who a request comes from, as handlers and pages see it.

use std::fmt;
use std::net::IpAddr;

use relay_core::{Caller, Role};

use super::cookie::Cookies;
use super::origin::Here;
use super::secret::Fingerprint;
use super::state::Access;

/// By what a request is known.
#[derive(Clone)]
pub(crate) enum Who {
    Nobody,
    Bearer(Caller),
    Session { caller: Caller, id: Fingerprint, csrf: String },
}

/// Who a request comes from. In the extensions of every request behind [`Access::protect`].
#[derive(Clone)]
pub struct Visitor {
    pub(crate) access: Access,
    pub(crate) who: Who,
    /// Whether somebody without a name may look.
    pub(crate) open: bool,
    /// Whether the request had a session that has ended.
    pub(crate) ended: bool,
}

/// How a request came. In the extensions beside the visitor, for the sign-in pages.
#[derive(Debug, Clone)]
pub(crate) struct Passage {
    pub(crate) here: Here,
    pub(crate) cookies: Cookies,
    pub(crate) peer: Option<IpAddr>,
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitor").field("role", &self.role()).finish_non_exhaustive()
    }
}

impl Visitor {
    /// Who it is, if that is known.
    pub fn caller(&self) -> Option<&Caller> {
        match &self.who {
            Who::Nobody => None,
            Who::Bearer(caller) | Who::Session { caller, .. } => Some(caller),
        }
    }

    /// Their name, if it is known.
    pub fn name(&self) -> Option<&str> {
        self.caller().map(Caller::name)
    }

    /// The name under which what they look at is recorded: their own, or `(this machine)`, which nobody's own can be.
    pub fn recorded_name(&self) -> &str {
        self.name().unwrap_or("(this machine)")
    }

    /// Their role, if they have one.
    pub fn role(&self) -> Option<Role> {
        self.caller().map(Caller::role)
    }

    /// Whether they may see messages, mailboxes and reports.
    pub fn may_look(&self) -> bool {
        self.role().map_or(self.open, Role::may_look)
    }

    /// Whether they may change something, and see payloads and subjects.
    pub fn may_act(&self) -> bool {
        self.role().is_some_and(Role::may_act)
    }

    /// What each form that changes something must hold in a field `csrf`, or a script send as `X-CSRF-Token`. `None`
    /// without a session, where nothing can be changed from a page.
    pub fn csrf_token(&self) -> Option<&str> {
        match &self.who {
            Who::Session { csrf, .. } => Some(csrf),
            _ => None,
        }
    }

    /// Whether they have a session, which they can end by a `POST` of `csrf` to `/sign-out`.
    pub fn has_session(&self) -> bool {
        matches!(self.who, Who::Session { .. })
    }

    /// Whether they could sign in, at `/sign-in`: somebody could at all, and they have not.
    pub fn can_sign_in(&self) -> bool {
        matches!(self.who, Who::Nobody) && self.access.has_sign_in()
    }

    /// Whether what they were let in by still holds. For answers that last, such as a stream of events: ask before each
    /// piece, and end the answer when it is `false`. Does not keep a session from running out.
    pub fn is_current(&self) -> bool {
        match &self.who {
            Who::Session { id, .. } => self.access.0.sessions.is_current(id, self.access.now()),
            _ => true,
        }
    }
}
