//! Bodies of chunks: kept as they came, in memory or on disk, and read back in pieces. However large a body is, no
//! more than [`HELD_BODY_BYTES_MAX`] of it is in memory at a time.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tempfile::{NamedTempFile, TempDir, TempPath};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

/// Largest body kept in memory; a larger one goes to a file.
pub const HELD_BODY_BYTES_MAX: u64 = 256 * 1024;
/// Most bytes of bodies kept in memory together; beyond it even small ones go to files.
pub const HELD_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Where bodies are kept.
pub(crate) enum Bodies {
    /// In memory, the large ones in a scratch folder that is removed with the server.
    Memory(Arc<Memory>),
    /// Each in a file of its own under this folder.
    Folder(PathBuf),
}

#[derive(Default)]
pub(crate) struct Memory {
    held: AtomicU64,
    scratch: Mutex<Option<Arc<TempDir>>>,
}

impl Memory {
    /// The scratch folder, made when it is first needed.
    fn scratch(&self) -> io::Result<Arc<TempDir>> {
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = &*scratch {
            return Ok(Arc::clone(folder));
        }
        let folder = Arc::new(tempfile::Builder::new().prefix("mesh-sandbox-").tempdir()?);
        Ok(Arc::clone(scratch.insert(folder)))
    }
}

impl Bodies {
    /// Opens the way in for one body. `path` says where a folder keeps it.
    pub(crate) fn intake(&self, path: impl FnOnce(&Path) -> PathBuf) -> Intake {
        let target = match self {
            Self::Memory(memory) => Target::Memory(Arc::clone(memory)),
            Self::Folder(root) => Target::File(path(root)),
        };
        Intake { target, buffer: Vec::new(), bytes: 0, file: None }
    }

    /// The way in for a body that is counted and not kept, because nobody will read it.
    pub(crate) fn count_only() -> Intake {
        Intake { target: Target::Nowhere, buffer: Vec::new(), bytes: 0, file: None }
    }
}

enum Target {
    Memory(Arc<Memory>),
    File(PathBuf),
    Nowhere,
}

/// A body on its way in. Dropped before [`Intake::end`], it leaves nothing behind.
pub(crate) struct Intake {
    target: Target,
    buffer: Vec<u8>,
    bytes: u64,
    file: Option<(File, TempPath)>,
}

impl Intake {
    /// Takes the next part.
    pub(crate) async fn take(&mut self, part: &[u8]) -> io::Result<()> {
        self.bytes += part.len() as u64;
        if matches!(self.target, Target::Nowhere) {
            return Ok(());
        }
        if let Some((file, _)) = &mut self.file {
            return file.write_all(part).await;
        }
        if self.bytes <= HELD_BODY_BYTES_MAX {
            self.buffer.extend_from_slice(part);
            return Ok(());
        }
        let (file, path) = self.new_file()?.into_parts();
        let mut file = File::from_std(file);
        file.write_all(&self.buffer).await?;
        file.write_all(part).await?;
        self.buffer = Vec::new();
        self.file = Some((file, path));
        Ok(())
    }

    /// How many bytes came so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Ends the body. It is all there then, and not yet where it is to stand.
    pub(crate) async fn end(mut self) -> io::Result<Ended> {
        if let Some((mut file, path)) = self.file.take() {
            file.flush().await?;
            return self.on_disk(path);
        }
        match &self.target {
            Target::Nowhere => Ok(Ended::There(Payload::Dropped(self.bytes))),
            Target::Memory(memory) => {
                let before = memory.held.fetch_add(self.bytes, Ordering::Relaxed);
                let held = Held { bytes: std::mem::take(&mut self.buffer).into(), of: Arc::clone(memory) };
                if before + self.bytes <= HELD_BYTES_MAX {
                    return Ok(Ended::There(Payload::Held(Arc::new(held))));
                }
                let mut file = self.new_file()?;
                file.write_all(&held.bytes)?;
                self.on_disk(file.into_temp_path())
            }
            Target::File(_) => {
                let mut file = self.new_file()?;
                file.write_all(&self.buffer)?;
                self.on_disk(file.into_temp_path())
            }
        }
    }

