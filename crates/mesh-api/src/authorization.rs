//! The `Authorization` header (`mesh-api.md` section 2).
//!
//! ```text
//! NHSMESH <mailbox>:<nonce>:<nonce count>:<yyyyMMddHHmm>:<hash>
//! ```
//!
//! The hash is HMAC-SHA256 under the environment's shared key over
//! `<mailbox>:<nonce>:<nonce count>:<password>:<time>`: the password stands between count and time there and
//! appears nowhere else.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::id::MailboxId;
use crate::stamp;

/// The scheme, then one space.
pub const SCHEME: &str = "NHSMESH";

/// The secret that all mailboxes of an environment share. Does not print, and is wiped when it is dropped.
#[derive(Clone)]
pub struct SharedKey(SecretString);

impl SharedKey {
    /// Wraps the key; its UTF-8 bytes key the HMAC.
    pub fn new(key: impl Into<SecretString>) -> Self {
        Self(key.into())
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey(…)")
    }
}

/// Why a header is not an authorisation. The texts are the official emulator's own (`mesh-api.md` 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AuthorizationError {
    /// The header is blank, has not five fields, or its nonce count is no number.
    #[error("Error reading from Authorization header")]
    Unreadable,
    /// The token names another mailbox than the path.
    #[error("Mailbox id does not match token")]
    OtherMailbox,
    /// The hash was made with another password or shared key.
    #[error("Invalid Authentication Token")]
    WrongHash,
}

/// The parts of one token. A token is good for one request: make a new one for every attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// The mailbox as the token spells it; MESH wants it in upper case.
    pub mailbox: String,
    /// Text without colon or space; a fresh UUID is best.
    pub nonce: String,
    /// Digits, hashed as text: `1` and `001` differ.
    pub nonce_count: String,
    /// UTC `yyyyMMddHHmm`.
    pub timestamp: String,
    /// Lower-case hex, 64 characters.
    pub hash: String,
}

impl Authorization {
    /// A token for one request of `mailbox` at `now`.
    pub fn new(mailbox: &MailboxId, password: &str, key: &SharedKey, nonce: &str, now: Timestamp) -> Self {
        let mut token = Self {
            mailbox: mailbox.as_str().to_owned(),
            nonce: nonce.to_owned(),
            nonce_count: "0".to_owned(),
            timestamp: stamp::token_minute(now),
            hash: String::new(),
        };
        token.hash = hex::encode(token.mac(password, key).finalize().into_bytes());
        token
    }

    /// Reads a header as the official emulator does: the scheme in any case or absent, the one character after
    /// it dropped, then five fields for the mailbox in the path.
    ///
    /// # Errors
    /// [`AuthorizationError::OtherMailbox`] before [`AuthorizationError::Unreadable`] for what else is wrong.
    pub fn read(header: &str, path_mailbox: &str) -> Result<Self, AuthorizationError> {
        let parts = Self::fields(header, path_mailbox)?;
        let [mailbox, nonce, nonce_count, timestamp, hash] = parts[..] else {
            return Err(AuthorizationError::Unreadable);
        };
        let counted = !nonce_count.is_empty() && nonce_count.bytes().all(|b| b.is_ascii_digit());
        if !counted || mailbox.contains(' ') {
            return Err(AuthorizationError::Unreadable);
        }
        Ok(Self {
            mailbox: mailbox.to_owned(),
            nonce: nonce.to_owned(),
            nonce_count: nonce_count.to_owned(),
            timestamp: timestamp.to_owned(),
            hash: hash.to_owned(),
        })
    }

    /// The fields of a header, however many, of which the first is the mailbox in the path: what there is to look at
    /// for a server that does not check the rest (`mesh-api.md` 11.1).
    ///
    /// # Errors
    /// [`AuthorizationError::Unreadable`] for a blank header, [`AuthorizationError::OtherMailbox`] for another one's.
    pub fn fields<'a>(header: &'a str, path_mailbox: &str) -> Result<Vec<&'a str>, AuthorizationError> {
        let text = header.trim();
        if text.is_empty() {
            return Err(AuthorizationError::Unreadable);
        }
        let fields = match text.get(..SCHEME.len()) {
            Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => {
                let mut rest = text[SCHEME.len()..].chars();
                rest.next();
                rest.as_str()
            }
            _ => text,
        };
        let parts: Vec<&str> = fields.split(':').collect();
        if parts[0] != path_mailbox.to_uppercase() {
            return Err(AuthorizationError::OtherMailbox);
        }
        Ok(parts)
    }

    /// Whether the hash was made with this password and key. Compared in constant time, case ignored.
    ///
    /// # Errors
    /// [`AuthorizationError::WrongHash`] when it was not.
    pub fn verify(&self, password: &str, key: &SharedKey) -> Result<(), AuthorizationError> {
        let expected = hex::encode(self.mac(password, key).finalize().into_bytes());
        let given = self.hash.to_ascii_lowercase();
        if bool::from(expected.as_bytes().ct_eq(given.as_bytes())) {
            Ok(())
        } else {
            Err(AuthorizationError::WrongHash)
        }
    }

    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length, so making one cannot fail")]
    fn mac(&self, password: &str, key: &SharedKey) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.0.expose_secret().as_bytes())
            .expect("HMAC takes any key length");
        let fields = [&*self.mailbox, &self.nonce, &self.nonce_count, password, &self.timestamp];
        // Field by field: put together, the password would be left in memory at each call.
        for (index, field) in fields.into_iter().enumerate() {
            if index > 0 {
                mac.update(b":");
            }
            mac.update(field.as_bytes());
        }
        mac
    }
}

