//! OAUTHBEARER tokens from a file that someone else keeps fresh, such as an agent beside the relay.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use rdkafka::client::OAuthToken;
use secret_file::{Exposed, Lax, ReadError};
use serde::Deserialize;
use thiserror::Error;

/// How long a token counts that does not say so itself. The file is read again before that is over.
const UNSAID: Duration = Duration::from_secs(300);

/// Longest token file in bytes. Tokens with many claims have some thousands.
const BYTES_MAX: usize = 64 * 1024;

/// Why there is no token. Names the file, never what is in it.
#[derive(Debug, Error)]
pub(crate) enum TokenError {
    #[error("token file {}: {source}; let the relay's account read it", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("token file {} is empty", path.display())]
    Empty { path: PathBuf },
    #[error("token file {0}")]
    Exposed(#[from] Exposed),
    #[error("token file {} is no text", path.display())]
    NoText { path: PathBuf },
}

/// What a JSON web token says of itself.
#[derive(Default, Deserialize)]
struct Claims {
    sub: Option<String>,
    exp: Option<f64>,
}

/// Reads a token, and how long it is good, from a file.
pub(crate) fn read(path: &Path) -> Result<OAuthToken, TokenError> {
    let unreadable = |source| TokenError::Read { path: path.to_owned(), source };
    let bytes = secret_file::read(path, BYTES_MAX, Lax::Refused).map_err(|error| match error {
        ReadError::Exposed(exposed) => TokenError::Exposed(exposed),
        ReadError::Unreadable { source } => unreadable(source),
        other => unreadable(io::Error::other(other.to_string())),
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|_| TokenError::NoText { path: path.to_owned() })?;
    let token = text.trim().to_owned();
    if token.is_empty() {
        return Err(TokenError::Empty { path: path.to_owned() });
    }
    let claims = claims(&token).unwrap_or_default();
    #[expect(
        clippy::disallowed_methods,
        reason = "the library counts a token's life by the clock of the host"
    )]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let until =
        claims.exp.map_or(now + UNSAID, |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
    Ok(OAuthToken {
        token,
        // Not empty, which the library would refuse.
        principal_name: claims.sub.unwrap_or_else(|| "mesh-relay".to_owned()),
        lifetime_ms: i64::try_from(until.as_millis()).unwrap_or(i64::MAX),
    })
}

fn claims(token: &str) -> Option<Claims> {
    let bytes = Base64UrlUnpadded::decode_vec(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_token_says_whose_it_is_and_how_long_it_lasts() {
        let body = Base64UrlUnpadded::encode_string(br#"{"sub":"relay","exp":1800000000,"aud":["a"]}"#);
        let claims = claims(&format!("e30.{body}.")).expect("claims");
        assert_eq!(claims.sub.as_deref(), Some("relay"));
        assert_eq!(claims.exp, Some(1_800_000_000.0));
        assert!(super::claims("opaque").is_none());
    }
}