    /// A file of its own, away from where other servers look for chunks.
    fn new_file(&self) -> io::Result<NamedTempFile> {
        match &self.target {
            // In the folder above the one where it will stand, which appears only then.
            Target::File(path) => new_file_in(path.parent().and_then(Path::parent).unwrap_or(path)),
            Target::Memory(memory) => NamedTempFile::new_in(memory.scratch()?.path()),
            Target::Nowhere => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn on_disk(self, path: TempPath) -> io::Result<Ended> {
        Ok(match self.target {
            Target::File(target) => Ended::Beside { path, target, bytes: self.bytes },
            Target::Memory(memory) => {
                let folder = memory.scratch()?;
                let kept =
                    Kept { path: path.to_path_buf(), bytes: self.bytes, scratch: Some((path, folder)) };
                Ended::There(Payload::Kept(Arc::new(kept)))
            }
            Target::Nowhere => Ended::There(Payload::Dropped(self.bytes)),
        })
    }
}

/// What a file's name begins with until it stands where it belongs.
pub(crate) const PART_PREFIX: &str = ".part-";

/// A new file in a folder, which is made if need be. Whoever may read the user's other files may read it.
pub(crate) fn new_file_in(folder: &Path) -> io::Result<NamedTempFile> {
    std::fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(PART_PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The system takes away what the user's mask forbids.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// A body that came whole. Dropped, it leaves nothing behind.
pub(crate) enum Ended {
    There(Payload),
    /// In a file beside the place where it is to stand.
    Beside {
        path: TempPath,
        target: PathBuf,
        bytes: u64,
    },
}

impl Ended {
    /// Puts the body where it stands from now on, over one that stood there.
    pub(crate) fn settle(self) -> io::Result<Payload> {
        match self {
            Self::There(payload) => Ok(payload),
            Self::Beside { path, target, bytes } => {
                if let Some(folder) = target.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                path.persist(&target).map_err(|failed| failed.error)?;
                Ok(Payload::Kept(Arc::new(Kept { path: target, bytes, scratch: None })))
            }
        }
    }
}

/// A body that is kept. Does not print.
#[derive(Clone)]
pub(crate) enum Payload {
    Held(Arc<Held>),
    Kept(Arc<Kept>),
    /// Counted and not kept.
    Dropped(u64),
}

/// A body in memory.
pub(crate) struct Held {
    bytes: Bytes,
    of: Arc<Memory>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.held.fetch_sub(self.bytes.len() as u64, Ordering::Relaxed);
    }
}

/// A body in a file.
pub(crate) struct Kept {
    path: PathBuf,
    bytes: u64,
    /// A scratch file goes with its last reader, and the scratch folder stays until then.
    #[expect(dead_code, reason = "kept for what dropping it does")]
    scratch: Option<(TempPath, Arc<TempDir>)>,
}

/// A body to be read.
pub(crate) enum Opened {
    Whole(Bytes),
    Stream(File),
}

impl Payload {
    /// A body that stands in a file already.
    pub(crate) fn in_file(path: PathBuf) -> io::Result<Self> {
        let bytes = std::fs::metadata(&path)?.len();
        Ok(Self::Kept(Arc::new(Kept { path, bytes, scratch: None })))
    }

    /// A body that comes with the program.
    pub(crate) fn built_in(bytes: Vec<u8>) -> Self {
        let of = Arc::new(Memory { held: AtomicU64::new(bytes.len() as u64), ..Memory::default() });
        Self::Held(Arc::new(Held { bytes: bytes.into(), of }))
    }

    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Held(held) => held.bytes.len() as u64,
            Self::Kept(kept) => kept.bytes,
            Self::Dropped(bytes) => *bytes,
        }
    }

    /// Opens it; one of up to [`HELD_BODY_BYTES_MAX`] comes whole.
    pub(crate) async fn open(&self) -> io::Result<Opened> {
        match self {
            Self::Held(held) => Ok(Opened::Whole(held.bytes.clone())),
            Self::Kept(kept) if kept.bytes <= HELD_BODY_BYTES_MAX => {
                Ok(Opened::Whole(tokio::fs::read(&kept.path).await?.into()))
            }
            Self::Kept(kept) => Ok(Opened::Stream(File::open(&kept.path).await?)),
            Self::Dropped(_) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The whole body, however large: for a test that wants to look at it.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::Held(held) => Ok(held.bytes.to_vec()),
            Self::Kept(kept) => std::fs::read(&kept.path),
            Self::Dropped(_) => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn kept(bodies: &Bodies, name: &str, parts: &[&[u8]]) -> Payload {
        let mut intake = bodies.intake(|root| root.join("box").join(name));
        for part in parts {
            intake.take(part).await.expect("room");
        }
        intake.end().await.and_then(Ended::settle).expect("room")
    }

    #[tokio::test]
    async fn small_bodies_are_held_and_large_ones_go_to_a_scratch_file_that_goes_with_them() {
        let memory = Arc::new(Memory::default());
        let bodies = Bodies::Memory(Arc::clone(&memory));
        let small = kept(&bodies, "1", &[b"one ", b"two"]).await;
        assert_eq!((small.bytes(), memory.held.load(Ordering::Relaxed)), (7, 7));
        assert!(matches!(small.open().await, Ok(Opened::Whole(bytes)) if bytes.as_ref() == b"one two"));
        drop(small);
        assert_eq!(memory.held.load(Ordering::Relaxed), 0);

        let part = vec![7; 200 * 1024];
        let large = kept(&bodies, "2", &[&part, &part]).await;
        let Payload::Kept(file) = &large else { panic!("held in memory") };
        let path = file.path.clone();
        assert!(path.is_file() && matches!(large.open().await, Ok(Opened::Stream(_))));
        assert_eq!(large.read().expect("a file"), [&part[..], &part[..]].concat());
        let scratch = path.parent().expect("a folder").to_owned();
        drop(large);
        assert!(!path.exists() && scratch.is_dir());
        drop((bodies, memory));
        assert!(!scratch.exists());
    }

    #[tokio::test]
    async fn memory_that_is_full_spills_small_bodies_too() {
        let memory = Arc::new(Memory { held: AtomicU64::new(HELD_BYTES_MAX - 1), ..Memory::default() });
        let bodies = Bodies::Memory(memory);
        assert!(matches!(kept(&bodies, "1", &[b"x"]).await, Payload::Held(_)));
        let Bodies::Memory(memory) = &bodies else { unreachable!() };
        memory.held.fetch_add(1, Ordering::Relaxed);
        let spilled = kept(&bodies, "2", &[b"x"]).await;
        assert!(matches!(&spilled, Payload::Kept(_)));
        assert_eq!(memory.held.load(Ordering::Relaxed), HELD_BYTES_MAX, "not counted");
    }

    #[tokio::test]
    async fn a_folder_keeps_every_body_in_its_file_and_nothing_of_an_unfinished_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let bodies = Bodies::Folder(folder.path().to_owned());
        kept(&bodies, "1", &[b"first"]).await;
        kept(&bodies, "1", &[b"again"]).await;
        assert_eq!(std::fs::read(folder.path().join("box/1")).expect("a file"), b"again");
        let mut left = bodies.intake(|root| root.join("box/2"));
        left.take(&vec![1; 300 * 1024]).await.expect("room");
        drop(left);
        let names = |folder: &Path| std::fs::read_dir(folder).expect("a folder").count();
        assert_eq!((names(&folder.path().join("box")), names(folder.path())), (1, 1));
    }
}
