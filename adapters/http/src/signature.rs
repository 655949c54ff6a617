//! Signing as Standard Webhooks does, so that a receiver knows that it is this relay which calls.

use base64ct::{Base64, Base64Unpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;
use thiserror::Error;

/// What a secret in base64 begins with.
const ENCODED: &str = "whsec_";
/// Shortest secret in bytes. What is shorter can be guessed from one request that somebody saw.
const SECRET_BYTES_MIN: usize = 16;

/// The scheme of a signature over the whole body.
pub(crate) const WHOLE: &str = "v1";
/// The scheme of a signature over a request's headers alone, where the body is streamed.
pub(crate) const HEADERS: &str = "v1m";
/// The scheme of the signature over a streamed body's digest, which follows the body.
pub(crate) const DIGEST: &str = "v1d";

/// Why a signing secret cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SecretFault {
    /// It says that it is base64 and is not.
    #[error(
        "the signing secret begins with whsec_, and what follows is no base64; copy it whole, or leave whsec_ out"
    )]
    NotBase64,
    /// It could be guessed.
    #[error(
        "the signing secret has fewer than {SECRET_BYTES_MIN} bytes, and could be guessed; make a longer one"
    )]
    TooShort,
}

/// What requests are signed with. Does not print.
#[derive(Clone)]
pub(crate) struct SigningSecret(SecretSlice<u8>);

impl SigningSecret {
    pub(crate) fn read(secret: &SecretString) -> Result<Self, SecretFault> {
        let text = secret.expose_secret().trim();
        let mut room = Zeroizing::new(vec![0; text.len()]);
        let bytes = match text.strip_prefix(ENCODED) {
            Some(encoded) => match Base64::decode(encoded, &mut room) {
                Ok(bytes) => bytes.len(),
                Err(_) => Base64Unpadded::decode(encoded, &mut room)
                    .map(<[u8]>::len)
                    .map_err(|_| SecretFault::NotBase64)?,
            },
            None => {
                room.copy_from_slice(text.as_bytes());
                text.len()
            }
        };
        if bytes < SECRET_BYTES_MIN {
            return Err(SecretFault::TooShort);
        }
        Ok(Self(room[..bytes].to_vec().into()))
    }

    /// `<scheme>,<base64 of the HMAC-SHA256 of id.timestamp.content>`.
    pub(crate) fn sign(&self, scheme: &str, id: &str, timestamp: &str, content: &[u8]) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()) else {
            return String::new();
        };
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", content] {
            mac.update(part);
        }
        format!("{scheme},{}", Base64::encode_string(&mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Result<SigningSecret, SecretFault> {
        SigningSecret::read(&SecretString::from(text))
    }

    /// The example of the Standard Webhooks specification.
    #[test]
    fn signs_as_standard_webhooks_does() {
        let secret = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = secret.sign(WHOLE, id, "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        assert!(matches!(secret("whsec_!!!!"), Err(SecretFault::NotBase64)));
        assert!(matches!(secret("whsec_AAAA"), Err(SecretFault::TooShort)));
        assert!(matches!(secret("short"), Err(SecretFault::TooShort)));
        assert!(secret("a secret of enough bytes").is_ok());
    }
}
