//! Files with secrets in them: passwords, tokens, private keys, keystores.
//!
//! [`read`] gives the bytes in memory that is wiped when it is given back, with no copy left behind on the way, and
//! refuses a file that others than its owner may read; [`rights`] says which. On Windows, where a file has the rights of
//! its folder, nothing is refused.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use secrecy::zeroize::{Zeroize, Zeroizing};
use thiserror::Error;

mod rights;

pub use rights::{Exposure, exposure};

/// Why a file with a secret is not taken. Names the file and never what is in it.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("{source}")]
    Unreadable {
        /// What the system said.
        source: io::Error,
    },
    /// The path leads to something else than a file.
    #[error("it is not a file")]
    NotAFile,
    /// It is larger than is read.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Others may read it.
    #[error(transparent)]
    Exposed(#[from] Exposed),
}

/// A file with a secret that others may read, or change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: {exposure}; make it its owner's alone: chmod 600 {}", path.display(), path.display())]
pub struct Exposed {
    /// Which file.
    pub path: PathBuf,
    /// Who may do what.
    pub exposure: Exposure,
}

/// Whether a file that others may read is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lax {
    /// It is.
    #[default]
    Refused,
    /// It is not: another program made it, and whoever runs the relay is told by other means.
    Taken,
}

/// Reads a file of at most `limit` bytes, whatever length it claims. What is given back is wiped when it is dropped, and
/// no part of it is left in memory that was given back meanwhile.
///
/// # Errors
/// [`ReadError`]; [`ReadError::Exposed`] only where `lax` says that it is refused.
pub fn read(path: &Path, limit: usize, lax: Lax) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let unreadable = |source| ReadError::Unreadable { source };
    // Asked before it is opened: opening a pipe waits for its writer.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(ReadError::NotAFile);
    }
    let file = File::open(path).map_err(unreadable)?;
    // Of what was opened, since the name may lead elsewhere by now.
    if lax == Lax::Refused
        && let Some(exposure) = exposure(&file).map_err(unreadable)?
    {
        return Err(Exposed { path: path.to_owned(), exposure }.into());
    }
    let claimed = file.metadata().map_err(unreadable)?.len();
    let room = usize::try_from(claimed).unwrap_or(usize::MAX).min(limit) + 1;
    let bytes = to_end(file, room, limit).map_err(unreadable)?;
    bytes.ok_or(ReadError::TooLarge { limit })
}

/// Reads to the end, and grows by moving to a larger place with the smaller one wiped. `None`: there is more.
fn to_end(mut from: impl Read, room: usize, limit: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut bytes = Zeroizing::new(vec![0; room]);
    let mut filled = 0;
    loop {
        match from.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if filled > limit {
            return Ok(None);
        }
        if filled == bytes.len() {
            let mut larger = Zeroizing::new(vec![0; filled * 2]);
            larger[..filled].copy_from_slice(&bytes);
            bytes = larger;
        }
    }
    bytes[filled..].zeroize();
    bytes.truncate(filled);
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_read_whatever_length_it_claims() {
        let content: Vec<u8> = (0..=255).cycle().take(5_000).collect();
        for room in [1, 2, 4_999, 5_000, 5_001] {
            let read = to_end(&content[..], room, 5_000).expect("read").expect("no more than that");
            assert_eq!(*read, content, "{room}");
            assert!(to_end(&content[..], room, 4_999).expect("read").is_none(), "{room}");
        }
        assert_eq!(to_end(&b""[..], 1, 0).expect("read").as_deref(), Some(&vec![]));
    }

    #[test]
    fn what_is_no_file_or_too_long_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        file.as_file().set_len(11).expect("longer");
        assert!(matches!(read(file.path(), 10, Lax::Refused), Err(ReadError::TooLarge { limit: 10 })));
        assert_eq!(read(file.path(), 11, Lax::Refused).expect("read").len(), 11);
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(read(folder.path(), 10, Lax::Refused), Err(ReadError::NotAFile)));
        let none = folder.path().join("none");
        assert!(matches!(read(&none, 10, Lax::Refused), Err(ReadError::Unreadable { .. })));
    }
}
