//! Where a download goes: written under a temporary name in the folder of its final one, synced, then renamed. A file
//! that is there already is never replaced.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use mesh_api::MessageId;
use tempfile::{NamedTempFile, PersistError};

use super::failure::{End, Failure};
use super::source::DASH;
use crate::disk::sync_folder;

/// Longest file name taken from a message, in bytes; file systems commonly end at 255.
const NAME_BYTES_MAX: usize = 200;
/// Names that Windows keeps for devices, whatever follows a dot.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
/// Names that it keeps with one digit behind them.
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];
/// Bytes compared at once.
const COMPARED_BYTES: usize = 64 * 1024;

/// Where downloads go.
pub(super) enum Place {
    /// Into a folder, under a name from [`names`].
    Folder(PathBuf),
    /// To this file.
    File(PathBuf),
    /// To stdout.
    Stdout,
}

impl Place {
    /// Reads `--out`: by default the working folder.
    pub(super) fn of(out: Option<&Path>) -> Self {
        match out {
            None => Self::Folder(PathBuf::from(".")),
            Some(path) if path == Path::new(DASH) => Self::Stdout,
            Some(path) if path.is_dir() => Self::Folder(path.to_owned()),
            Some(path) => Self::File(path.to_owned()),
        }
    }
}

/// The names to try in a folder, best first: the sender's where it is wanted and does no harm, then the message id,
/// which MESH makes and which is safe.
pub(super) fn names(folder: &Path, senders: Option<&str>, id: &MessageId, extension: &str) -> Vec<PathBuf> {
    let senders = senders.filter(|name| is_safe(name)).map(|name| folder.join(name));
    senders.into_iter().chain([folder.join(format!("{id}.{extension}"))]).collect()
}

/// Whether a sender's file name names a plain file in the folder, here and on Windows.
fn is_safe(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    // Windows takes superscript digits there too.
    let digit = |rest: &str| rest.chars().count() == 1 && rest.chars().all(char::is_numeric);
    let device = DEVICES.contains(&stem.as_str())
        || NUMBERED_DEVICES.iter().any(|device| stem.strip_prefix(device).is_some_and(digit));
    let bad = |c: char| c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && !name.starts_with(['.', '-', ' '])
        && !name.ends_with(['.', ' '])
        && !name.contains(bad)
        && !device
}

/// A file that is not whole yet. Dropped, it is gone.
pub(super) struct Landing {
    part: NamedTempFile,
    folder: PathBuf,
}

impl Landing {
    /// Begins a file in a folder, readable by its owner only: it may hold a patient's data.
    pub(super) fn begin(folder: &Path) -> Result<Self, Failure> {
        let part = tempfile::Builder::new().prefix(".mesh-relay-").suffix(".part").tempfile_in(folder);
        let part = part.map_err(|error| {
            let end = match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied => {
                    End::Usage
                }
                _ => End::Failed,
            };
            let what = format!("no file can be made in {}: {error}", folder.display());
            Failure::new(end, what).next("Choose a folder that you may write with --out.")
        })?;
        Ok(Self { part, folder: folder.to_owned() })
    }

    /// Adds bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.part.write_all(bytes).map_err(|error| self.failed(&error))
    }

    /// Makes the file durable, then gives it the first of the names that is free. A file of that name with the same
    /// bytes is this message from an earlier run, and does as well, if its name begins with `own`, the message's id: other
    /// names may be another message's, which happens to hold the same.
    pub(super) fn settle(mut self, names: &[PathBuf], own: &str) -> Result<PathBuf, Failure> {
        self.part.as_file().sync_all().map_err(|error| self.failed(&error))?;
        // The folder is named and not the file, whose name may be the sender's.
        let folder_failed = |error: &io::Error| failed(&self.folder, error);
        for name in names {
            match self.part.persist_noclobber(name) {
                Ok(_) => {
                    sync_folder(&self.folder).map_err(|error| folder_failed(&error))?;
                    return Ok(name.clone());
                }
                Err(PersistError { error, file }) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let owned = name.file_name().is_some_and(|name| name.to_string_lossy().starts_with(own));
                    if owned && same(file.path(), name).map_err(|error| folder_failed(&error))? {
                        // The earlier run may have ended before this.
                        sync_folder(&self.folder).map_err(|error| folder_failed(&error))?;
                        return Ok(name.clone());
                    }
                    self.part = file;
                }
                Err(PersistError { error, .. }) => return Err(folder_failed(&error)),
            }
        }
        let what = "a file of that name is there already and is not replaced";
        let shown = names.last().map_or(self.folder.as_path(), PathBuf::as_path);
        Err(Failure::new(End::Failed, format!("{}: {what}; choose another with --out", shown.display()))
            .of_one_message())
    }

    fn failed(&self, error: &io::Error) -> Failure {
        failed(&self.folder, error)
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let what = format!("the message cannot be written to {}: {error}", path.display());
    Failure::new(End::Failed, what).next("MESH still holds it. Mend that and get it again.")
}

