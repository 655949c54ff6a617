//! The bytes to send: a file, or stdin kept in one. Never the whole of them in memory.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream;
use mesh_api::chunk::MESSAGE_BYTES_MAX;
use mesh_api::{OpenPayload, Payload, PayloadStream};

use super::failure::{End, Failure};
use super::progress::Meter;

/// The file name that means stdin or stdout.
pub(super) const DASH: &str = "-";

/// Most bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// What is to be sent.
pub(super) struct Opened {
    pub(super) payload: Payload,
    pub(super) meter: Meter,
    /// When the file was last changed, in nanoseconds since 1970. `None` of stdin, and where the system does not tell.
    pub(super) changed: Option<u128>,
}

/// Opens what is to be sent. `quiet` says that nothing but errors may be told.
pub(super) fn open(path: &Path, quiet: bool) -> Result<Opened, Failure> {
    let from_stdin = path == Path::new(DASH);
    let file = if from_stdin { spool(quiet)? } else { regular(path)? };
    let metadata = file.metadata().map_err(|error| failed(path, &error))?;
    let length = metadata.len();
    let meter = Meter::new(Some(length), quiet);
    let modified = metadata.modified().ok();
    let since =
        modified.filter(|_| !from_stdin).and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let kept = Kept { file: Arc::new(file), length, modified, meter: meter.clone() };
    let changed = since.map(|since| since.as_nanos());
    Ok(Opened { payload: Payload::new(length, Arc::new(kept)), meter, changed })
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{}: {error}; name a file that you may read", path.display()))
}

fn regular(path: &Path) -> Result<File, Failure> {
    // Looked at before it is opened: opening a named pipe waits for whoever writes it.
    let metadata = std::fs::metadata(path).map_err(|error| failed(path, &error))?;
    if !metadata.is_file() {
        return Err(Failure::usage(format!(
            "{} is no regular file, so it cannot be read twice; pipe it in and give {DASH} as the file",
            path.display()
        )));
    }
    File::open(path).map_err(|error| failed(path, &error))
}

/// Keeps stdin in a file without a name, because a chunk that fails is read again. The system removes the file
/// however the process ends.
fn spool(quiet: bool) -> Result<File, Failure> {
    let folder = std::env::temp_dir();
    let failed = |error: io::Error| {
        let what = format!("stdin cannot be kept in {}: {error}", folder.display());
        Failure::new(End::Failed, what).next("Free some space there, or set TMPDIR to another folder.")
    };
    if !quiet {
        eprintln!("stdin is kept in a temporary file in {} while it is sent", folder.display());
    }
    let mut file = tempfile::tempfile().map_err(failed)?;
    // One byte more shows that there is too much, which the plan of the chunks then tells.
    io::copy(&mut io::stdin().lock().take(MESSAGE_BYTES_MAX + 1), &mut file).map_err(failed)?;
    Ok(file)
}

/// An open file. Yields its bytes only as long as they are the ones it was opened with. Reads at positions, so that
/// an attempt that was given up cannot move the next one's.
#[derive(Clone)]
struct Kept {
    file: Arc<File>,
    length: u64,
    modified: Option<SystemTime>,
    meter: Meter,
}

impl Kept {
    fn unchanged(&self) -> io::Result<()> {
        let now = self.file.metadata()?;
        if now.len() == self.length && now.modified().ok() == self.modified {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "the file was changed while it was being sent"))
    }

    /// The next piece of a range, which begins at `at`.
    fn next(&self, at: u64, end: u64) -> io::Result<Option<(Bytes, u64)>> {
        if at >= end {
            // The last look: bytes that changed behind the reader must not count as sent.
            self.unchanged()?;
            return Ok(None);
        }
        let wanted = usize::try_from(end - at).unwrap_or(READ_BYTES).min(READ_BYTES);
        let mut buffer = vec![0; wanted];
        let got = read_at(&self.file, &mut buffer, at)?;
        if got == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
        }
        buffer.truncate(got);
        self.meter.at(at + got as u64);
        Ok(Some((Bytes::from(buffer), at + got as u64)))
    }
}

impl OpenPayload for Kept {
    fn open(&self, range: Range<u64>) -> BoxFuture<'_, io::Result<PayloadStream>> {
        let kept = self.clone();
        Box::pin(async move {
            kept.unchanged()?;
            // Read where it is polled: this program has one thing to do, and a local file does not keep it waiting.
            let read = stream::try_unfold((kept, range.start), move |(kept, at)| async move {
                let next = kept.next(at, range.end)?;
                Ok(next.map(|(piece, at)| (piece, (kept, at))))
            });
            let stream: PayloadStream = Box::pin(read);
            Ok(stream)
        })
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(not(unix))]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}
