//! Building what must appear in one step, and finishing it after a crash.
//!
//! Files are written into a folder of their own under TEMP, synced, and the folder is *sealed* by renaming it.
//! From then on finishing means moving its files out one after another, the control file last. The sealed folder
//! stays, empty, until the journal has what follows from it, so that a restart goes on where the last run stopped
//! and shows nobody anything twice.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use relay_core::Held;
use sha2::{Digest, Sha256};

/// File of an open folder that says how much of its data is whole chunks.
const PROGRESS: &str = "progress";
/// The message's bytes.
pub const DATA: &str = "data";
/// How long a beginning is kept for an attempt that goes on with it: as long as MESH keeps a message.
const BEGINNING_KEPT_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const OPEN_SUFFIX: &str = ".relay-new";
const SEALED_SUFFIX: &str = ".relay-ready";
/// Of a file that is being copied from another volume. Applications list `*.dat` and `*.ctl` (2.5).
const PART_SUFFIX: &str = ".relay-part";
/// Of a copy that is complete.
const WHOLE_SUFFIX: &str = ".relay-whole";
/// Of the original of a copy that is complete.
const MOVING_SUFFIX: &str = ".relay-moving";
/// How long a copy that was not completed is kept: a move that was cut off is finished long before.
const PART_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// What the ids of reports begin with that belong to no pair.
pub const REPORT_PREFIX: &str = "report-";

/// Whether a name in TEMP is that of something unfinished.
pub(crate) fn is_left(name: &str) -> bool {
    [OPEN_SUFFIX, SEALED_SUFFIX].iter().any(|suffix| name.ends_with(suffix))
}

/// Who may change the files that the relay makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever the system says.
    Usual,
    /// The group of the folder as well (check 43).
    Group,
}

/// A folder that is being filled. What is not sealed is thrown away by the next attempt, unless it recorded how much
/// of it is good.
#[derive(Debug)]
pub struct Stage {
    open: PathBuf,
    sealed: PathBuf,
    folder: OwnFolder,
    access: Access,
    is_kept: bool,
}

/// A folder that is complete and durable.
#[derive(Debug)]
pub struct Sealed(PathBuf);

impl Stage {
    /// Begins anew for `id`, which must be safe as a file name.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn begin(temp: &Path, id: &str, access: Access) -> io::Result<Self> {
        let open = open_path(temp, id);
        if open.exists() {
            fs::remove_dir_all(&open)?;
        }
        fs::create_dir(&open)?;
        let folder = OwnFolder::open(&open)?;
        Ok(Self { open, sealed: sealed_path(temp, id), folder, access, is_kept: false })
    }

    /// How much of `id` an earlier attempt recorded as good.
    pub fn held(temp: &Path, id: &str) -> Held {
        read_progress(&open_path(temp, id)).unwrap_or_default()
    }

    /// Goes on with what an earlier attempt recorded as good. `None` when that is not this much.
    pub fn go_on(temp: &Path, id: &str, held: Held, access: Access) -> Option<Self> {
        let open = open_path(temp, id);
        let is_there = held.chunks > 0 && read_progress(&open) == Some(held);
        let folder = if is_there { OwnFolder::open(&open).ok()? } else { return None };
        Some(Self { open, sealed: sealed_path(temp, id), folder, access, is_kept: true })
    }

    /// Records how much of the data is good; it must be synced. From now on the folder stays, for an attempt that goes
    /// on.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn record(&mut self, held: Held) -> io::Result<()> {
        let new = self.path("progress.new");
        let mut file = File::create(&new)?;
        writeln!(file, "{} {}", held.chunks, held.bytes)?;
        file.sync_all()?;
        move_durably(&new, &self.path(PROGRESS))?;
        self.is_kept = true;
        Ok(())
    }

    /// Lets the folder go with this stage, whatever was recorded.
    pub fn forget(&mut self) {
        self.is_kept = false;
    }

    /// Where the file `name` is to be written. Whoever writes it syncs it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.open.join(name)
    }

    /// Writes a small file, synced.
    ///
    /// # Errors
    /// When writing or syncing fails.
    pub fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut file = File::create(self.path(name))?;
        file.write_all(content)?;
        file.sync_all()
    }

    /// Makes the folder durable under its sealed name.
    ///
    /// # Errors
    /// When syncing or renaming fails.
    pub fn seal(mut self) -> io::Result<Sealed> {
        if !self.folder.is_at(&self.open)? {
            self.is_kept = true;
            return Err(io::Error::other("another instance works on the same message"));
        }
        if self.path(PROGRESS).exists() {
            fs::remove_file(self.path(PROGRESS))?;
        }
        for entry in fs::read_dir(&self.open)? {
            self.access.grant(&entry?.path())?;
        }
        sync_folder(&self.open)?;
        move_durably(&self.open, &self.sealed)?;
        self.is_kept = true;
        Ok(Sealed(self.sealed.clone()))
    }
}

