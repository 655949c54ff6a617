//! A look at a mailbox's folders for whoever sets them up. Leaves nothing behind, and takes nothing from a relay at work.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use relay_core::diagnosis::{Finding, RUNNING};

use crate::config::Config;
use crate::folders::{LOCK_NAME, PROBE_NAME, existing};
use crate::stage;

/// Whether the root and its folders are there.
pub const EXISTS: &str = "folder.exists";
/// Whether a file can be made, synced, moved and removed in each folder.
pub const WRITABLE: &str = "folder.writable";
/// Whether a folder stands there twice, in other letters.
pub const CASE: &str = "folder.case";
/// Whether a relay works on them.
pub const LOCK: &str = "folder.lock";
/// Who else may read or write there.
pub const MODE: &str = "folder.mode";
/// What an earlier run left unfinished.
pub const LEFTOVERS: &str = "folder.leftovers";

const NAMES: [&str; 5] = ["IN", "OUT", "SENT", "FAILED", "TEMP"];
/// Bytes of the file that is written on trial: a block, so that a full volume is noticed.
const PROBE_BYTES: usize = 4096;

/// The folders that are there, root first, for whoever looks at the volumes that they are on.
pub fn folders(config: &Config) -> Vec<PathBuf> {
    let found = NAMES.iter().filter_map(|name| existing(&config.root, name).ok().flatten());
    std::iter::once(config.root.clone()).filter(|root| root.is_dir()).chain(found).collect()
}

/// Looks at the folders of `config`. Waits for the disk, and for a share as long as that takes.
pub fn diagnose(config: &Config) -> Vec<Finding> {
    let root = &config.root;
    if let Some(missing) = root_fault(root) {
        return vec![missing];
    }
    let mut findings = Vec::new();
    let mut found = Vec::new();
    for name in NAMES {
        match existing(root, name) {
            Ok(Some(path)) => found.push((name, path)),
            Ok(None) => findings.push(absent(root, name)),
            Err(error) => {
                let advice = "let the relay's account read and write there";
                findings.push(Finding::fault(
                    EXISTS,
                    shown(root),
                    format!("it cannot be listed: {error}"),
                    advice,
                ));
                return findings;
            }
        }
    }
    if findings.is_empty() {
        findings.push(Finding::sound(EXISTS, shown(root), "IN, OUT, SENT, FAILED and TEMP are there"));
    }
    findings.extend(twice(root));
    let temp = found.iter().find(|(name, _)| *name == "TEMP").map(|(_, path)| path.clone());
    findings.extend(temp.as_deref().map(locked));
    findings.extend(found.iter().map(|(_, path)| writable(temp.as_deref(), path)));
    findings.extend(open_to_others(root, &found));
    findings.extend(temp.as_deref().and_then(unfinished));
    findings
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn root_fault(root: &Path) -> Option<Finding> {
    let item = shown(root);
    match fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => None,
        Ok(_) => Some(Finding::fault(EXISTS, item, "it is a file", "name a folder as `root` of the adapter")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let advice = "make it for the relay's account; if it is on a share, mount that: a relay that starts would make \
                          an empty folder in its place";
            Some(Finding::fault(EXISTS, item, "it is not there", advice))
        }
        Err(error) => {
            let advice = "let the relay's account in, along the whole path";
            Some(Finding::fault(EXISTS, item, format!("it cannot be looked at: {error}"), advice))
        }
    }
}

/// A folder that is not there is made at the start, if that can be.
fn absent(root: &Path, name: &str) -> Finding {
    let item = shown(&root.join(name));
    match probe(root, root) {
        Ok(_) => {
            let advice = "none is needed: the relay makes it when it starts";
            Finding::warning(EXISTS, item, "it is not there", advice)
        }
        Err((what, error)) => {
            let advice = "make it, or let the relay's account write in the root";
            Finding::fault(
                EXISTS,
                item,
                format!("it is not there, and {what} above it fails: {error}"),
                advice,
            )
        }
    }
}

