//! The binary's parts: the command line, and the only place where the rooms of the house are put together.
//!
//! | subject | where |
//! |---|---|
//! | commands, exit codes | [`cli`] |
//! | MESH by hand: send, inbox, get, ack, track, lookup | [`hand`] |
//! | what is wrong with control files | [`lint`] |
//! | what is wrong with what a configuration leads to | [`doctor`] |
//! | a first configuration | [`init`] |
//! | what an old client writes beside what the relay would write | [`shadow`] |
//! | the journal: messages, show, report, audit | [`records`] |
//! | configuration to settings | [`settings`] |
//! | the Java MESH client's configuration as the relay's | [`java_client`] |
//! | the file that stops the relay | [`stop_file`] |
//! | the list of adapters | [`adapters`] |
//! | the console's section to a port that answers | [`console`] |
//! | the client certificate and its reload | [`identity`] |
//! | which journal | [`journal`] |
//! | settings to a running relay | [`relay`] |
//! | the MESH client as the core's port | [`mesh_port`] |
//! | the system's clock and randomness | [`system`] |

pub mod adapters;
pub mod cli;
pub mod console;
pub mod demo;
mod disk;
pub mod doctor;
pub mod hand;
pub mod identity;
pub mod init;
pub mod java_client;
pub mod journal;
pub mod lint;
pub mod mesh_port;
pub mod records;
pub mod relay;
pub mod sandbox;
pub mod settings;
pub mod shadow;
pub mod stop;
pub mod stop_file;
pub mod system;
