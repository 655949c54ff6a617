//! The binary's parts: the command line, and the only place where the rooms of the house are put together.
//!
//! | subject | where |
//! |---|---|
//! | commands, exit codes | [`cli`] |
//! | MESH by hand: send, inbox, get, ack, track, lookup | [`hand`] |
//! | which way a message would take, and why | [`explain`] |
//! | what is wrong with control files | [`lint`] |
//! | what is wrong with what a configuration leads to | [`doctor`] |
//! | a first configuration | [`init`] |
//! | what an old client writes beside what the relay would write | [`shadow`] |
//! | the journal: messages, show, report, audit | [`records`] |
//! | configuration to settings | [`settings`] |
//! | the Java MESH client's configuration as the relay's | [`java_client`] |
//! | the file that stops the relay | [`stop_file`] |
//! | which adapter takes a message from MESH | [`routing`] |
//! | shell completions, manual pages, the release with its commit | [`manual`] |
//! | is the relay that runs here well? | [`health`] |
//! | the configuration as schema and page | [`schema`] |
//! | the list of adapters | [`adapters`] |
//! | messages that would leave without TLS | [`clear_text`] |
//! | what is said of a part that broke | [`broken`] |
//! | the running relay's memory, closed to others | [`harden`] |
//! | which libraries never speak in the log | [`silence`] |
//! | the console's section to a port that answers | [`console`] |
//! | the client certificate and its reload | [`identity`] |
//! | which journal | [`journal`] |
//! | settings to a running relay, and what other settings change of it | [`relay`] |
//! | when a running relay reads its configuration again | [`reload`] |
//! | what the service manager is told | [`service`] |
//! | incidents, and the disks to watch | [`alerts`], [`volumes`] |
//! | the MESH client as the core's port | [`mesh_port`] |
//! | the system's clock and randomness | [`system`] |
//! | log, metrics, traces | [`telemetry`] |

pub mod adapters;
pub mod alerts;
pub mod broken;
pub mod clear_text;
pub mod cli;
mod config_tests;
pub mod console;
pub mod demo;
mod disk;
pub mod doctor;
pub mod explain;
pub mod hand;
pub mod harden;
pub mod health;
pub mod identity;
pub mod init;
pub mod java_client;
pub mod journal;
pub mod lint;
pub mod manual;
pub mod mesh_port;
pub mod records;
pub mod relay;
pub mod reload;
pub mod routing;
pub mod sandbox;
pub mod schema;
pub mod service;
pub mod settings;
pub mod shadow;
pub mod silence;
pub mod stop;
pub mod stop_file;
pub mod system;
pub mod telemetry;
pub mod volumes;
