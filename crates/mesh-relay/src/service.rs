//! What the service manager is told: systemd's notifications, where it listens for them, and nothing elsewhere.
//!
//! The watchdog is fed only while the relay lives ([`Vitals::is_alive`]), from a task of the same runtime that everything else
//! runs on: a runtime that is wedged feeds nothing. Windows' service manager is to get the same words (`docs/windows.md`).

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use relay_core::{Phase, Progress, Shutdown, Vitals};

/// Pause between two looks at what the status line says, where no watchdog asks for shorter ones.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// By how much a stop that goes on asks to be given more time, at each look.
const EXTEND_BY: Duration = Duration::from_secs(30);

/// Words that may wait for the manager to listen; further ones are lost.
const WORDS_MAX: usize = 64;

/// The service manager's ear. Cheap to clone. Errors are not told: nothing depends on its hearing, and nobody else could.
#[derive(Debug, Clone, Default)]
pub struct Service {
    /// `None`: there is no manager.
    ear: Option<SyncSender<Notice>>,
    /// The last status line.
    told: Arc<Mutex<String>>,
}

impl Service {
    /// Finds out whether a manager listens. It is told by a thread of its own, for one that does not read would hold up
    /// whoever speaks to it.
    pub fn find() -> Self {
        if !is_managed() {
            return Self::default();
        }
        let (ear, words) = sync_channel(WORDS_MAX);
        let telling = thread::Builder::new().name("service".to_owned()).spawn(move || tell(&words));
        match telling {
            Ok(_) => Self { ear: Some(ear), told: Arc::default() },
            Err(error) => {
                tracing::warn!(%error, "the service manager cannot be told anything");
                Self::default()
            }
        }
    }

    fn say(&self, notice: Notice) {
        if let Some(ear) = &self.ear {
            // What nobody reads is not needed: the next says the same, or more.
            let _ = ear.try_send(notice);
        }
    }

    /// The start is over, or a reload is.
    pub fn ready(&self) {
        self.say(Notice::Ready);
    }

    /// A reload has begun. Tell [`ready`](Self::ready) when it is over, whichever way.
    pub fn reloading(&self) {
        self.say(Notice::Reloading);
    }

    /// A stop has begun.
    pub fn stopping(&self) {
        self.say(Notice::Stopping);
    }

    /// What it does, in words, told when they change. Holds nothing of a message.
    pub fn status(&self, words: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != words {
            words.clone_into(&mut told);
            self.say(Notice::Status(words.to_owned()));
        }
    }

    /// Feeds the watchdog, keeps the status line true, and asks for more time while a stop goes on. Until `shutdown`, which
    /// must be the last that ends.
    pub async fn keep(&self, vitals: &Vitals, progress: &Progress, mut shutdown: Shutdown) {
        // Twice in each stretch that the manager allows.
        let every = watchdog().map_or(STATUS_EVERY, |within| (within / 2).min(STATUS_EVERY));
        while !shutdown.is_requested() {
            if vitals.is_alive() {
                self.say(Notice::Alive);
            }
            if vitals.phase() == Phase::Stopping {
                self.say(Notice::Extend(EXTEND_BY));
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
#[derive(Debug)]
enum Notice {
    Ready,
    Reloading,
    Stopping,
    Alive,
    Extend(Duration),
    Status(String),
}

/// Tells what is to be told, until nobody has anything to tell any more.
fn tell(words: &Receiver<Notice>) {
    while let Ok(notice) = words.recv() {
        send(&notice);
    }
}

#[cfg(target_os = "linux")]
fn is_managed() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

#[cfg(not(target_os = "linux"))]
fn is_managed() -> bool {
    false
}

#[cfg(target_os = "linux")]
fn send(notice: &Notice) {
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
fn send(_: &Notice) {}

/// How long the service manager waits for a sign of life, if it does.
#[cfg(target_os = "linux")]
fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

#[cfg(not(target_os = "linux"))]
fn watchdog() -> Option<Duration> {
    None
}
