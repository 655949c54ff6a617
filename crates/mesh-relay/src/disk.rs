//! What it takes for a file to be there after a power cut.

use std::fs::File;
use std::io;
use std::path::Path;

/// Makes names that were given or taken in a folder durable.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Folders cannot be synced by themselves here.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
