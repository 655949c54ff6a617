//! `mesh-relay`: see `mesh-relay --help`.

use std::process::ExitCode;

use clap::Parser;
use mesh_relay::cli::Cli;

fn main() -> ExitCode {
    mesh_relay::cli::run(Cli::parse())
}
