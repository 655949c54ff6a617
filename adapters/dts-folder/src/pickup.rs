//! Which pairs in OUT are complete and quiet (`dts-file-interface.md` 2.4, 2.6, checks 7 to 10).

use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use dts_control::file_name;
use tokio::time::Instant;

/// What tells one file from another of the same name, and an unchanged one from a changed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    length: u64,
    modified_ns: u128,
    inode: u64,
}

impl Identity {
    /// The identity of a regular file. `None` for everything else, links included: a link could point outside
    /// the mailbox's folders.
    pub fn of(metadata: &Metadata) -> Option<Self> {
        let since_epoch = |time: std::time::SystemTime| time.duration_since(UNIX_EPOCH).ok();
        metadata.file_type().is_file().then(|| Self {
            length: metadata.len(),
            modified_ns: metadata.modified().ok().and_then(since_epoch).map_or(0, |age| age.as_nanos()),
            inode: inode(metadata),
        })
    }

    /// The identity of what is at `path` now, if that is a regular file.
    pub fn at(path: &Path) -> Option<Self> {
        Self::of(&fs::symlink_metadata(path).ok()?)
    }

    /// Length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// As text, for a source key.
    pub fn to_key(&self) -> String {
        format!("{}-{}-{}", self.length, self.modified_ns, self.inode)
    }

    /// Whether this is of the file with that key: by length and time, since the number that a system gives a file may be
    /// another one after a share was connected again (check 23).
    fn is_of(&self, key: &str) -> bool {
        key.rsplit_once('-')
            .is_some_and(|(known, _)| known == format!("{}-{}", self.length, self.modified_ns))
    }

    /// Whether what is at `path` is the file whose [`Identity::to_key`] this is.
    ///
    /// # Errors
    /// When the system does not let it be looked at; that it is not there is an answer.
    pub fn presence(key: &str, path: &Path) -> io::Result<Presence> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if Self::of(&metadata).is_some_and(|found| found.is_of(key)) => Ok(Presence::Same),
            Ok(_) => Ok(Presence::Other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Presence::Absent),
            Err(error) => Err(error),
        }
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    metadata.ino()
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

/// What is found where a file of a pair was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// That file.
    Same,
    /// Another one.
    Other,
    /// Nothing.
    Absent,
}

/// A pair that may be taken now. `data` is absent when only the control file came.
#[derive(Clone, PartialEq, Eq)]
pub struct ReadyPair {
    /// Name of the control file.
    pub control: String,
    /// Its identity.
    pub control_identity: Identity,
    /// Name and identity of the data file.
    pub data: Option<(String, Identity)>,
}

/// What was seen of OUT, so that quiet can be told by our own clock. The files' times are compared with
/// themselves only, because those of a network share may be off.
pub struct Pickup {
    grace: Duration,
    data_wait: Duration,
    seen: HashMap<String, Seen>,
}

struct Seen {
    pair: ReadyPair,
    since: Instant,
}

/// The result of a look at OUT.
#[derive(Default)]
pub struct Look {
    /// Pairs that may be taken, oldest first.
    pub ready: Vec<ReadyPair>,
    /// When the next pair may become ready, if nothing changes.
    pub next: Option<Instant>,
    /// The names of all control files that are there and not passed over.
    pub present: HashSet<String>,
    /// Files whose names are not UTF-8, and control files whose names would be paths elsewhere: they stay where they are.
    pub unnameable: usize,
}

impl Pickup {
    /// `grace`: quiet time of a pair. A control file without its data file is given `data_wait` more.
    pub fn new(grace: Duration, data_wait: Duration) -> Self {
        Self { grace, data_wait, seen: HashMap::new() }
    }