impl fmt::Display for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mailbox, nonce, nonce_count, timestamp, hash } = self;
        write!(f, "{SCHEME} {mailbox}:{nonce}:{nonce_count}:{timestamp}:{hash}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Vector {
        key: &'static str,
        mailbox: &'static str,
        password: &'static str,
        nonce: &'static str,
        count: &'static str,
        timestamp: &'static str,
        hash: &'static str,
    }

    const NONCE: &str = "5b1a3c7e-0d42-4f6b-9a8e-2c4d6e8f0a1b";

    /// `mesh-api.md` 2.3: A to D and the vector published with the NHS validator tool.
    const VECTORS: [Vector; 5] = [
        Vector {
            key: "ExampleSharedKey",
            mailbox: "X26EX001",
            password: "S3cret-Pass",
            nonce: NONCE,
            count: "0",
            timestamp: "202603292345",
            hash: "0abb0a159a1e599c5ce760f20386d8c77dd35818eec4069e0e1dda7dd304c47b",
        },
        Vector {
            key: "ExampleSharedKey",
            mailbox: "X26EX001",
            password: "S3cret-Pass",
            nonce: NONCE,
            count: "1",
            timestamp: "202603292345",
            hash: "8316c92f134b6ab5dc3f99bc5f38beb721218b1a255b75665c687240e675317b",
        },
        Vector {
            key: "TestKey",
            mailbox: "X26ABC1",
            password: "password",
            nonce: "00000000-0000-4000-8000-000000000001",
            count: "0",
            timestamp: "202603292345",
            hash: "2978e8844462b7ad9bfc6a7c855a83bba4534035af22cd9bbff73fe948a0d9d0",
        },
        Vector {
            key: "ExampleSharedKey",
            mailbox: "X26EX001",
            password: "S3cret-Pass",
            nonce: NONCE,
            count: "001",
            timestamp: "202603292345",
            hash: "12e22c6c185807f836b643083844fcb0b5ca972934e8f0d6a58dd75ca46a3b57",
        },
        Vector {
            key: "SharedKey",
            mailbox: "X26",
            password: "testing",
            nonce: "97bf007e-3027-4127-ac9d-f9a25de4de68",
            count: "1",
            timestamp: "202210241155",
            hash: "b1a882d3615305602f10b8f9a0453865284ce3e4b9e88e7899fb8bb5339da179",
        },
    ];

    #[test]
    fn the_test_vectors_verify() {
        for v in &VECTORS {
            let header = format!("NHSMESH {}:{}:{}:{}:{}", v.mailbox, v.nonce, v.count, v.timestamp, v.hash);
            let token = Authorization::read(&header, v.mailbox).expect("a readable header");
            assert_eq!(token.verify(v.password, &SharedKey::new(v.key)), Ok(()), "{header}");
            assert_eq!(token.to_string(), header);
            assert_eq!(
                token.verify("other", &SharedKey::new(v.key)),
                Err(AuthorizationError::WrongHash),
                "a wrong password passed"
            );
        }
    }

    #[test]
    fn a_made_token_is_vector_a() {
        let v = &VECTORS[0];
        let now = stamp::parse(v.timestamp).expect("a time");
        let mailbox: MailboxId = v.mailbox.parse().expect("a mailbox");
        let token = Authorization::new(&mailbox, v.password, &SharedKey::new(v.key), v.nonce, now);
        assert_eq!(token.hash, v.hash);
    }

    #[test]
    fn headers_are_read_in_the_emulators_order_of_checks() {
        use AuthorizationError::{OtherMailbox, Unreadable};
        for (header, expected) in [
            ("", Unreadable),
            ("NHSMESH ", OtherMailbox),
            ("NHSMESH X26OTHER:n:0:t:h", OtherMailbox),
            ("NHSMESH x26ex001:n:0:t:h", OtherMailbox),
            ("NHSMESH X26EX001:n:0:t", Unreadable),
            ("NHSMESH X26EX001:n:x:t:h", Unreadable),
            ("NHSMESH X26EX001:n::t:h", Unreadable),
        ] {
            assert_eq!(Authorization::read(header, "X26EX001"), Err(expected), "{header}");
        }
        for accepted in ["X26EX001:n:0:t:h", "nhsmesh X26EX001:n:0:t:h", "NHSMESH-X26EX001:n:0:t:h"] {
            assert!(Authorization::read(accepted, "x26ex001").is_ok(), "{accepted}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", SharedKey::new("canary")), "SharedKey(…)");
    }
}