/// What was not sealed would only take up room, on a disk that may just have become full.
impl Drop for Stage {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = fs::remove_dir_all(&self.open)
        {
            tracing::warn!(%error, "an unfinished work folder stays in TEMP until the next try or start");
        }
    }
}

impl Sealed {
    /// The sealed folder for `id`, when there is one.
    pub fn find(temp: &Path, id: &str) -> Option<Self> {
        let path = sealed_path(temp, id);
        path.is_dir().then_some(Self(path))
    }

    /// Whether the file `name` has not been moved out yet.
    pub fn holds(&self, name: &str) -> bool {
        self.0.join(name).exists()
    }

    /// Where the file `name` is, or would be.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Throws the folder away with what is in it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn discard(self) -> io::Result<()> {
        fs::remove_dir_all(&self.0)
    }

    /// Moves the file `name` to `to`, replacing what is there. Does nothing when it was moved before.
    ///
    /// # Errors
    /// When the move fails; it can be tried again.
    pub fn release(&self, name: &str, to: &Path) -> io::Result<()> {
        finish_move(&self.0.join(name), to)?;
        if self.holds(name) { move_durably(&self.0.join(name), to) } else { Ok(()) }
    }

    /// Removes the folder once it is empty and no longer needed to recognise a repeat.
    ///
    /// # Errors
    /// When it is not empty or cannot be removed.
    pub fn clear(self) -> io::Result<()> {
        fs::remove_dir(&self.0)
    }
}

/// The very folder that was made, held open so that the system gives its number to no other: another instance that
/// thinks it is its turn may make one of the same name in its place.
#[cfg(unix)]
#[derive(Debug)]
struct OwnFolder(File);

#[cfg(unix)]
impl OwnFolder {
    fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let (own, found) = (self.0.metadata()?, fs::metadata(path)?);
        Ok((own.dev(), own.ino()) == (found.dev(), found.ino()))
    }
}

/// Folders are not told apart here; several instances are for other systems.
#[cfg(not(unix))]
#[derive(Debug)]
struct OwnFolder;

#[cfg(not(unix))]
impl OwnFolder {
    fn open(_: &Path) -> io::Result<Self> {
        Ok(Self)
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        Ok(path.is_dir())
    }
}

impl Access {
    /// Lets the group change a file, or make and delete files in a folder and hand the group on to them.
    ///
    /// # Errors
    /// When the system does not let it.
    #[cfg(unix)]
    pub fn grant(self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        if self == Self::Usual {
            return Ok(());
        }
        let found = fs::metadata(path)?;
        let group = if found.is_dir() { 0o2070 } else { 0o060 };
        fs::set_permissions(path, fs::Permissions::from_mode(found.permissions().mode() | group))
    }

