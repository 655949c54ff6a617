//! The samples that guides and packages name pass `check`, with the files that they name at hand.

use crate::page::{Page, top};
use crate::stage::Stage;

#[tokio::test]
async fn the_samples_pass() {
    let stage = Stage::new(&Page::read("README.md")).await;
    for name in ["dts-folder", "amqp", "kafka", "http", "several-instances"] {
        let text = std::fs::read_to_string(top().join(format!("config/{name}.toml"))).expect("a sample");
        stage.write("etc/sample.toml", &text);
        let ended =
            stage.run("MESH_SHARED_KEY=TestKey mesh-relay check --config /etc/mesh-relay/sample.toml");
        assert!(ended.success, "{name}: {}", ended.output);
    }
}
