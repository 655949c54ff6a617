//! A relay between an application and the sandbox.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use mesh_sandbox::{Sandbox, SandboxConfig, StoredMessage};
use relay_testkit::pairs::{Control, Root, element};
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB, Relay, Site};

/// Alice's and Bob's folders at a relay, and MESH.
pub struct Scene {
    pub sandbox: Sandbox,
    pub site: Site,
}

impl Scene {
    /// With `more` in the section of Alice's adapter.
    pub async fn new(more: &str) -> Self {
        let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
        let site = Site::new(&sandbox.base_url(), "");
        configure(&site, &sandbox.base_url(), more);
        Self { sandbox, site }
    }

    /// The same with the relay running.
    pub async fn running(more: &str) -> (Self, Relay) {
        let scene = Self::new(more).await;
        let relay = scene.site.run().await;
        (scene, relay)
    }

    pub fn alice(&self) -> &Root {
        &self.site.alice
    }

    pub fn bob(&self) -> &Root {
        &self.site.bob
    }

    /// What MESH has for Bob.
    pub fn for_bob(&self) -> Vec<StoredMessage> {
        self.sandbox.messages(&BOB.parse().expect("a mailbox"))
    }

    /// Sends a pair and waits until both sides have it; returns the name of its files in IN.
    pub async fn carry(&self, name: &str, control: &Control, data: &[u8]) -> String {
        let before = self.bob().names("IN");
        self.alice().drop_pair(name, control, data);
        let mut id = None;
        eventually("the pair is in IN", || {
            let names = self.bob().names("IN");
            let new = names.iter().filter(|name| !before.contains(name));
            id = new.clone().find_map(|name| name.strip_suffix(".ctl")).map(str::to_owned);
            id.is_some()
        })
        .await;
        eventually("the pair has left OUT", || !self.alice().names("OUT").contains(&format!("{name}.ctl")))
            .await;
        id.expect("an id")
    }
}

/// Writes the configuration again with `more` in the section of Alice's adapter.
pub fn configure(site: &Site, mesh_url: &str, more: &str) {
    let root = format!("root = \"{ALICE}\"\n");
    let text = site.configuration(mesh_url, "").replace(&root, &format!("{root}{more}\n"));
    let text = match more.contains("grace") {
        true => text.replacen("grace = \"100ms\"\n", "", 1),
        false => text,
    };
    let text = match more.contains("scan") {
        true => text.replacen("scan = \"500ms\"\n", "", 1),
        false => text,
    };
    site.write("relay.toml", text);
}

/// From Alice to Bob, with a local id.
pub fn letter(local_id: &str) -> Control {
    Control::new(ALICE, BOB).local_id(local_id)
}

/// The reports in IN with this event and code.
pub fn reports_on(root: &Root, event: &str, code: &str) -> Vec<String> {
    let fits = |report: &String| element(report, "Event") == event && element(report, "StatusCode") == code;
    root.reports().into_iter().filter(fits).collect()
}

/// The names of the elements of a control file, in their order, those of the status record left out.
pub fn order(control: &str) -> Vec<String> {
    control
        .lines()
        .filter_map(|line| line.strip_prefix("  <")?.split(['>', ' ']).next())
        .filter(|name| !name.starts_with('/') && !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "an application writes its files like this")]
pub fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).expect("a file written");
}

#[expect(clippy::disallowed_methods, reason = "an application moves its files like this")]
pub fn rename(from: &Path, to: &Path) {
    fs::rename(from, to).expect("moved");
}

/// Looks at something as often as it can, on a thread of its own, until it is ended.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Watcher {
    pub fn start(mut look: impl FnMut() + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut looks = 0;
            while !asked.load(Ordering::Relaxed) {
                look();
                looks += 1;
            }
            looks
        });
        Self { stop, thread }
    }

    /// Ends it. Fails as the look did.
    pub fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let looks = self.thread.join().expect("what was seen is right");
        assert!(looks > 0);
    }
}
