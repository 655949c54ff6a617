//! Secrets in files that only their owner may read.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use tempfile::NamedTempFile;
use thiserror::Error;

use crate::disk::sync_folder;

/// Why secrets were not written. Names files and never what is in them.
#[derive(Debug, Error)]
pub(crate) enum SecretFileError {
    /// A file is there and holds something else.
    #[error(
        "{} is there and holds another secret; nothing was written. Choose another folder with --secrets, or replace it with \
         --force", path.display()
    )]
    Other {
        /// Which file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{}: {source}; choose a folder that this account may write with --secrets", path.display())]
    Refused {
        /// Which file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Writes each secret into its file, durably, for its owner alone. A file that holds the same already stays; when one holds
/// anything else, nothing is written unless `force`.
///
/// On Windows the files have the rights of their folder.
pub(crate) fn write(
    folder: &Path,
    secrets: &[(PathBuf, SecretString)],
    force: bool,
) -> Result<(), SecretFileError> {
    let mut due = Vec::new();
    for (path, secret) in secrets {
        match holds(path, secret).map_err(refused(path))? {
            Some(true) => restrict(path).map_err(refused(path))?,
            Some(false) if !force => return Err(SecretFileError::Other { path: path.clone() }),
            Some(false) | None => due.push((path, secret)),
        }
    }
    if secrets.is_empty() {
        return Ok(());
    }
    private_folder().recursive(true).create(folder).map_err(refused(folder))?;
    for (path, secret) in due {
        put(folder, path, secret, force)?;
    }
    sync_folder(folder).map_err(refused(folder))?;
    // The folder's own name, if it is new.
    let above = folder.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new("."));
    sync_folder(above).map_err(refused(above))
}

fn refused(path: &Path) -> impl FnOnce(io::Error) -> SecretFileError {
    let path = path.to_owned();
    move |source| SecretFileError::Refused { path, source }
}

/// Under another name first, so that half a secret never stands there. `NamedTempFile` makes it for its owner alone.
fn put(folder: &Path, path: &Path, secret: &SecretString, force: bool) -> Result<(), SecretFileError> {
    let mut part = NamedTempFile::new_in(folder).map_err(refused(folder))?;
    let content = Zeroizing::new(format!("{}\n", secret.expose_secret()));
    part.write_all(content.as_bytes()).and_then(|()| part.as_file().sync_all()).map_err(refused(path))?;
    let placed = if force { part.persist(path) } else { part.persist_noclobber(path) };
    match placed {
        Ok(_) => Ok(()),
        // Somebody was faster.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(SecretFileError::Other { path: path.to_owned() })
        }
        Err(error) => Err(refused(path)(error.error)),
    }
}

/// Whether a file holds the secret; `None` when there is no file.
fn holds(path: &Path, secret: &SecretString) -> io::Result<Option<bool>> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Anything but a plain file is something else, and is not read: a pipe would keep us waiting.
    if !metadata.is_file() {
        return Ok(Some(false));
    }
    let expected = secret.expose_secret().as_bytes();
    let mut found = Zeroizing::new(Vec::new());
    File::open(path)?.take(expected.len() as u64 + 3).read_to_end(&mut found)?;
    let found = found.strip_suffix(b"\n").unwrap_or(&found);
    Ok(Some(found.strip_suffix(b"\r").unwrap_or(found) == expected))
}

#[cfg(unix)]
fn restrict(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn restrict(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn private_folder() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

#[cfg(not(unix))]
fn private_folder() -> DirBuilder {
    DirBuilder::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(folder: &Path, value: &str) -> Vec<(PathBuf, SecretString)> {
        vec![(folder.join("a.pass"), value.into()), (folder.join("b.pass"), "second".into())]
    }

    #[test]
    fn nothing_is_replaced_unasked_and_nobody_else_may_read() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path().join("deep/secrets");
        write(&folder, &secrets(&folder, "first"), false).expect("written");
        let text = |name: &str| fs::read_to_string(folder.join(name)).expect("a file");
        assert_eq!((text("a.pass").as_str(), text("b.pass").as_str()), ("first\n", "second\n"));
        write(&folder, &secrets(&folder, "first"), false).expect("the same again");
        fs::remove_file(folder.join("b.pass")).expect("removed");
        let error =
            write(&folder, &secrets(&folder, "other"), false).expect_err("another secret").to_string();
        assert!(
            error.contains("a.pass") && error.contains("--force") && !error.contains("other\n"),
            "{error}"
        );
        assert!(!folder.join("b.pass").exists(), "nothing was written");
        write(&folder, &secrets(&folder, "other"), true).expect("replaced");
        assert_eq!(text("a.pass"), "other\n");
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 2);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
            assert_eq!((mode(&folder), mode(&folder.join("a.pass"))), (0o700, 0o600));
            fs::set_permissions(folder.join("a.pass"), fs::Permissions::from_mode(0o644)).expect("wider");
            write(&folder, &secrets(&folder, "other"), false).expect("the same again");
            assert_eq!(mode(&folder.join("a.pass")), 0o600);
        }
    }
}
