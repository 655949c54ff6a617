//! Files beneath a folder. No link beneath it is followed, so that whoever may write there cannot have another file sent.
//! What is written is durable before it is named.

use std::fs::{self, File, Metadata};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::{TryStreamExt, stream};
use relay_core::{OpenPayload, PayloadStream};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use crate::error::{ClaimError, OpenError, PutError, StoreTrouble};
use crate::place::Place;

/// Bytes read at a time.
const READ_BYTES: usize = 256 << 10;
/// What names begin with of files that are not complete.
const PART_PREFIX: &str = ".relay-part-";

/// A folder for payloads.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    root: Arc<Path>,
}

impl Folder {
    /// # Errors
    /// When it is no folder that can be listed.
    pub(crate) fn open(root: PathBuf) -> io::Result<Self> {
        drop(fs::read_dir(&root)?);
        Ok(Self { root: root.into() })
    }

    /// Lists the folder, and makes and removes a file in it if it is to be written.
    pub(crate) async fn diagnose(&self, writes: bool) -> Result<String, (String, String)> {
        let root = Arc::clone(&self.root);
        let looked = blocking(move || {
            drop(fs::read_dir(&root)?);
            if writes {
                let path = root.join(format!("{PART_PREFIX}doctor-{}", std::process::id()));
                let made = create(&path).and_then(|file| file.sync_all());
                let gone = fs::remove_file(&path);
                made.and(gone)?;
            }
            Ok(())
        });
        match looked.await {
            Ok(()) if writes => Ok("files can be made and removed there".to_owned()),
            Ok(()) => Ok("it can be listed".to_owned()),
            Err(error) => {
                let advice = "let the relay's account read there, and write where payloads are put; is its volume mounted?";
                Err((format!("it cannot be used: {error}"), advice.to_owned()))
            }
        }
    }

    pub(crate) fn place(&self) -> Result<Place, OpenError> {
        Place::folder(&self.root).map_err(|what| OpenError::Place { key: "read", what })
    }

    /// Looks at the file of a place beneath this folder: its length, and how to read what was seen now.
    pub(crate) async fn look(&self, place: &Place) -> Result<(u64, FileAsSeen), ClaimError> {
        let beneath =
            place.to_path().strip_prefix(&self.root).map_err(|_| ClaimError::NotAllowed)?.to_owned();
        let seen = FileAsSeen { root: Arc::clone(&self.root), beneath, version: Version::default() };
        let (metadata, mut seen) = blocking(move || {
            let metadata = seen.file().and_then(|file| file.metadata().map_err(Miss::Beneath));
            Ok(metadata.map(|metadata| (metadata, seen)))
        })
        .await
        .unwrap_or_else(|error| Err(Miss::Beneath(error)))?;
        if !metadata.is_file() {
            return Err(ClaimError::NoFile);
        }
        seen.version = Version::of(&metadata);
        Ok((metadata.len(), seen))
    }

    /// Writes a file, whole or not at all, and says how long it is and its SHA-256. Returns once it is durable.
    pub(crate) async fn put(
        &self,
        place: &Place,
        mut body: PayloadStream,
    ) -> Result<(u64, String), PutError> {
        let target = place.to_path();
        let root = Arc::clone(&self.root);
        let (part, file) = blocking(move || Part::begin(&root, target)).await.map_err(written)?;
        let mut file = tokio::fs::File::from_std(file);
        let mut hash = Sha256::new();
        let mut length = 0;
        while let Some(piece) = body.try_next().await.map_err(PutError::Body)? {
            hash.update(&piece);
            length += piece.len() as u64;
            file.write_all(&piece).await.map_err(written)?;
        }
        file.flush().await.map_err(written)?;
        file.sync_all().await.map_err(written)?;
        blocking(move || part.finish()).await.map_err(written)?;
        Ok((length, hex::encode(hash.finalize())))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Why a file could not be opened.
enum Miss {
    /// The folder itself could not.
    Root,
    /// The file beneath it could not.
    Beneath(io::Error),
}

fn trouble(what: &'static str) -> StoreTrouble {
    StoreTrouble { store: "the folder of the claim check".to_owned(), what }
}

fn written(error: io::Error) -> PutError {
    PutError::Store(trouble(match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "cannot be written by this user; let it write there"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "is full; make room there",
        io::ErrorKind::NotFound => "is not there; is its volume mounted?",
        io::ErrorKind::ResourceBusy => "has this payload being written by another instance",
        _ => "took no payload; look at its volume",
    }))
}

impl From<Miss> for ClaimError {
    fn from(miss: Miss) -> Self {
        use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
        let error = match miss {
            Miss::Root => return trouble("cannot be opened; is its volume mounted?").into(),
            Miss::Beneath(error) => error,
        };
        match error.kind() {
            NotFound => Self::NotThere,
            NotADirectory => Self::NoFile,
            PermissionDenied => trouble("holds what this user may not read; let it read there").into(),
            _ if is_link_or_device(&error) => Self::NoFile,
            _ => trouble("could not be read; look at its volume").into(),
        }
    }
}

/// A file that is being written. What is not finished is removed.
struct Part {
    /// Locked, so that no other instance writes the same part.
    file: File,
    part: PathBuf,
    target: PathBuf,
    root: Arc<Path>,
    is_finished: bool,
}

impl Part {
    /// Begins the file `target`, whose folder is beneath `root`.
    fn begin(root: &Arc<Path>, target: PathBuf) -> io::Result<(Self, File)> {
        let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        make_folder(folder)?;
        let part = folder.join(format!("{PART_PREFIX}{}", name.to_string_lossy()));
        let file = create(&part)?;
        // Busy, or whoever held it has just given this very file its name.
        if file.try_lock().is_err() || !is_at(&file, &part) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let part = Self { file, part, target, root: Arc::clone(root), is_finished: false };
        // A crash may have left a beginning.
        part.file.set_len(0)?;
        let writer = part.file.try_clone()?;
        Ok((part, writer))
    }

