//! Files for their owner alone, as the relay wants those with secrets.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// Writes a file. If it is new, nobody but its owner may read it.
pub fn write_private(path: &Path, content: impl AsRef<[u8]>) {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).expect("a file");
    file.write_all(content.as_ref()).expect("a file written");
}
