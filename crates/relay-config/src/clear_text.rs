//! `clear_text`: a connection to the organisation's own systems that is not encrypted by the relay.

use schemars::JsonSchema;
use serde::Deserialize;

/// `clear_text = "accepted"`: messages may go to this system without TLS, and somebody answers for that, because the
/// network between encrypts by itself (a tunnel, a service mesh). With NHS England's MESH it is needed for every system
/// beyond this machine that is not reached over TLS. Over TLS a certificate is always verified, and MESH itself is never
/// reached without: there is no key that changes either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("examples" = ["accepted"]))]
pub enum ClearText {
    /// `accepted`
    Accepted,
}