    /// Gives it its name, durably. It must be synced.
    #[expect(clippy::disallowed_methods, reason = "the move is made durable here")]
    fn finish(mut self) -> io::Result<()> {
        fs::rename(&self.part, &self.target)?;
        self.is_finished = true;
        if let Some(folder) = self.target.parent() {
            sync_folder(folder)?;
        }
        sync_folder(&self.root)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_finished {
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// Which file it was, and in which state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Version {
    length: u64,
    modified: (i64, i64),
    file: (u64, u64),
}

/// A file as it was when it was looked at. Once it is another one, or was changed, it is not read.
#[derive(Clone)]
pub(crate) struct FileAsSeen {
    root: Arc<Path>,
    beneath: PathBuf,
    version: Version,
}

impl FileAsSeen {
    fn file(&self) -> Result<File, Miss> {
        open_beneath(&self.root, &self.beneath)
    }

    fn check(&self, metadata: &Metadata) -> io::Result<()> {
        if Version::of(metadata) == self.version {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "the payload was changed after it was checked"))
    }
}

impl OpenPayload for FileAsSeen {
    fn open(&self, range: Range<u64>) -> BoxFuture<'_, io::Result<PayloadStream>> {
        let seen = self.clone();
        async move {
            let (file, seen) = blocking(move || {
                let file = seen.file().map_err(|miss| match miss {
                    Miss::Root => io::Error::other("the folder of the claim check cannot be opened"),
                    Miss::Beneath(error) => error.kind().into(),
                })?;
                seen.check(&file.metadata()?)?;
                Ok((file, seen))
            })
            .await?;
            let mut file = tokio::fs::File::from_std(file);
            file.seek(io::SeekFrom::Start(range.start)).await?;
            let left = range.end.saturating_sub(range.start);
            let read = stream::try_unfold((file, left, seen), |(mut file, left, seen)| async move {
                if left == 0 {
                    return Ok(None);
                }
                let wanted = usize::try_from(left).unwrap_or(READ_BYTES).min(READ_BYTES);
                let mut buffer = vec![0; wanted];
                let got = file.read(&mut buffer).await?;
                // Looked at before they are handed on: bytes that changed behind the reader never leave.
                seen.check(&file.metadata().await?)?;
                if got == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                buffer.truncate(got);
                Ok(Some((Bytes::from(buffer), (file, left - got as u64, seen))))
            });
            let stream: PayloadStream = Box::pin(read);
            Ok(stream)
        }
        .boxed()
    }
}

#[cfg(unix)]
mod system {
    use std::fs::{DirBuilder, File, Metadata, OpenOptions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
    use std::path::Path;

    use rustix::fs::{CWD, Mode, OFlags, openat};
    use rustix::io::Errno;

    use super::{Miss, Version};

    /// Payloads are patient data: their owner writes them, its group reads them, others nothing.
    const FILE_MODE: u32 = 0o640;
    const FOLDER_MODE: u32 = 0o750;

    impl Version {
        pub(super) fn of(metadata: &Metadata) -> Self {
            Self {
                length: metadata.len(),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                file: (metadata.dev(), metadata.ino()),
            }
        }
    }

    /// Opens a file beneath `root` and follows no link on the way from there.
    pub(super) fn open_beneath(root: &Path, beneath: &Path) -> Result<File, Miss> {
        let usual = OFlags::RDONLY | OFlags::CLOEXEC;
        let folder = usual | OFlags::DIRECTORY;
        let mut at = openat(CWD, root, folder, Mode::empty()).map_err(|_| Miss::Root)?;
        let mut names = beneath.components().peekable();
        while let Some(name) = names.next() {
            let flags = match names.peek() {
                Some(_) => folder | OFlags::NOFOLLOW,
                // One that would wait for a writer is no file, and does not hold anyone up.
                None => usual | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY,
            };
            let opened = openat(&at, Path::new(name.as_os_str()), flags, Mode::empty());
            at = opened.map_err(|errno| Miss::Beneath(errno.into()))?;
        }
        Ok(File::from(at))
    }

    pub(super) fn is_link_or_device(error: &io::Error) -> bool {
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        matches!(errno, Some(Errno::LOOP | Errno::NXIO | Errno::NODEV | Errno::MLINK))
    }

    pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    pub(super) fn create(path: &Path) -> io::Result<File> {
        let flags = i32::try_from(OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(FILE_MODE).custom_flags(flags).open(path)
    }

    pub(super) fn is_at(file: &File, path: &Path) -> bool {
        let there = path.symlink_metadata().map(|there| (there.dev(), there.ino())).ok();
        there.is_some() && file.metadata().map(|own| (own.dev(), own.ino())).ok() == there
    }

    pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

/// Without files that can be opened beneath a folder alone, there are no folders to be had: an object store does it.
#[cfg(not(unix))]
mod system {
    use std::fs::{File, Metadata};
    use std::io;
    use std::path::Path;

    use super::{Miss, Version};

    impl Version {
        pub(super) fn of(metadata: &Metadata) -> Self {
            Self { length: metadata.len(), ..Self::default() }
        }
    }

    pub(super) fn open_beneath(_: &Path, _: &Path) -> Result<File, Miss> {
        Err(Miss::Root)
    }

    pub(super) fn is_link_or_device(_: &io::Error) -> bool {
        false
    }

    pub(super) fn make_folder(_: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn create(_: &Path) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn is_at(_: &File, _: &Path) -> bool {
        false
    }

    pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

use system::{create, is_at, is_link_or_device, make_folder, open_beneath, sync_folder};
