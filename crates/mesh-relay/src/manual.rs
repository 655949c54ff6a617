//! What packages carry beside the program and people's shells want: completions, manual pages, the release with its commit.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use thiserror::Error;

use crate::cli::{Cli, EXIT_FAILED, EXIT_OK};

/// The release, as `--version` tells it. Whoever builds packages names the commit as well, in `MESH_RELAY_RELEASE`; no build
/// script asks git, so that the same source gives the same program wherever it is built.
pub const RELEASE: &str = match option_env!("MESH_RELAY_RELEASE") {
    Some(release) => release,
    None => env!("CARGO_PKG_VERSION"),
};

/// The program's name, under which shells complete.
const PROGRAM: &str = "mesh-relay";

/// What `completions` takes.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Whose
    shell: Shell,
}

/// What `manual` takes.
#[derive(Debug, Args)]
pub struct ManualArgs {
    /// Where to put a page for each command; made if it is missing
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Why nothing was written.
#[derive(Debug, Error)]
enum ManualError {
    #[error("the completions cannot be printed: {0}")]
    Output(#[source] io::Error),
    #[error("the manual cannot be written to {folder}: {source}; name a folder that this account may write to", folder = folder.display())]
    Folder { folder: PathBuf, source: io::Error },
}

/// Prints what a shell completes the program's commands and options by.
pub fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), PROGRAM, &mut script);
    ended(io::stdout().write_all(&script).map_err(ManualError::Output))
}

/// Writes the manual pages.
pub fn manual(args: &ManualArgs) -> ExitCode {
    let written = fs::create_dir_all(&args.folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), &args.folder))
        .map_err(|source| ManualError::Folder { folder: args.folder.clone(), source });
    ended(written)
}

fn ended(result: Result<(), ManualError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::from(EXIT_OK),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}
