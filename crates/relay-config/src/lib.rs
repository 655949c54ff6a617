//! Configuration: loading, checking, diagnostics, and the sections that belong to no adapter.
//!
//! [`load`] reads one TOML file and answers with every fault that it can find, each with its place and a hint.
//! An adapter owns its own struct: this crate hands out each `[[adapter]]` with `name` and `kind` read, and
//! [`AdapterSection::read`] reads the rest into that struct with the same diagnostics. [`load_with`] does both
//! in one pass, so that the faults of adapters stand in the same list.
//!
//! Secrets never stand in the file itself ([`SecretRef`]). Where someone writes one there all the same, no
//! message, excerpt or `Debug` shows it.
//!
//! A configuration that was made in memory from another program's ([`load_text_with`]) takes the same way, with its
//! secrets held beside it ([`Secrets::held`]).

mod adapter;
mod alerts;
mod clear_text;
mod console;
mod environment;
mod example;
mod fault;
mod fields;
mod identity;
mod imprint;
mod journal;
mod load;
mod log;
mod mailbox;
mod mask;
mod mesh;
mod openid;
mod proxy;
mod quantity;
mod read;
mod reload;
mod report;
mod route;
mod schema;
mod secret;
mod section;
mod send;
mod source;
mod stop;
mod suggest;
mod telemetry;
mod test_section;

pub use adapter::AdapterSection;
pub use alerts::AlertsSection;
pub use clear_text::ClearText;
pub use console::{
    ConsoleCaller, ConsoleRole, ConsoleSection, ConsoleTls, LISTEN, NAME_CHARS_MAX, OpenIdSection,
};
pub use environment::{Environment, UrlError};
pub use example::example_value;
pub use fault::{Fault, Faults, advice};
pub use identity::{Identity, IdentityEntries};
pub use imprint::Imprint;
pub use journal::{JournalPlace, JournalSection, KEEP, KEEP_MIN, LEASE_MIN};
pub use load::{Loaded, load, load_text_with, load_with};
pub use log::{LogFormat, LogLevel, LogSection};
pub use mailbox::{MailboxSection, UnknownWorkflow};
pub use mesh::{IDENTITY_LOOK, MeshSection};
pub use proxy::{Proxy, ProxyLogin};
pub use quantity::{Interval, QuantityError, Rate, Size};
pub use reload::{RELOAD_LOOK, ReloadSection};
pub use route::RouteSection;
pub use schema::{SECTIONS, SectionSchema, schema_for};
pub use secret::{SecretError, SecretRef, Secrets};
pub use section::Section;
pub use send::{InDoubt, SendRouteSection, SendSection};
pub use stop::{DRAIN, DRAIN_MAX, DRAIN_MIN, StopSection};
pub use suggest::did_you_mean;
pub use telemetry::TelemetrySection;
pub use test_section::{TestCase, TestSection};

#[cfg(test)]
mod tests;
