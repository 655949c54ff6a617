//! Who may read a file, beside the one it belongs to.
//!
//! A secret is its owner's alone (0600 or 0400). Two more ways are taken, because services are given their secrets so:
//!
//! * **A file of root's for the service's own group**: `root:mesh-relay`, 0640 or 0440, where that group is the one that the
//!   process runs in. Root wrote it so that the service may read it and not change it. Only the group that the
//!   process runs in counts, not those that its account is in besides: they are shared with people.
//! * **A read-only mount of memory**: what systemd (`LoadCredential=`), Kubernetes (volumes of secrets) and Docker Swarm
//!   hand to one service. Their files say 0440, 0444 or 0644, and cannot be given other rights from inside. What keeps others out is
//!   not the mode: the mount is made for that service alone, in a folder or a mount namespace that others do not enter. An ordinary file
//!   cannot come to lie there by accident, because nobody can write there.

use std::fmt;

/// What others may do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exposure {
    /// The file's mode, as `chmod` takes it.
    pub mode: u32,
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = |class: u32| match (self.mode >> class & 0o4 != 0, self.mode >> class & 0o2 != 0) {
            (true, true) => Some("read and change it"),
            (true, false) => Some("read it"),
            (false, true) => Some("change it"),
            (false, false) => None,
        };
        let mode = self.mode;
        match (who(0), who(3)) {
            (Some(what), _) => write!(f, "everybody on this machine may {what} (mode {mode:04o})"),
            (None, Some(what)) => write!(f, "its group may {what} (mode {mode:04o})"),
            (None, None) => write!(f, "others have rights to it (mode {mode:04o})"),
        }
    }
}

/// Rights of all but the owner that let them have the file or change it.
#[cfg(unix)]
const OTHERS: u32 = 0o066;

/// What others may do with an open file with a secret in it that they should not. `None`: nothing.
///
/// # Errors
/// When the system does not tell.
#[cfg(unix)]
pub fn exposure(file: &std::fs::File) -> std::io::Result<Option<Exposure>> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata()?;
    let facts = Facts {
        mode: metadata.mode() & 0o7777,
        roots: metadata.uid() == 0,
        ours: metadata.gid() == rustix::process::getegid().as_raw(),
        handed_over: false,
    };
    if facts.exposure().is_none() {
        return Ok(None);
    }
    Ok(Facts { handed_over: is_handed_over(file)?, ..facts }.exposure())
}

/// As on Unix. Here a file has the rights of its folder, which are its administrator's to set.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn exposure(_: &std::fs::File) -> std::io::Result<Option<Exposure>> {
    Ok(None)
}

/// What is known of a file.
#[cfg(unix)]
#[derive(Debug, Clone, Copy)]
struct Facts {
    mode: u32,
    /// Root owns it.
    roots: bool,
    /// Its group is the one that this process runs in.
    ours: bool,
    /// It lies on a read-only mount of memory.
    handed_over: bool,
}

#[cfg(unix)]
impl Facts {
    fn exposure(self) -> Option<Exposure> {
        let Self { mode, roots, ours, handed_over } = self;
        let owners = mode & OTHERS == 0;
        let services = roots && ours && mode & OTHERS == 0o040;
        // Write bits mean nothing where nobody can write.
        if owners || services || handed_over { None } else { Some(Exposure { mode }) }
    }
}

/// Whether a file lies on a file system in memory that is mounted to be read only.
#[cfg(target_os = "linux")]
fn is_handed_over(file: &std::fs::File) -> std::io::Result<bool> {
    use rustix::fs::{StatVfsMountFlags, fstatfs, fstatvfs};
    const TMPFS: u32 = 0x0102_1994;
    const RAMFS: u32 = 0x8584_58f6;
    // The type of the field differs between machines; the numbers are of 32 bits.
    let kind = fstatfs(file)?.f_type as u32;
    Ok(matches!(kind, TMPFS | RAMFS) && fstatvfs(file)?.f_flag.contains(StatVfsMountFlags::RDONLY))
}

#[cfg(all(unix, not(target_os = "linux")))]
fn is_handed_over(_: &std::fs::File) -> std::io::Result<bool> {
    Ok(false)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::{Lax, ReadError, read};
    use std::fs::{File, Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    const STRANGER: Facts = Facts { mode: 0o600, roots: false, ours: false, handed_over: false };

    #[test]
    fn only_what_keeps_others_out_is_taken() {
        let taken = |facts: Facts| facts.exposure().is_none();
        for mode in [0o600, 0o400, 0o700, 0o711] {
            assert!(taken(Facts { mode, ..STRANGER }), "{mode:o}");
        }
        for mode in [0o640, 0o440] {
            let facts = Facts { mode, ..STRANGER };
            assert!(taken(Facts { roots: true, ours: true, ..facts }), "{mode:o}");
            assert!(!taken(Facts { roots: true, ..facts }), "{mode:o}: another group");
            assert!(!taken(Facts { ours: true, ..facts }), "{mode:o}: not root's");
        }
        for mode in [0o644, 0o660, 0o620, 0o604, 0o602, 0o666, 0o777] {
            let facts = Facts { mode, roots: true, ours: true, handed_over: false };
            assert_eq!(facts.exposure(), Some(Exposure { mode }), "{mode:o}");
            assert!(taken(Facts { handed_over: true, ..facts }), "{mode:o}");
        }
    }

    #[test]
    fn who_may_do_what_is_said() {
        for (mode, says) in [
            (0o644, "everybody on this machine may read it (mode 0644)"),
            (0o640, "its group may read it (mode 0640)"),
            (0o660, "its group may read and change it (mode 0660)"),
            (0o602, "everybody on this machine may change it (mode 0602)"),
        ] {
            assert_eq!(Exposure { mode }.to_string(), says);
        }
    }

    #[test]
    fn a_lax_file_is_refused_with_the_command_that_mends_it() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = file.path();
        assert!(read(path, 10, Lax::Refused).is_ok());
        set_permissions(path, Permissions::from_mode(0o644)).expect("wider");
        let error = read(path, 10, Lax::Refused).expect_err("a fault");
        assert!(matches!(error, ReadError::Exposed(_)));
        let mend = format!("(mode 0644); make it its owner's alone: chmod 600 {}", path.display());
        assert!(error.to_string().ends_with(&mend), "{error}");
        assert!(read(path, 10, Lax::Taken).is_ok());
        set_permissions(path, Permissions::from_mode(0o600)).expect("narrower");
        assert!(read(path, 10, Lax::Refused).is_ok());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_alone_is_not_enough() {
        // Where everybody can write, nobody was handed anything.
        let file = tempfile::NamedTempFile::new_in("/dev/shm").expect("a file in memory");
        let open = File::open(file.path()).expect("open");
        set_permissions(file.path(), Permissions::from_mode(0o644)).expect("wider");
        assert_eq!(exposure(&open).expect("told"), Some(Exposure { mode: 0o644 }));
    }
}
