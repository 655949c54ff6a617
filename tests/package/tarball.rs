//! The tarball, unpacked at some place by somebody without rights.

use std::process::Command;

use super::packages::Packages;
use super::place::done;

#[test]
fn the_tarball_runs_from_any_place() {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    done(
        Command::new("tar")
            .arg("--extract")
            .arg("--file")
            .arg(&Packages::shared().tarball)
            .current_dir(place.path()),
    );
    let unpacked: Vec<_> = std::fs::read_dir(place.path()).expect("a folder").collect();
    let [Ok(top)] = &unpacked[..] else { panic!("one folder: {unpacked:?}") };
    let top = top.path();
    for file in [
        "README.md",
        "etc/mesh-relay/mesh-relay.toml",
        "lib/systemd/system/mesh-relay.service",
        "lib/sysusers.d/mesh-relay.conf",
        "share/bash-completion/completions/mesh-relay",
        "share/doc/mesh-relay/LICENSE",
        "share/doc/mesh-relay/CHANGELOG.md",
        "share/doc/mesh-relay/examples/dts-folder.toml",
        "share/doc/mesh-relay/mesh-relay.cdx.json",
        "share/doc/mesh-relay/third-party-licences.txt",
        "share/fish/vendor_completions.d/mesh-relay.fish",
        "share/man/man1/mesh-relay.1",
        "share/man/man1/mesh-relay-run.1",
        "share/zsh/vendor-completions/_mesh-relay",
    ] {
        let length = top.join(file).metadata().map_or(0, |metadata| metadata.len());
        assert!(length > 0, "{file} is missing or empty");
    }
    let mut demo = Command::new("setpriv");
    demo.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg("bin/mesh-relay").arg("demo");
    // The build folder may be out of that account's reach; what runs is opened before.
    let moved = tempfile::tempdir().expect("a folder");
    done(Command::new("cp").arg("--recursive").arg(&top).arg(moved.path().join("relay")));
    done(Command::new("chmod").arg("755").arg(moved.path()));
    done(demo.current_dir(moved.path().join("relay")).env_clear().env("PATH", "/usr/bin:/bin"));
}
