//! Where things are, and running what must succeed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The top of the repository.
pub fn top() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    top.canonicalize().expect("the repository")
}

/// The build folder, beside whose tests the program is.
pub fn build_folder() -> PathBuf {
    let test = std::env::current_exe().expect("this program");
    test.parent().and_then(Path::parent).expect("the build folder").to_owned()
}

/// The relay's program.
pub fn program() -> PathBuf {
    let program = build_folder().join("mesh-relay");
    assert!(program.is_file(), "{} is not built; run `make test`", program.display());
    program
}

/// What was said, both ways.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a command to its end and returns what it printed.
///
/// # Panics
/// When it fails; what it said is told.
pub fn done(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8(output.stdout).expect("text")
}
