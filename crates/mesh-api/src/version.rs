//! Response versions, chosen by `Accept` (`mesh-api.md` 3.1).

use thiserror::Error;

/// Which form of answer a caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiVersion {
    /// Version 1, also when nothing is asked for.
    V1,
    /// Version 2; any higher number is read as this one.
    V2,
}

/// The `Accept` header names MESH in a form that is not understood (HTTP 400).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("Accept header api format incorrect")]
pub struct AcceptError;

impl ApiVersion {
    /// `Accept` for version 2.
    pub const ACCEPT_V2: &'static str = "application/vnd.mesh.v2+json";

    /// Reads an `Accept` header as the official emulator does: the first piece between semicolons that names
    /// MESH decides, and must be a whole media type.
    ///
    /// # Errors
    /// [`AcceptError`] when that piece is not `application/vnd.mesh.v<digits>+json`.
    pub fn from_accept(accept: Option<&str>) -> Result<Self, AcceptError> {
        let Some(piece) =
            accept.and_then(|value| value.split(';').map(str::trim).find(|p| p.contains("vnd.mesh")))
        else {
            return Ok(Self::V1);
        };
        let digits = piece
            .strip_prefix("application/vnd.mesh.v")
            .and_then(|rest| rest.strip_suffix("+json"))
            .filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
            .ok_or(AcceptError)?;
        match digits.trim_start_matches('0') {
            "" | "1" => Ok(Self::V1),
            _ => Ok(Self::V2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_is_read_as_the_emulator_reads_it() {
        use ApiVersion::{V1, V2};
        for (accept, expected) in [
            (None, Ok(V1)),
            (Some("*/*"), Ok(V1)),
            (Some("application/json"), Ok(V1)),
            (Some("application/vnd.mesh.v1+json"), Ok(V1)),
            (Some("application/vnd.mesh.v2+json"), Ok(V2)),
            (Some("application/vnd.mesh.v2+json; charset=utf-8"), Ok(V2)),
            (Some("application/vnd.mesh.v3+json"), Ok(V2)),
            (Some("application/vnd.mesh.v2+json, */*"), Err(AcceptError)),
            (Some("application/vnd.mesh.v2+xml"), Err(AcceptError)),
            (Some("application/vnd.mesh.v+json"), Err(AcceptError)),
        ] {
            assert_eq!(ApiVersion::from_accept(accept), expected, "{accept:?}");
        }
    }
}
