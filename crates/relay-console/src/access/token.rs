//! Static tokens: kept as fingerprints, compared in constant time.

use relay_core::Caller;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use super::config::{AccessError, StaticToken};
use super::secret::{Fingerprint, fingerprint};

/// Fewest characters of a token: 128 bits, where it was made of hexadecimal digits.
pub const TOKEN_CHARS_MIN: usize = 32;
/// Most characters of a token's name, which is as many as records keep.
const NAME_CHARS_MAX: usize = 100;

/// All tokens.
pub(crate) struct Tokens(Vec<(Fingerprint, Caller)>);

impl Tokens {
    pub(crate) fn new(tokens: &[StaticToken]) -> Result<Self, AccessError> {
        let mut known: Vec<(Fingerprint, Caller)> = Vec::new();
        for StaticToken { name, role, secret } in tokens {
            // A bracket begins what the relay calls those who have no name.
            let sound = !name.trim().is_empty()
                && name.chars().count() <= NAME_CHARS_MAX
                && !name.starts_with('(')
                && !name.contains(char::is_control);
            if !sound {
                return Err(AccessError::TokenName);
            }
            let (name, secret) = (name.clone(), secret.expose_secret());
            if secret.chars().count() < TOKEN_CHARS_MIN {
                return Err(AccessError::TokenShort { name });
            }
            if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(AccessError::TokenCharacters { name });
            }
            let print = fingerprint(secret);
            for (other, caller) in &known {
                if caller.name() == name {
                    return Err(AccessError::TokenNameTwice { name });
                }
                if *other == print {
                    return Err(AccessError::TokenTwice { first: caller.name().to_owned(), second: name });
                }
            }
            known.push((print, Caller::new(&name, *role)));
        }
        Ok(Self(known))
    }

    /// Whose token this is. Every token is compared whichever fits, so that the time tells nothing.
    pub(crate) fn holder(&self, token: &str) -> Option<Caller> {
        let print = fingerprint(token);
        let mut found = None;
        for (known, caller) in &self.0 {
            if bool::from(known.ct_eq(&print)) {
                found = Some(caller);
            }
        }
        found.cloned()
    }

    pub(crate) fn is_name(&self, name: &str) -> bool {
        self.0.iter().any(|(_, caller)| caller.name() == name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
