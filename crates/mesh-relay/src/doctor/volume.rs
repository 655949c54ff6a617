//! Volumes: how much room there is, and whether they are another machine's.

use std::collections::HashSet;
use std::path::PathBuf;

use relay_config::JournalPlace;
use relay_core::diagnosis::Finding;

use super::{Read, aside};

/// How much room is left.
pub(super) const SPACE: &str = "volume.space";
/// Whether it is another machine's.
const KIND: &str = "volume.kind";

/// Less than this is told, in bytes: some messages of MESH's largest size.
const ROOM_TOLD: u64 = 500 << 20;

/// Where files are kept.
pub(super) struct Places(Vec<(PathBuf, Holds)>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Journal,
    Folders,
}

impl Places {
    pub(super) fn of(loaded: &Read) -> Self {
        let mut places = Vec::new();
        if let JournalPlace::File(path) = &loaded.journal.place {
            let folder = path.parent().map(PathBuf::from).unwrap_or_default();
            places.push((
                if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder },
                Holds::Journal,
            ));
        }
        let roots = loaded.adapters.iter().filter_map(|(_, config)| config.dts_folder());
        places.extend(roots.map(|config| (config.root.clone(), Holds::Folders)));
        Self(places)
    }

    /// Looks at each volume once.
    pub(super) async fn look(self) -> Vec<Finding> {
        aside(move || self.findings()).await.unwrap_or_default()
    }

    #[cfg(unix)]
    fn findings(&self) -> Vec<Finding> {
        use std::os::unix::fs::MetadataExt;

        let mut seen = HashSet::new();
        let mut findings = Vec::new();
        let folders = |root: &PathBuf| {
            let beneath = ["IN", "OUT", "SENT", "FAILED", "TEMP"].map(|name| root.join(name));
            std::iter::once(root.clone()).chain(beneath).collect::<Vec<_>>()
        };
        for (path, holds) in &self.0 {
            let paths = if *holds == Holds::Folders { folders(path) } else { vec![path.clone()] };
            for path in paths {
                // What is not there has its own check.
                let Ok(metadata) = std::fs::metadata(&path) else { continue };
                if seen.insert((metadata.dev(), *holds == Holds::Journal)) {
                    findings.extend(room(&path));
                    findings.extend(kind(&path, *holds));
                }
            }
        }
        findings
    }

    #[cfg(not(unix))]
    fn findings(&self) -> Vec<Finding> {
        let _ = (HashSet::<u64>::new(), &self.0, Holds::Journal, Holds::Folders, ROOM_TOLD);
        vec![Finding::not_checked(SPACE, "volumes", "not on this system")]
    }
}

#[cfg(unix)]
fn room(path: &std::path::Path) -> Option<Finding> {
    let volume = rustix::fs::statvfs(path).ok()?;
    let item = format!("volume of {}", path.display());
    let free = volume.f_bavail.saturating_mul(volume.f_frsize);
    let found = format!("{} MB free", free >> 20);
    Some(match free < ROOM_TOLD {
        true => Finding::warning(SPACE, item, found, "make room there before messages fill it"),
        false => Finding::sound(SPACE, item, found),
    })
}

#[cfg(target_os = "linux")]
fn kind(path: &std::path::Path, holds: Holds) -> Option<Finding> {
    /// The kernel's numbers for file systems of other machines (`statfs(2)`).
    const NETWORK: [(i64, &str); 4] =
        [(0x6969, "NFS"), (0xFF53_4D42, "CIFS"), (0xFE53_4D42, "SMB2"), (0x517B, "SMB")];
    let number = rustix::fs::statfs(path).ok()?.f_type;
    let (_, name) = NETWORK.iter().find(|(known, _)| *known == number & 0xFFFF_FFFF)?;
    let item = format!("volume of {}", path.display());
    let found = format!("it is another machine's ({name})");
    Some(match holds {
        Holds::Journal => {
            let advice =
                "keep the journal on a local disk: SQLite's locks and its log do not hold over a network";
            Finding::warning(KIND, item, found, advice)
        }
        Holds::Folders => Finding::sound(
            KIND,
            item,
            format!("{found}: file events do not come from there, so `scan` decides"),
        ),
    })
}

#[cfg(all(unix, not(target_os = "linux")))]
fn kind(_: &std::path::Path, _: Holds) -> Option<Finding> {
    None
}
