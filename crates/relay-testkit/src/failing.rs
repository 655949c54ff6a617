//! Ports that hand every call on to the real thing and meet their fate at one point with a name: the process is killed
//! there, or is held until a test lets it go on. So every line of the crash table (`queue-bridging.md` 4.6) can be
//! tried without a hook in what is tried.
//!
//! | point | where |
//! |---|---|
//! | `before begin`, `after begin` | a source's message is recorded as seen |
//! | `before commit of sending`, `after commit of sending` | and so for the name of every state, both ways |
//! | `before settled`, `after settled` | the source's letting go is recorded |
//! | `before post`, `inside post`, `after post` | the first request of a send; inside: half of its bytes are read |
//! | `before chunk 2`, `after chunk 2` | and so for every later chunk |
//! | `inside chunk 3 of the download` | its first bytes were handed out, and more is asked for |
//! | `behind chunk 2 of the download` | all of it was handed out, and the next is not asked for |
//! | `before delivery`, `after delivery`, `after a failed delivery` | the sink |
//! | `before acknowledge`, `after acknowledge` | MESH is told |
//! | `before telling of accepted`, `after telling of accepted` | and so for every state that is told |
//!
//! "After" is after the effect and before the caller hears of it.

mod journal;
mod mesh;
mod sink;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

pub use journal::FailingJournal;
pub use mesh::FailingMesh;
pub use sink::{FailingEventSink, FailingSink};

/// What happens at which point. It happens once.
pub struct Fate {
    point: Option<String>,
    act: Act,
    is_met: AtomicBool,
    met: Notify,
    released: Notify,
}

enum Act {
    Die,
    Wait,
}

impl Fate {
    fn new(point: Option<&str>, act: Act) -> Arc<Self> {
        Arc::new(Self {
            point: point.map(str::to_owned),
            act,
            is_met: AtomicBool::new(false),
            met: Notify::new(),
            released: Notify::new(),
        })
    }

    /// Nothing happens.
    pub fn none() -> Arc<Self> {
        Self::new(None, Act::Die)
    }

    /// The process is killed at this point.
    pub fn die_at(point: &str) -> Arc<Self> {
        Self::new(Some(point), Act::Die)
    }

    /// Whoever reaches this point waits there until [`release`](Self::release).
    pub fn wait_at(point: &str) -> Arc<Self> {
        Self::new(Some(point), Act::Wait)
    }

    /// Returns once the point was reached.
    pub async fn met(&self) {
        self.met.notified().await;
    }

    /// Lets the one that waits go on.
    pub fn release(&self) {
        self.released.notify_one();
    }

    /// A point is reached.
    async fn reach(&self, point: &str) {
        if self.point.as_deref() != Some(point) || self.is_met.swap(true, Ordering::SeqCst) {
            return;
        }
        match self.act {
            Act::Die => die(),
            Act::Wait => {
                self.met.notify_one();
                self.released.notified().await;
            }
        }
    }
}

/// `kill -9` of this process: no destructor, no flush, no farewell.
fn die() -> ! {
    let killed = Command::new("kill").args(["-KILL", &std::process::id().to_string()]).status();
    // The signal comes at the latest with this thread's next time slice. Nothing may happen on it until then.
    assert!(killed.is_ok_and(|status| status.success()), "this process cannot be killed");
    loop {
        std::thread::park();
    }
}
