//! Tidying SENT and FAILED, which the clients before never did: only when it is asked for (check 4).

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dts_control::file_name;
use jiff::Timestamp;
use relay_core::{RelayHandle, Shutdown};
use tokio::task;

use crate::config::Keep;
use crate::folders::Folders;

/// Pause between two tidyings.
const TIDY_EVERY: Duration = Duration::from_secs(60 * 60);

/// Tidies now and then until shutdown; nothing where nothing was asked for.
pub(crate) async fn run(folders: Arc<Folders>, keep: Keep, relay: RelayHandle, mut shutdown: Shutdown) {
    if keep == Keep::default() {
        return;
    }
    // By a clock that is wrong, everything could be old.
    tokio::select! {
        () = relay.proven().known() => {}
        () = shutdown.requested() => {}
    }
    while !shutdown.is_requested() {
        if let Some(now) = relay.proven().now()
            && relay.holds()
        {
            let folders = Arc::clone(&folders);
            let tidied = task::spawn_blocking(move || tidy(&folders, keep, now)).await;
            match tidied.map_err(io::Error::other).flatten() {
                Ok(0) => {}
                Ok(files) => tracing::info!(
                    files,
                    "files were removed from SENT and FAILED, where they had been for long"
                ),
                Err(error) => {
                    tracing::warn!(%error, "SENT and FAILED were not tidied; it is tried again later")
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(TIDY_EVERY) => {}
            () = shutdown.requested() => {}
        }
    }
}

/// Removes what has been there for longer than it is kept, and says how many files that were.
fn tidy(folders: &Folders, keep: Keep, now: Timestamp) -> io::Result<u64> {
    let mut removed = 0;
    for (folder, keep) in [(&folders.sent, keep.sent), (&folders.failed, keep.failed)] {
        if let Some(before) = keep.and_then(|keep| now.checked_sub(keep).ok()) {
            let (gone, failed) = tidy_folder(folder, before)?;
            removed += gone;
            if let Some(error) = failed {
                tracing::warn!(folder = %folder.display(), %error, "some files that were there for long were not removed");
            }
        }
    }
    Ok(removed)
}

/// How many were removed, and why others were not.
fn tidy_folder(folder: &Path, before: Timestamp) -> io::Result<(u64, Option<io::Error>)> {
    let (mut removed, mut failed) = (0, None);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        // Whatever else lies there is not the relay's (check 3).
        let is_ours = name
            .to_str()
            .is_some_and(|name| file_name::control_stem(name).or(file_name::data_stem(name)).is_some());
        // Files come and go while we look.
        let Ok(metadata) = entry.path().symlink_metadata() else { continue };
        if !is_ours || !metadata.is_file() || arrived(&metadata).is_none_or(|arrived| arrived >= before) {
            continue;
        }
        match fs::remove_file(entry.path()) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // The others need not stay because of one.
            Err(error) => failed = Some(error),
        }
    }
    Ok((removed, failed))
}

/// When a file came to the folder. Its content may be older: a data file is moved as its application wrote it.
fn arrived(metadata: &Metadata) -> Option<Timestamp> {
    let written = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    written.max(changed(metadata))
}

/// When the system last changed anything about a file, a move included.
#[cfg(unix)]
fn changed(metadata: &Metadata) -> Option<Timestamp> {
    use std::os::unix::fs::MetadataExt;
    Timestamp::from_second(metadata.ctime()).ok()
}

#[cfg(not(unix))]
fn changed(metadata: &Metadata) -> Option<Timestamp> {
    metadata.created().ok().and_then(|time| Timestamp::try_from(time).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn what_was_there_for_longer_than_it_is_kept_goes_and_nothing_else() {
        let root = tempfile::tempdir().expect("a folder");
        let folders = Folders::open(root.path(), crate::folders::Use::Alone, crate::stage::Access::Usual);
        let folders = folders.expect("folders");
        for folder in [&folders.sent, &folders.failed] {
            for name in ["X.ctl", "X.dat", "readme.txt", ".X.ctl"] {
                fs::File::create(folder.join(name)).expect("a file");
            }
            fs::create_dir(folder.join("old.ctl")).expect("a folder");
        }
        let count = |folder: &Path| fs::read_dir(folder).expect("a listing").count();
        let written = Timestamp::try_from(
            fs::metadata(folders.sent.join("X.ctl")).and_then(|found| found.modified()).expect("a time"),
        );
        let hours = |hours| written.clone().expect("a time") + SignedDuration::from_hours(hours);
        let keep = Keep { sent: Some(SignedDuration::from_hours(24)), failed: None };
        assert_eq!(tidy(&folders, keep, hours(23)).expect("tidied"), 0);
        assert_eq!(tidy(&folders, keep, hours(25)).expect("tidied"), 2);
        assert_eq!((count(&folders.sent), count(&folders.failed)), (3, 5));
        // What was written long ago and moved there now is new there.
        let old = fs::File::create(folders.sent.join("Y.dat")).expect("a file");
        let long_ago = std::time::UNIX_EPOCH;
        old.set_modified(long_ago).expect("a time");
        assert_eq!(tidy(&folders, keep, hours(23)).expect("tidied"), 0);
    }
}
