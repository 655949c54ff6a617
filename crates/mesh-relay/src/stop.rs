//! Hearing that the process is to stop.

use std::io;

/// Returns when the process is told to stop: an interrupt from the keyboard, or a termination signal from the
/// service manager.
///
/// # Errors
/// When the system does not let signals be heard.
#[cfg(unix)]
pub async fn asked() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Returns when the process is told to stop.
///
/// # Errors
/// When the system does not let it be heard.
#[cfg(not(unix))]
pub async fn asked() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
