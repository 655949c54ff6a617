//! What people see and steer: the HTTP API and the operator page.

mod access;
mod api;
mod ask;
mod console;
mod csv;
mod live;
mod overview;
mod page;
mod problem;
mod trouble;
pub mod view;
mod words;

pub use console::{Adapter, Certificate, Console, Mailbox, Site};
pub use problem::Problem;

/// The release, for the foot of each page.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
