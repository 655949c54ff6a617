//! A server of one test's own, for what would disturb the others.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A server that ends with this.
pub(crate) struct Server {
    place: TempDir,
    pub(crate) url: String,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let place = tempfile::tempdir().unwrap();
        let url = script(place.path(), "start").await;
        Self { place, url }
    }

    /// Stops it as a power cut would.
    pub(crate) async fn halt(&self) {
        script(self.place.path(), "halt").await;
    }

    pub(crate) async fn start_again(&self) {
        assert_eq!(script(self.place.path(), "start").await, self.url);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        run(self.place.path(), "stop");
    }
}

async fn script(place: &Path, command: &'static str) -> String {
    let place = place.to_owned();
    tokio::task::spawn_blocking(move || run(&place, command)).await.unwrap()
}

fn run(place: &Path, command: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/postgres.sh");
    let output = Command::new(script)
        .arg(command)
        .env("MESH_RELAY_TEST_POSTGRES_PLACE", place.join("server"))
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
