//! Messages over HTTP: handed in at the relay's own server and streamed straight through to MESH; from MESH to a webhook; and
//! what became of those handed in, told to another.
//!
//! A caller keeps its message until it is told that MESH has it (INV-1): 202 is said of nothing else. Its `Idempotency-Key`
//! is met by the journal, so it may repeat a request as often as it likes. A message from MESH is acknowledged there
//! only once the webhook has answered 2xx (INV-3).
//!
//! | subject | where |
//! |---|---|
//! | what an `[[adapter]]` of kind `http` may say | [`config`] |
//! | `POST /v1/messages` | [`submit`] |
//! | a request's head as a message | `request` |
//! | its body on its way to MESH | `upload` |
//! | what its caller is told | `answer`, `problem` |
//! | the work on it, and letting go | [`source`], and between the two `desk` |
//! | MESH to a webhook, with what a receiver must know | [`sink`] |
//! | events | [`events`] |
//! | incidents, to people's alerting | [`alert`] |
//! | one webhook: its requests, signatures, bodies, TLS | `webhook`, `signature`, `outgoing`, `tls` |

pub mod alert;
mod answer;
pub mod config;
mod desk;
pub mod events;
mod happening;
mod moves;
mod outgoing;
mod problem;
mod request;
mod signature;
pub mod sink;
pub mod source;
pub mod submit;
mod tls;
mod upload;
mod url;
mod webhook;

pub use alert::AlertWebhook;
pub use answer::Submitted;
pub use config::Config;
pub use desk::Limits;
pub use events::EventWebhook;
pub use problem::SubmissionProblem;
pub use signature::SecretFault;
pub use sink::WebhookSink;
pub use source::HttpSource;
pub use submit::Submit;
pub use url::{UrlError, WebhookUrl};
pub use webhook::{HookSecrets, Secrets, WebhookError};
