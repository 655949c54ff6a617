//! Hearing that the process is to stop.

use std::io;

/// The system's words for it: an interrupt from the keyboard, or a termination signal from the service manager. Heard from
/// when this is made, so that none is missed between two waits.
pub struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Begins to hear.
    ///
    /// # Errors
    /// When the system does not let signals be heard.
    pub fn hear() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Returns when the process is told to stop. May be waited for again: the next one counts by itself.
    ///
    /// # Errors
    /// None here.
    pub async fn asked(&mut self) -> io::Result<()> {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        Ok(())
    }
}

#[cfg(not(unix))]
impl Signals {
    /// Begins to hear.
    ///
    /// # Errors
    /// None here.
    pub fn hear() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Returns when the process is told to stop. May be waited for again: the next one counts by itself.
    ///
    /// # Errors
    /// When the system does not let it be heard.
    pub async fn asked(&mut self) -> io::Result<()> {
        tokio::signal::ctrl_c().await
    }
}

/// Returns when the process is told to stop.
///
/// # Errors
/// When the system does not let it be heard.
pub async fn asked() -> io::Result<()> {
    Signals::hear()?.asked().await
}
