//! What keeps the memory of a running relay, with its secrets and the messages in it, from others and from the disk.
//!
//! [`close`] is for `run` alone, before the first secret is read; other commands are short and a person's own. On Linux
//! the process says that it is not to be dumped, which means: no core file, whatever the system's settings and whoever
//! collects them; and what other processes of the same account could otherwise do with it, they cannot: attach a
//! debugger, read its memory, its environment or what it has open. Root still can. There is no switch for it: who must debug
//! a relay is root for that. Elsewhere on Unix core files alone are turned off; on Windows nothing is done.
//!
//! Locking memory against swapping is left to the system (`MemorySwapMax=0`, encrypted swap): a relay with messages of any size in its
//! memory would need a limit as large.

use std::io;

use thiserror::Error;

/// Why the process cannot be closed to others. It can carry messages all the same.
#[derive(Debug, Error)]
#[error(
    "other processes of this account could read this one's memory, and a crash could write it to a file: {0}; let what \
     confines the process allow PR_SET_DUMPABLE and RLIMIT_CORE"
)]
pub struct HardenError(io::Error);

/// Closes the process to others of its account, and keeps its memory out of core files.
///
/// # Errors
/// When the system refuses, which it has no reason to.
#[cfg(unix)]
pub fn close() -> Result<(), HardenError> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|error| HardenError(error.into()))?;
    // For what the first may not reach: both limits may be lowered by everybody.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
        .map_err(|error| HardenError(error.into()))
}

/// As on Unix. Here nothing is done.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn close() -> Result<(), HardenError> {
    Ok(())
}
