//! The binary, run as a user runs it: folders on one side, a MESH server on the other.

mod bad_days;
mod bad_input;
mod by_hand;
mod carrying;
mod client_conformance;
mod crashes;
mod deciding;
mod emulator_tests;
mod identities;
mod inbox;
mod legacy;
mod lint_command;
mod load;
mod meshclient_cfg;
mod official;
#[path = "../legacy/run.rs"]
mod old_systems;
mod process;
mod records_command;
mod sandbox_command;
mod shadow_command;
mod tls;
