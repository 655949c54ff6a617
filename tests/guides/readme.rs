//! README's commands are words that the real program knows, and its configuration passes `check`. What README shows at
//! length is played in the guides, and its Python programs beside their brokers (`tests/amqp`, `tests/kafka`).

use crate::page::{Page, top};
use crate::stage::Stage;

/// The program's words in the commands of a bare block; no comment, and what stands behind a pipe or an arrow is the shell's.
fn words(line: &str) -> Option<String> {
    let line = line.split("  #").next().unwrap_or(line);
    let line = line.split(" > ").next().unwrap_or(line).split(" | ").next().unwrap_or(line).trim();
    line.starts_with("mesh-relay ").then(|| line.replace('…', "because"))
}

#[tokio::test]
async fn the_program_knows_every_command_of_readme() {
    let page = Page::read("README.md");
    let stage = Stage::new(&page).await;
    let bare = page.blocks.iter().filter(|block| block.language.is_empty() || block.language == "sh");
    let mut looked_at = 0;
    for block in bare {
        for (number, line) in (block.line + 1..).zip(block.text.lines()) {
            let Some(words) = words(line) else { continue };
            let ended = stage.run(&format!("{words} --help"));
            assert!(ended.success, "README.md:{number}: {words}\n{}", ended.output);
            looked_at += 1;
        }
    }
    assert!(looked_at > 10, "README.md has commands");
}

#[tokio::test]
async fn readmes_configuration_passes() {
    let page = Page::read("README.md");
    let stage = Stage::new(&page).await;
    for block in page.blocks.iter().filter(|block| block.language == "toml") {
        stage.write("etc/readme.toml", &block.text);
        let ended = stage.run("mesh-relay check --config /etc/mesh-relay/readme.toml");
        assert!(ended.success, "README.md:{}: {}", block.line, ended.output);
    }
}

/// The samples that the guides and the packages name.
#[tokio::test]
async fn the_samples_pass() {
    let page = Page::read("README.md");
    let stage = Stage::new(&page).await;
    for name in ["dts-folder", "amqp", "kafka", "http", "several-instances"] {
        let text = std::fs::read_to_string(top().join(format!("config/{name}.toml"))).expect("a sample");
        stage.write("etc/sample.toml", &text);
        let ended = stage.run("MESH_SHARED_KEY=TestKey mesh-relay check --config /etc/mesh-relay/sample.toml");
        assert!(ended.success, "{name}: {}", ended.output);
    }
}
