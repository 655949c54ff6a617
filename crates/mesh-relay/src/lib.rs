//! The binary's parts: the command line, and the only place where the rooms of the house are put together.
//!
//! | subject | where |
//! |---|---|
//! | commands, exit codes | [`cli`] |
//! | MESH by hand: send, inbox, get, ack, track, lookup | [`hand`] |
//! | the journal: messages, show, report, audit | [`records`] |
//! | configuration to settings | [`settings`] |
//! | the list of adapters | [`adapters`] |
//! | the client certificate and its reload | [`identity`] |
//! | which journal | [`journal`] |
//! | settings to a running relay | [`relay`] |
//! | the MESH client as the core's port | [`mesh_port`] |
//! | the system's clock and randomness | [`system`] |

pub mod adapters;
pub mod cli;
pub mod demo;
pub mod hand;
pub mod identity;
pub mod journal;
pub mod mesh_port;
pub mod records;
pub mod relay;
pub mod sandbox;
pub mod settings;
pub mod stop;
pub mod system;