    /// Looks at OUT. Pairs for which `busy` answers yes are passed over.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn look(&mut self, out: &Path, busy: impl Fn(&str) -> bool, now: Instant) -> io::Result<Look> {
        let mut look = Look::default();
        let mut present = HashMap::new();
        for entry in fs::read_dir(out)? {
            let Ok(name) = entry?.file_name().into_string() else {
                look.unnameable += 1;
                continue;
            };
            if file_name::control_stem(&name).is_none() {
                look.unnameable +=
                    usize::from(name.contains('\\') && name.to_ascii_lowercase().ends_with(".ctl"));
                continue;
            }
            if busy(&name) {
                continue;
            }
            // Files come and go while we look; one that is gone, or is no file any more, is simply not there.
            let control_identity = match fs::symlink_metadata(out.join(&name)) {
                Ok(metadata) => Identity::of(&metadata),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(_) => {
                    // It is there, and cannot be looked at now.
                    look.present.insert(name);
                    continue;
                }
            };
            let Some(control_identity) = control_identity else { continue };
            look.present.insert(name.clone());
            let data = file_name::data_name_candidates(&name)
                .into_iter()
                .find_map(|data| Identity::at(&out.join(&data)).map(|identity| (data, identity)));
            let pair = ReadyPair { control: name.clone(), control_identity, data };
            let since = match self.seen.remove(&name) {
                Some(seen) if seen.pair == pair => seen.since,
                _ => now,
            };
            let wait = if pair.data.is_some() { self.grace } else { self.grace + self.data_wait };
            if now >= since + wait {
                look.ready.push(pair.clone());
            } else {
                look.next = Some(look.next.map_or(since + wait, |next| next.min(since + wait)));
            }
            present.insert(name, Seen { pair, since });
        }
        self.seen = present;
        look.ready.sort_by(|a, b| {
            let key = |pair: &ReadyPair| (pair.control_identity.modified_ns, pair.control.clone());
            key(a).cmp(&key(b))
        });
        Ok(look)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write files as a legacy system does, without ceremony")]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(2);
    const DATA_WAIT: Duration = Duration::from_secs(5);

    struct Out {
        folder: tempfile::TempDir,
        pickup: Pickup,
        start: Instant,
    }

    impl Out {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            Self { folder, pickup: Pickup::new(GRACE, DATA_WAIT), start: Instant::now() }
        }

        fn write(&self, name: &str, content: &str) {
            fs::write(self.folder.path().join(name), content).expect("a file");
        }

        fn ready(&mut self, second: u64) -> Vec<String> {
            let now = self.start + Duration::from_secs(second);
            let look = self.pickup.look(self.folder.path(), |_| false, now).expect("a look");
            look.ready.into_iter().map(|pair| pair.control).collect()
        }
    }

    #[tokio::test]
    async fn a_pair_is_taken_once_both_files_have_been_quiet() {
        let mut out = Out::new();
        out.write("a.dat", "1");
        out.write("a.ctl", "");
        assert!(out.ready(0).is_empty());
        out.write("a.ctl", "<DTSControl/>");
        assert!(out.ready(2).is_empty(), "the control file was filled late");
        out.write("a.dat", "12");
        assert!(out.ready(4).is_empty(), "the data file grew");
        assert_eq!(out.ready(6), ["a.ctl"]);
    }

    #[tokio::test]
    async fn a_control_file_waits_longer_for_its_data() {
        let mut out = Out::new();
        out.write("a.ctl", "<DTSControl/>");
        assert!(out.ready(0).is_empty() && out.ready(6).is_empty());
        assert_eq!(out.ready(7), ["a.ctl"], "reported missing in the end");
        out.write("a.dat", "1");
        assert!(out.ready(8).is_empty(), "it came after all");
        assert_eq!(out.ready(10), ["a.ctl"]);
    }

    #[tokio::test]
    async fn other_files_are_left_alone() {
        let mut out = Out::new();
        for name in ["a.dat", "b.txt", "c.ctl.tmp", ".d.ctl"] {
            out.write(name, "x");
        }
        fs::create_dir(out.folder.path().join("e.ctl")).expect("a folder");
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc/hostname", out.folder.path().join("f.ctl")).expect("a link");
        out.ready(0);
        assert!(out.ready(60).is_empty());
    }

    #[tokio::test]
    async fn the_next_look_is_known() {
        let mut out = Out::new();
        out.write("a.dat", "1");
        out.write("a.ctl", "x");
        let look = out.pickup.look(out.folder.path(), |_| false, out.start).expect("a look");
        assert_eq!(look.next, Some(out.start + GRACE));
    }
}
