//! `mesh-relay import`: prints the configuration that an old client's becomes.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use meshclient_cfg::Kind;

use super::{SECRETS, StandIn, secret_files};
use crate::cli::{EXIT_FAILED, EXIT_OK, EXIT_USAGE};
use crate::identity;

/// What `import` takes.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("from").required(true).args(["meshclient_cfg", "dts_cfg"])))]
pub struct ImportArgs {
    /// The Java MESH client's configuration
    #[arg(long, value_name = "FILE")]
    meshclient_cfg: Option<PathBuf>,
    /// A DTS client's configuration (DTSClient.cfg), as far as it has the same keys
    #[arg(long, value_name = "FILE")]
    dts_cfg: Option<PathBuf>,
    /// Folder for the files with the secrets; a relative one starts here, where the printed text is to be saved
    #[arg(long, value_name = "DIR", default_value = SECRETS)]
    secrets: PathBuf,
    /// Replace files of secrets that hold something else
    #[arg(long)]
    force: bool,
}

/// Runs the command. The text goes to stdout, what is to be known to stderr, the secrets into files and nowhere else.
pub(crate) fn run(args: &ImportArgs) -> ExitCode {
    let (path, kind): (&Path, Kind) = match (&args.meshclient_cfg, &args.dts_cfg) {
        (Some(path), _) => (path, Kind::Mesh),
        (None, Some(path)) => (path, Kind::Dts),
        // The command line asks for one of them.
        (None, None) => return ExitCode::from(EXIT_USAGE),
    };
    let stand_in = match StandIn::read_as(path, kind, &args.secrets) {
        Ok(stand_in) => stand_in,
        Err(faults) => {
            eprintln!("{faults}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let failed = |what: &dyn std::fmt::Display| {
        eprintln!("error: {what}");
        ExitCode::from(EXIT_FAILED)
    };
    if let Err(error) = secret_files::write(&args.secrets, &stand_in.translation.secrets, args.force) {
        return failed(&error);
    }
    for told in &stand_in.told {
        eprintln!("{}: {}", identity::word(told.severity), told.text);
    }
    for (path, _) in &stand_in.translation.secrets {
        eprintln!("secret in {}", path.display());
    }
    let mut stdout = io::stdout().lock();
    match stdout.write_all(stand_in.translation.text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::from(EXIT_OK),
        Err(error) => failed(&format!("the configuration cannot be printed: {error}")),
    }
}