/// Whether two files hold the same bytes. The one that was there is synced, so that it may count as saved.
fn same(part: &Path, there: &Path) -> io::Result<bool> {
    // Anything but a plain file is something else, and is not read: a pipe would keep us waiting.
    let metadata = fs::symlink_metadata(there)?;
    if !metadata.is_file() || metadata.len() != fs::metadata(part)?.len() {
        return Ok(false);
    }
    let (mut one, file) = (BufReader::new(File::open(part)?), File::open(there)?);
    let mut other = BufReader::new(&file);
    let (mut ours, mut theirs) = (vec![0; COMPARED_BYTES], vec![0; COMPARED_BYTES]);
    loop {
        let (got, found) = (fill(&mut one, &mut ours)?, fill(&mut other, &mut theirs)?);
        if ours[..got] != theirs[..found] {
            return Ok(false);
        }
        if got == 0 {
            return file.sync_all().map(|()| true);
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            got => filled += got,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_do_harm_are_not_taken() {
        for good in ["letter.pdf", "a b (1).txt", "Brief für Müller.dat", "console.log", "com10.txt", "x"] {
            assert!(is_safe(good), "{good}");
        }
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for bad in [
            "", ".", "..", "../x", "a/b", "a\\b", "C:x", ".bashrc", "-rf", " x", "x.", "x ", "a\nb", "a\0b",
            "nul", "NUL.txt", "con .dat", "Com1", "lpt9.pdf", "COM¹", "a?", "a*b", &long,
        ] {
            assert!(!is_safe(bad), "{bad:?}");
        }
        let id: MessageId = "ID1".parse().expect("an id");
        assert_eq!(names(Path::new("in"), Some("../x"), &id, "dat"), [PathBuf::from("in/ID1.dat")]);
    }

    #[test]
    fn nothing_is_replaced_and_nothing_half_written_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let settle = |bytes: &[u8], names: &[PathBuf]| {
            let mut landing = Landing::begin(folder.path()).expect("a file");
            landing.write(bytes).expect("written");
            landing.settle(names, "first")
        };
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        let both = [first.clone(), second.clone()];
        assert_eq!(settle(b"one", &both).ok(), Some(first.clone()));
        assert_eq!(settle(b"one", &both).ok(), Some(first.clone()), "the same again");
        assert_eq!(settle(b"two", &both).ok(), Some(second.clone()));
        assert!(settle(b"two", &both).is_err(), "another message may hold the same");
        let refused = settle(b"ten", &both).expect_err("no name is free");
        assert!(refused.is_of_one_message() && refused.to_string().contains("not replaced"), "{refused}");
        drop(Landing::begin(folder.path()).expect("a file"));
        assert_eq!(fs::read(&first).expect("read"), b"one");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2);
    }
}
