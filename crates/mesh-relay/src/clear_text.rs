//! Where messages would leave this machine without TLS: refused beside NHS England's MESH unless somebody answers for it,
//! and told in any case.
//!
//! Over TLS the other side's certificate is always verified; no key and no variable changes that, and MESH, webhooks,
//! the OpenID provider and the console know no other way beyond this machine. What is left are brokers, object stores
//! and the journal's database in networks that encrypt by themselves.

use keystore::Severity;
use relay_config::{ClearText, Environment, Fault, Faults};

use crate::settings::Note;

/// One way on which messages would be seen.
pub struct ClearWay {
    /// The key of the section that says where it leads.
    pub key: &'static str,
    /// Whereto, in words: no login.
    pub to: String,
    /// The key at which it is accepted.
    pub accepting: &'static str,
    /// Whether it is.
    pub accepted: Option<ClearText>,
    /// What to do instead.
    pub instead: &'static str,
}

/// Judges one way. `at` makes a fault at a key of the section that it belongs to.
pub fn judge(
    way: &ClearWay,
    environment: &Environment,
    at: impl Fn(&str, String, String) -> Fault,
    notes: &mut Vec<Note>,
    faults: &mut Faults,
) {
    let ClearWay { key, to, accepting, accepted, instead } = way;
    if environment.is_nhs() && accepted.is_none() {
        let hint = format!(
            "{instead}; only where the network itself encrypts, such as in a tunnel, write {accepting} = \"accepted\""
        );
        faults.push(at(key, format!("messages of patients would go to {to} in clear text"), hint));
        return;
    }
    let advice = if accepted.is_some() { "as clear_text accepts" } else { instead };
    let fault = at(key, format!("messages go to {to} in clear text"), advice.to_owned());
    notes.push(Note { severity: Severity::Warning, fault });
}
