//! The binary's parts: the command line, and the only place where the rooms of the house are put together.
//!
//! | subject | where |
//! |---|---|
//! | commands, exit codes | [`cli`] |
//! | MESH by hand: send, inbox, get, ack, track, lookup | [`hand`] |
//! | which way a message would take, and why | [`explain`] |
//! | what is wrong with control files | [`lint`] |
//! | what an old client writes beside what the relay would write | [`shadow`] |
//! | the journal: messages, show, report, audit | [`records`] |
//! | configuration to settings | [`settings`] |
//! | the Java MESH client's configuration as the relay's | [`java_client`] |
//! | the file that stops the relay | [`stop_file`] |
//! | which adapter takes a message from MESH | [`routing`] |
//! | the configuration as schema and page | [`schema`] |
//! | the list of adapters | [`adapters`] |
//! | the console's section to a port that answers | [`console`] |
//! | the client certificate and its reload | [`identity`] |
//! | which journal | [`journal`] |
//! | settings to a running relay | [`relay`] |
//! | the MESH client as the core's port | [`mesh_port`] |
//! | the system's clock and randomness | [`system`] |

pub mod adapters;
pub mod cli;
mod config_tests;
pub mod console;
pub mod demo;
mod disk;
pub mod explain;
pub mod hand;
pub mod identity;
pub mod java_client;
pub mod journal;
pub mod lint;
pub mod mesh_port;
pub mod records;
pub mod relay;
pub mod routing;
pub mod sandbox;
pub mod schema;
pub mod settings;
pub mod shadow;
pub mod stop;
pub mod stop_file;
pub mod system;