    /// Files have the permissions of their folder here.
    ///
    /// # Errors
    /// Never.
    #[cfg(not(unix))]
    pub fn grant(self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

fn open_path(temp: &Path, id: &str) -> PathBuf {
    temp.join(format!("{id}{OPEN_SUFFIX}"))
}

fn read_progress(open: &Path) -> Option<Held> {
    let text = fs::read_to_string(open.join(PROGRESS)).ok()?;
    let (chunks, bytes) = text.trim().split_once(' ')?;
    let held = Held { chunks: chunks.parse().ok()?, bytes: bytes.parse().ok()? };
    // Somebody may have tidied up.
    let there = fs::metadata(open.join(DATA)).ok()?.len();
    (there >= held.bytes).then_some(held)
}

/// Whether a folder holds a beginning that is worth going on with.
fn is_beginning(open: &Path) -> bool {
    let age = fs::metadata(open.join(PROGRESS)).and_then(|file| file.modified()).ok();
    let young = age.and_then(|at| at.elapsed().ok()).is_none_or(|age| age < BEGINNING_KEPT_MAX);
    young && read_progress(open).is_some()
}

fn sealed_path(temp: &Path, id: &str) -> PathBuf {
    temp.join(format!("{id}{SEALED_SUFFIX}"))
}

/// Throws away what earlier runs began and did not seal, if nobody has touched it for `idle`; but for beginnings of large
/// messages that an attempt can go on with. Leaves everything else in TEMP alone.
///
/// # Errors
/// When TEMP cannot be listed or a leftover not removed.
pub fn sweep(temp: &Path, idle: Duration) -> io::Result<()> {
    for entry in fs::read_dir(temp)? {
        let entry = entry?;
        let is_open = entry.file_name().to_string_lossy().ends_with(OPEN_SUFFIX);
        if is_open
            && entry.file_type()?.is_dir()
            && is_idle(&entry.path(), idle)
            && !is_beginning(&entry.path())
        {
            fs::remove_dir_all(entry.path())?;
        }
        // A report that did not get into IN says nothing any more.
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(REPORT_PREFIX) && name.ends_with(SEALED_SUFFIX) && is_idle(&entry.path(), idle) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Throws away what earlier runs began to copy into a folder from another volume.
///
/// # Errors
/// When the folder cannot be listed or a leftover not removed.
pub fn sweep_parts(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(PART_SUFFIX) && is_idle(&entry.path(), PART_KEPT) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a file or folder, or a file in it, was not written for so long.
fn is_idle(path: &Path, idle: Duration) -> bool {
    let written = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    let inside =
        fs::read_dir(path).into_iter().flatten().flatten().filter_map(|entry| written(&entry.path()));
    let last = inside.chain(written(path)).max();
    // One whose time is still to come was touched by another clock.
    idle.is_zero() || last.is_some_and(|last| last.elapsed().is_ok_and(|age| age >= idle))
}

/// Removes the sealed folders whose ids begin with `prefix`, unless `needed` says that one still tells something.
///
/// # Errors
/// When TEMP cannot be listed or a folder not removed.
pub fn clear_finished(temp: &Path, prefix: &str, needed: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(temp)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let finished =
            name.strip_suffix(SEALED_SUFFIX).is_some_and(|id| id.starts_with(prefix) && !needed(id));
        if finished && holds_nothing(&entry.path())? {
            fs::remove_dir_all(entry.path())?;
        } else if finished {
            tracing::warn!(folder = %temp.display(), "a work folder of a pair that the journal does not know holds files; they stay there");
        }
    }
    Ok(())
}

/// Whether no file with anything in it is in a folder.
fn holds_nothing(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        if entry?.metadata()?.len() > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Renames, then syncs both folders, so that the move survives a power cut. Replaces what is there. To another volume it
/// copies: what is there appears in one step all the same, and the original goes last.
///
/// # Errors
/// What the system says.
pub fn move_durably(from: &Path, to: &Path) -> io::Result<()> {
    match rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => return copy_over(from, to),
        renamed => renamed?,
    }
    let (source, target) = (parent(from)?, parent(to)?);
    sync_folder(target)?;
    if source == target { Ok(()) } else { sync_folder(source) }
}

#[expect(clippy::disallowed_methods, reason = "what is renamed here is synced by those who call it")]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// What a copy is called until it is complete, and what the original is called from then until it is removed. Of a length
/// of their own: a name may be as long as the system allows.
fn aside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    path.with_file_name(format!(".{}{suffix}", &hex::encode(Sha256::digest(name))[..16]))
}

fn copy_over(from: &Path, to: &Path) -> io::Result<()> {
    let (part, moving) = (aside(to, PART_SUFFIX), aside(from, MOVING_SUFFIX));
    let original = File::open(from)?;
    let copied = File::create(&part).and_then(|mut copy| {
        io::copy(&mut &original, &mut copy)?;
        copy.set_permissions(original.metadata()?.permissions())?;
        copy.sync_all()
    });
    if let Err(error) = copied.and_then(|()| sync_folder(parent(to)?)) {
        // What is left of it is swept one day.
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    // From here on the complete copy stands for the file, whatever happens, and is never swept.
    let whole = aside(to, WHOLE_SUFFIX);
    rename(&part, &whole)?;
    sync_folder(parent(to)?)?;
    rename(from, &moving)?;
    sync_folder(parent(from)?)?;
    if !is_same_file(&original.metadata()?, &fs::metadata(&moving)?) && !from.exists() {
        // The application has put the next one in its place meanwhile: that one is not ours.
        rename(&moving, from)?;
    }
    rename(&whole, to)?;
    sync_folder(parent(to)?)?;
    remove_durably(&moving)
}

/// Ends a move to another volume that was cut off once its copy was complete.
///
/// # Errors
/// What the system says.
pub fn finish_move(from: &Path, to: &Path) -> io::Result<()> {
    let (whole, moving) = (aside(to, WHOLE_SUFFIX), aside(from, MOVING_SUFFIX));
    if !moving.exists() {
        return Ok(());
    }
    // Without it, the copy is in its place already, and an application may have taken it.
    if whole.exists() {
        rename(&whole, to)?;
        sync_folder(parent(to)?)?;
    }
    remove_durably(&moving)
}

#[cfg(unix)]
fn is_same_file(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Files are not told apart here by more than this.
#[cfg(not(unix))]
fn is_same_file(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    one.len() == other.len() && one.modified().ok() == other.modified().ok()
}

/// Removes a file, then syncs its folder. Does nothing when it is gone already.
///
/// # Errors
/// What the system says.
pub fn remove_durably(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(parent(path)?),
    }
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a path without a folder"))
}

#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Folders cannot be synced by themselves here.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_stage_is_finished_where_it_stopped() {
        let temp = tempfile::tempdir().expect("a folder");
        let target = temp.path().join("data.dat");
        let stage = Stage::begin(temp.path(), "ID1", Access::Usual).expect("a stage");
        stage.write("data", b"payload").expect("a file");
        stage.write("control", b"xml").expect("a file");
        stage.seal().expect("sealed").release("data", &target).expect("moved");

        // As after a crash: found again, the moved file is not missed, the other one is still there.
        let again = Sealed::find(temp.path(), "ID1").expect("still sealed");
        again.release("data", &target).expect("nothing to do");
        assert!(again.holds("control") && !again.holds("data"));
        again.release("control", &temp.path().join("data.ctl")).expect("moved");
        again.clear().expect("cleared");
        assert!(Sealed::find(temp.path(), "ID1").is_none());
    }

    #[test]
    fn a_recorded_beginning_is_gone_on_with_and_not_swept() {
        let temp = tempfile::tempdir().expect("a folder");
        let held = Held { chunks: 2, bytes: 40 };
        let mut stage = Stage::begin(temp.path(), "ID1", Access::Usual).expect("a stage");
        stage.write("data", &[7; 50]).expect("a file");
        assert!(Stage::go_on(temp.path(), "ID1", held, Access::Usual).is_none(), "nothing is recorded yet");
        stage.record(held).expect("recorded");
        drop(stage);
        sweep(temp.path(), Duration::ZERO).expect("swept");
        assert_eq!(Stage::held(temp.path(), "ID1"), held);
        assert!(
            Stage::go_on(temp.path(), "ID1", Held { chunks: 1, bytes: 40 }, Access::Usual).is_none(),
            "something else"
        );
        let stage = Stage::go_on(temp.path(), "ID1", held, Access::Usual).expect("the beginning");
        stage.write(DATA, &[7; 39]).expect("a file");
        assert_eq!(Stage::held(temp.path(), "ID1"), Held::default(), "bytes are missing");
        stage.write(DATA, &[7; 40]).expect("a file");
        stage.seal().expect("sealed");
        let sealed = Sealed::find(temp.path(), "ID1").expect("sealed");
        assert!(sealed.holds("data") && !sealed.holds(PROGRESS));
        assert_eq!(Stage::held(temp.path(), "ID1"), Held::default());
    }

    #[test]
    fn what_was_not_sealed_is_begun_again_and_swept() {
        let temp = tempfile::tempdir().expect("a folder");
        fs::create_dir(temp.path().join("app-own")).expect("a folder");
        let half = Stage::begin(temp.path(), "ID1", Access::Usual).expect("a stage");
        half.write("data", b"half").expect("a file");
        drop(half);
        assert_eq!(fs::read_dir(temp.path()).expect("a listing").count(), 1, "nothing unfinished stays");
        fs::create_dir(temp.path().join("ID2.relay-new")).expect("as after a crash");
        assert!(Sealed::find(temp.path(), "ID1").is_none());
        let again = Stage::begin(temp.path(), "ID1", Access::Usual).expect("a stage");
        assert!(!again.path("data").exists());
        drop(again);
        sweep(temp.path(), Duration::ZERO).expect("swept");
        assert_eq!(fs::read_dir(temp.path()).expect("a listing").count(), 1, "an app's own folder stays");
    }

    #[cfg(unix)]
    #[test]
    fn a_stage_that_another_instance_has_begun_anew_is_not_sealed() {
        let temp = tempfile::tempdir().expect("a folder");
        let slow = Stage::begin(temp.path(), "ID1", Access::Usual).expect("a stage");
        let other = Stage::begin(temp.path(), "ID1", Access::Usual).expect("a stage");
        other.write(DATA, b"half").expect("a file");
        slow.seal().expect_err("it is not its own");
        assert!(Sealed::find(temp.path(), "ID1").is_none());
        other.write(DATA, b"whole").expect("a file");
        assert!(other.seal().expect("sealed").holds(DATA));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_move_to_another_volume_copies_and_leaves_no_half() {
        let (here, there) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir_in("/dev/shm"));
        let there = there.expect("a folder in memory");
        let (from, to) = (here.path().join("X.dat"), there.path().join("X.dat"));
        for content in ["first", "second"] {
            File::create(&from).and_then(|mut file| file.write_all(content.as_bytes())).expect("a file");
            let crosses = rename(&from, &there.path().join("probe")).expect_err("another volume");
            assert_eq!(crosses.kind(), io::ErrorKind::CrossesDevices);
            move_durably(&from, &to).expect("moved");
            assert!(!from.exists());
            assert_eq!(fs::read_to_string(&to).expect("the file"), content);
            assert_eq!(fs::read_dir(there.path()).expect("a listing").count(), 1);
        }
        // Cut off once the copy was complete: it goes on, and not twice.
        let (part, moving) = (aside(&to, WHOLE_SUFFIX), aside(&from, MOVING_SUFFIX));
        for taken in [false, true] {
            fs::remove_file(&to).expect("taken");
            File::create(&moving).expect("as after a crash");
            if !taken {
                File::create(&part).and_then(|mut file| file.write_all(b"third")).expect("as after a crash");
            }
            finish_move(&from, &to).expect("finished");
            assert!(!moving.exists() && !part.exists());
            assert_eq!(to.exists(), !taken, "an application that took it does not see it again");
            File::create(&to).expect("a file");
        }
        sweep_parts(there.path()).expect("swept");
        assert_eq!(fs::read_dir(there.path()).expect("a listing").count(), 1);
    }
}
