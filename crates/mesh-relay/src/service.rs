//! What the service manager is told: systemd's notifications, where it listens for them, and nothing elsewhere.
//!
//! The watchdog is fed only while the relay lives ([`Vitals::is_alive`]), from a task of the same runtime that everything else
//! runs on: a runtime that is wedged feeds nothing. Windows' service manager is to get the same words (`docs/windows.md`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use relay_core::{Phase, Progress, Shutdown, Vitals};

/// Pause between two looks at what the status line says, where no watchdog asks for shorter ones.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// By how much a stop that goes on asks to be given more time, at each look.
const EXTEND_BY: Duration = Duration::from_secs(30);

/// The service manager's ear. Cheap to clone. Errors are not told: nothing depends on its hearing, and nobody else could.
#[derive(Debug, Clone, Default)]
pub struct Service(Arc<Mutex<String>>);

impl Service {
    /// The start is over, or a reload is.
    pub fn ready(&self) {
        send(&Notice::Ready);
    }

    /// A reload has begun. Tell [`ready`](Self::ready) when it is over, whichever way.
    pub fn reloading(&self) {
        send(&Notice::Reloading);
    }

    /// A stop has begun.
    pub fn stopping(&self) {
        send(&Notice::Stopping);
    }

    /// What it does, in words, told when they change. Holds nothing of a message.
    pub fn status(&self, words: &str) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != words {
            words.clone_into(&mut told);
            send(&Notice::Status(words));
        }
    }

    /// Feeds the watchdog, keeps the status line true, and asks for more time while a stop goes on. Until `shutdown`, which
    /// must be the last that ends.
    pub async fn keep(&self, vitals: &Vitals, progress: &Progress, mut shutdown: Shutdown) {
        // Twice in each stretch that the manager allows.
        let every = watchdog().map_or(STATUS_EVERY, |within| (within / 2).min(STATUS_EVERY));
        while !shutdown.is_requested() {
            if vitals.is_alive() {
                send(&Notice::Alive);
            }
            if vitals.phase() == Phase::Stopping {
                send(&Notice::Extend(EXTEND_BY));
            }
            self.status(&words(vitals, progress));
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = shutdown.requested() => {}
            }
        }
    }
}

/// What the status line says.
fn words(vitals: &Vitals, progress: &Progress) -> String {
    match vitals.phase() {
        Phase::Starting => "Starting".to_owned(),
        Phase::Stopping => "Stopping; finishing what is under way".to_owned(),
        Phase::Running => match (vitals.journal(), progress.stalled().first()) {
            (relay_core::JournalState::Takes | relay_core::JournalState::Unknown, None) => {
                "Running".to_owned()
            }
            (_, Some(pump)) => format!("Running, but {pump} does not move; it was {}", pump.doing),
            (_, None) => "Running, but the journal takes no commits; messages wait".to_owned(),
        },
    }
}

/// One thing to tell.
enum Notice<'a> {
    Ready,
    Reloading,
    Stopping,
    Alive,
    Extend(Duration),
    Status(&'a str),
}

#[cfg(target_os = "linux")]
fn send(notice: &Notice<'_>) {
    use sd_notify::NotifyState;
    let mut states = Vec::with_capacity(2);
    states.push(match notice {
        Notice::Ready => NotifyState::Ready,
        Notice::Reloading => NotifyState::Reloading,
        Notice::Stopping => NotifyState::Stopping,
        Notice::Alive => NotifyState::Watchdog,
        Notice::Extend(by) => {
            NotifyState::ExtendTimeoutUsec(u32::try_from(by.as_micros()).unwrap_or(u32::MAX))
        }
        Notice::Status(words) => NotifyState::Status(words),
    });
    if let Notice::Reloading = notice {
        // Without it systemd could take it for a reload that it knows of.
        states.extend(NotifyState::monotonic_usec_now().ok());
    }
    if let Err(error) = sd_notify::notify(&states) {
        tracing::debug!(%error, "the service manager does not listen");
    }
}

#[cfg(not(target_os = "linux"))]
fn send(_: &Notice<'_>) {}

/// How long the service manager waits for a sign of life, if it does.
#[cfg(target_os = "linux")]
fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

#[cfg(not(target_os = "linux"))]
fn watchdog() -> Option<Duration> {
    None
}