/// On a file system that tells letters apart an application may write into the other one.
fn twice(root: &Path) -> Option<Finding> {
    let entries: Vec<_> = fs::read_dir(root).ok()?.flatten().filter(|entry| entry.path().is_dir()).collect();
    let is_twice =
        |name: &&str| entries.iter().filter(|entry| entry.file_name().eq_ignore_ascii_case(name)).count() > 1;
    let names: Vec<&str> = NAMES.iter().copied().filter(|name| is_twice(name)).collect();
    if names.is_empty() {
        return None;
    }
    let found = format!("{} stands there in upper and in lower case", names.join(", "));
    let advice = "the relay uses the one in upper case; remove the other once nothing is in it";
    Some(Finding::warning(CASE, shown(root), found, advice))
}

/// Takes the lock for a moment, as one of several, so that a relay that starts just then is not kept out by another look.
fn locked(temp: &Path) -> Finding {
    let path = temp.join(LOCK_NAME);
    let item = shown(&path);
    let lock = match OpenOptions::new().write(true).open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Finding::sound(LOCK, item, "no relay is running here");
        }
        Err(error) => {
            let advice = "it belongs to another account: run the relay as that one, or remove the file while no relay runs";
            return Finding::fault(LOCK, item, format!("it cannot be opened: {error}"), advice);
        }
    };
    match lock.try_lock_shared() {
        Ok(()) => Finding::sound(LOCK, item, "no relay is running here"),
        Err(TryLockError::WouldBlock) => Finding::sound(LOCK, item, RUNNING),
        Err(TryLockError::Error(error)) => {
            let advice =
                "put the folders on a file system that has locks; two relays could work on them otherwise";
            Finding::fault(LOCK, item, format!("it cannot be locked: {error}"), advice)
        }
    }
}

fn writable(temp: Option<&Path>, folder: &Path) -> Finding {
    let item = shown(folder);
    match probe(temp.unwrap_or(folder), folder) {
        Ok(Moved::Renamed) => {
            Finding::sound(WRITABLE, item, "a file can be made, synced, moved there and removed")
        }
        Ok(Moved::Copied) => Finding::sound(
            WRITABLE,
            item,
            "files can be made and removed; it is on another volume than TEMP, so they are copied",
        ),
        Err((what, error)) => {
            let advice = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on its volume",
                io::ErrorKind::ReadOnlyFilesystem => "mount its volume so that it can be written",
                io::ErrorKind::PermissionDenied => "let the relay's account write there",
                _ => "look at its volume",
            };
            Finding::fault(WRITABLE, item, format!("{what} fails: {error}"), advice)
        }
    }
}

enum Moved {
    Renamed,
    Copied,
}

/// Makes a file in `from`, moves it to `to` and removes it. Its name is none that anyone looks for.
fn probe(from: &Path, to: &Path) -> Result<Moved, (&'static str, io::Error)> {
    let name = format!("{PROBE_NAME}.{}.doctor", std::process::id());
    let (made, moved) = (from.join(&name), to.join(format!("{name}.there")));
    let tried = match write(&made) {
        // TEMP has its own finding; whether this folder can be written is seen all the same.
        Err(_) if from != to => {
            write(&moved).map(|()| Moved::Copied).map_err(|error| ("writing a file", error))
        }
        Err(error) => Err(("writing a file", error)),
        Ok(()) => match rename(&made, &moved) {
            Ok(()) => Ok(Moved::Renamed),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                write(&moved).map(|()| Moved::Copied).map_err(|error| ("writing a file", error))
            }
            Err(error) => Err(("moving a file there", error)),
        },
    };
    let gone = [remove(&made), remove(&moved)].into_iter().collect::<io::Result<()>>();
    let tried = tried?;
    gone.map_err(|error| ("removing a file", error))?;
    Ok(tried)
}

