//! Files: the configuration and its secrets, written once all of it was found sound; and folders.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use relay_config::{Faults, SecretError};
use tempfile::NamedTempFile;
use thiserror::Error;

use super::answers::Secrets;
use crate::disk::sync_folder;
use crate::java_client::secret_files::{self, SecretFileError};
use crate::settings::Settings;

/// Why nothing was written, or not all.
#[derive(Debug, Error)]
pub(super) enum PlaceError {
    /// A file is there.
    #[error("{} is there; nothing was written. Name another file, or replace it with --force", path.display())]
    Taken {
        /// Which.
        path: PathBuf,
    },
    /// A file of a secret is there.
    #[error(
        "{} is there and holds another secret; the configuration was not written. Move it, or replace it with --force",
        path.display()
    )]
    OtherSecret {
        /// Which.
        path: PathBuf,
    },
    /// A secret that an option names cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The answers do not make a configuration.
    #[error("the answers do not fit together; nothing was written\n\n{0}")]
    Faults(Faults),
    /// The system refused.
    #[error("{}: {source}; let this account write there", path.display())]
    Refused {
        /// Which file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// # Errors
/// When the configuration is there and is not to be replaced.
pub(super) fn refuse_to_overwrite(config: &Path, force: bool) -> Result<(), PlaceError> {
    if !force && fs::symlink_metadata(config).is_ok() {
        return Err(PlaceError::Taken { path: config.to_owned() });
    }
    Ok(())
}

/// Writes the configuration, and before it the new secrets. Returns where those are.
///
/// # Errors
/// When `check` would find a fault, or something is there already: nothing was written then.
pub(super) fn write(
    config: &Path,
    text: String,
    secrets: Secrets,
    force: bool,
) -> Result<Vec<PathBuf>, PlaceError> {
    // As the relay loads it, with the secrets held that are not there yet.
    let held = relay_config::Secrets::held(secrets.held()?);
    Settings::load_text(config, text.clone(), held).map_err(PlaceError::Faults)?;
    let folder = match config.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let refused = |path: &Path| {
        let path = path.to_owned();
        move |source| PlaceError::Refused { path, source }
    };
    fs::create_dir_all(folder).map_err(refused(folder))?;
    let mut new: Vec<_> = secrets.new.into_iter().map(|(name, secret)| (folder.join(name), secret)).collect();
    new.sort_by(|(one, _), (other, _)| one.cmp(other));
    secret_files::write(folder, &new, force).map_err(|error| match error {
        SecretFileError::Other { path } => PlaceError::OtherSecret { path },
        SecretFileError::Refused { path, source } => PlaceError::Refused { path, source },
    })?;
    // Under another name first, so that half a configuration never stands there.
    let mut part = NamedTempFile::new_in(folder).map_err(refused(folder))?;
    part.write_all(text.as_bytes()).and_then(|()| part.as_file().sync_all()).map_err(refused(config))?;
    readable(part.as_file()).map_err(refused(config))?;
    let placed = if force { part.persist(config) } else { part.persist_noclobber(config) };
    placed.map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => PlaceError::Taken { path: config.to_owned() },
        _ => PlaceError::Refused { path: config.to_owned(), source: error.error },
    })?;
    sync_folder(folder).map_err(refused(folder))?;
    Ok(new.into_iter().map(|(path, _)| path).collect())
}

/// It holds no secret, and people read it.
#[cfg(unix)]
fn readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &fs::File) -> io::Result<()> {
    Ok(())
}

/// Makes what is not there.
///
/// # Errors
/// The folder that cannot be made.
pub(super) fn make_folders(folders: &[PathBuf]) -> Result<(), PlaceError> {
    for folder in folders {
        fs::create_dir_all(folder).map_err(|source| PlaceError::Refused { path: folder.clone(), source })?;
    }
    Ok(())
}
