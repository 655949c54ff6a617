//! The packages of the program beside this test, made once by the script that makes a release's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::place::{build_folder, done, program, top};

/// A Debian package, a tarball, and where they are.
pub struct Packages {
    folder: PathBuf,
    pub deb: PathBuf,
    pub tarball: PathBuf,
}

/// Those that tests share, so that they are made once.
static SHARED: OnceLock<Packages> = OnceLock::new();
static SUPPLY: OnceLock<PathBuf> = OnceLock::new();

/// A date for all files, so that tests need no history of the repository.
const DATE: &str = "1767225600";

impl Packages {
    /// Made once for all tests.
    pub fn shared() -> &'static Self {
        SHARED.get_or_init(|| Self::make("packages", supply()))
    }

    /// In a folder of this name, whose content goes: what tests share is dropped by nobody.
    fn make(name: &str, supply: &Path) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("the last run's removed");
        }
        let mut script = Command::new(top().join("packaging/build.sh"));
        script.arg("--program").arg(program()).arg("--supply").arg(supply);
        script.arg("--out").arg(&folder).arg("--fast").env("SOURCE_DATE_EPOCH", DATE);
        let printed = done(&mut script);
        let [deb, tarball] =
            printed.lines().map(PathBuf::from).collect::<Vec<_>>().try_into().expect("two lines");
        Self { folder, deb, tarball }
    }

    /// The checksums, as they are told.
    pub fn checksums(&self) -> String {
        fs::read_to_string(self.folder.join("SHA256SUMS")).expect("checksums")
    }
}

/// What packages say of the dependencies, made once; these were held against `deny.toml` before.
fn supply() -> &'static Path {
    SUPPLY.get_or_init(|| make_supply("supply"))
}

/// Holds the dependencies against `deny.toml`, and makes what packages say of them.
fn make_supply(name: &str) -> PathBuf {
    let (folder, target) = (build_folder().join(name), build_folder());
    let target = target.parent().expect("a folder");
    let mut script = Command::new(top().join("packaging/supply.sh"));
    done(script.arg(&folder).env("CARGO_TARGET_DIR", target).env("SOURCE_DATE_EPOCH", DATE));
    folder
}

#[test]
fn the_same_program_gives_the_same_packages() {
    let first = Packages::shared();
    // Made by itself, bill of materials and all.
    let second = Packages::make("packages-again", &make_supply("supply-again"));
    assert_eq!(first.checksums(), second.checksums());
    let mut check = Command::new("sha256sum");
    let told = done(check.args(["--check", "SHA256SUMS"]).current_dir(&first.folder));
    assert_eq!(told.lines().filter(|line| line.ends_with(": OK")).count(), 2, "{told}");
}

#[test]
fn lintian_finds_nothing_in_the_debian_package() {
    let mut lintian = Command::new("lintian");
    // The maintainer's address is made up until a release has one.
    lintian.args(["--allow-root", "--fail-on=error,warning", "--suppress-tags=bogus-mail-host"]);
    let said = done(lintian.arg(&Packages::shared().deb));
    assert_eq!(said, "");
}

#[test]
fn the_bill_of_materials_names_crates_and_what_they_bring_along() {
    let folder = supply();
    let text = fs::read_to_string(folder.join("mesh-relay.cdx.json")).expect("a bill");
    let bill: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(bill["metadata"]["component"]["name"], "mesh-relay");
    let components = bill["components"].as_array().expect("a list");
    let part = |name: &str| components.iter().find(|one| one["name"] == name);
    for name in
        ["tokio", "rustls", "librdkafka", "sqlite", "aws-lc", "zlib", "zstd", "nhsuk-frontend", "rust-std"]
    {
        let part = part(name).unwrap_or_else(|| panic!("{name} is not in the bill"));
        assert!(part["version"].is_string() && part["licenses"].is_array(), "{part}");
        assert!(part["purl"].as_str().is_some_and(|purl| purl.starts_with("pkg:")), "{part}");
    }
    // What only tests use is not shipped, and not told.
    assert!(part("proptest").is_none() && part("relay-testkit").is_none());
    let licences = fs::read_to_string(folder.join("third-party-licences.txt")).expect("licences");
    assert!(licences.contains("librdkafka - Apache Kafka C driver library"), "a licence's own text");
    let listed = |one: &&serde_json::Value| one["purl"].is_string() && one["type"] == "library";
    for component in components.iter().filter(listed) {
        let called =
            format!("{} {}", component["name"].as_str().unwrap(), component["version"].as_str().unwrap());
        assert!(licences.contains(&called), "{called} has no licence in the packages");
    }
}
