//! Asking everything to stop, and hearing the request.

use tokio::sync::watch;

/// The hearing end. Cheap to clone; every long-running task holds one.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// The asking end. Dropping it asks, too.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<bool>);

impl Shutdown {
    /// A connected pair.
    pub fn channel() -> (ShutdownTrigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (ShutdownTrigger(sender), Self(receiver))
    }

    /// Whether a stop was asked for.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns once a stop was asked for. Cancel-safe.
    pub async fn requested(&mut self) {
        // An error means that the trigger is gone, which asks for a stop as well.
        let _ = self.0.wait_for(|asked| *asked).await;
    }
}

impl ShutdownTrigger {
    /// Asks everything to stop.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}