fn write(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&[0; PROBE_BYTES])?;
    file.sync_all()
}

#[expect(clippy::disallowed_methods, reason = "it is removed in a moment, and need not outlive a power cut")]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Whether accounts that are neither owner nor group get at the messages.
#[cfg(unix)]
fn open_to_others(root: &Path, folders: &[(&str, PathBuf)]) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
    // Who may not pass the root sees nothing of what is in it.
    if mode(root) & 0o001 == 0 {
        return None;
    }
    let open: Vec<&str> =
        folders.iter().filter(|(_, path)| mode(path) & 0o006 != 0).map(|(name, _)| *name).collect();
    if open.is_empty() {
        return None;
    }
    let found = format!("every account of this machine may read or write in {}", open.join(", "));
    let advice =
        "take the rights of others away from the root (chmod o-rwx), and give those who need it its group";
    Some(Finding::warning(MODE, shown(root), found, advice))
}

#[cfg(not(unix))]
fn open_to_others(_: &Path, _: &[(&str, PathBuf)]) -> Option<Finding> {
    None
}

fn unfinished(temp: &Path) -> Option<Finding> {
    let names = fs::read_dir(temp).ok()?.flatten().map(|entry| entry.file_name());
    let left = names.filter(|name| stage::is_left(&name.to_string_lossy())).count();
    (left > 0).then(|| {
        Finding::sound(LEFTOVERS, shown(temp), format!("{left} unfinished; the relay finishes them"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use relay_core::diagnosis::Verdict;

    fn config(root: &Path) -> Config {
        Config::new("X26ABC1".parse().expect("a mailbox"), root)
    }

    fn faults(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().filter(|finding| finding.is_fault()).map(|finding| finding.check).collect()
    }

    #[test]
    fn a_look_leaves_nothing_behind() {
        let root = tempfile::tempdir().expect("a folder");
        for name in NAMES {
            fs::create_dir(root.path().join(name)).expect("a folder");
        }
        let findings = diagnose(&config(root.path()));
        assert_eq!(faults(&findings), [""; 0], "{findings:?}");
        for name in NAMES {
            assert_eq!(fs::read_dir(root.path().join(name)).expect("a folder").count(), 0, "{name}");
        }
    }

    #[test]
    fn a_root_without_folders_is_no_fault_and_stays_as_it_is() {
        let root = tempfile::tempdir().expect("a folder");
        let findings = diagnose(&config(root.path()));
        assert!(findings.iter().all(|finding| finding.verdict == Verdict::Warning), "{findings:?}");
        assert_eq!(findings.len(), NAMES.len());
        assert_eq!(fs::read_dir(root.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn a_relay_at_work_is_no_fault() {
        let root = tempfile::tempdir().expect("a folder");
        let folders =
            crate::Folders::open(root.path(), crate::Use::Alone, crate::Access::Usual).expect("folders");
        let findings = diagnose(&config(root.path()));
        assert_eq!(faults(&findings), [""; 0], "{findings:?}");
        assert!(findings.iter().any(|finding| finding.found.contains("is running here")), "{findings:?}");
        drop(folders);
        let findings = diagnose(&config(root.path()));
        assert!(findings.iter().any(|finding| finding.found.contains("no relay is running")), "{findings:?}");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let root = tempfile::tempdir().expect("a folder");
        let findings = diagnose(&config(&root.path().join("none")));
        assert_eq!(faults(&findings), [EXISTS]);
        assert!(findings[0].item.ends_with("none"), "{findings:?}");
    }

    #[test]
    fn two_spellings_are_told() {
        let root = tempfile::tempdir().expect("a folder");
        for name in ["IN", "in", "OUT", "SENT", "FAILED", "TEMP"] {
            fs::create_dir(root.path().join(name)).expect("a folder");
        }
        let findings = diagnose(&config(root.path()));
        assert!(findings.iter().any(|finding| finding.check == CASE && finding.found.starts_with("IN ")));
    }
}
