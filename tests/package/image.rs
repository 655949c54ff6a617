//! The container's image, laid out by hand: `docker/Dockerfile`'s last stage over what its base holds, by the same rules as a
//! builder, and the relay run in it as a container is: its own root, read-only, by the image's account. There is no engine in
//! this; `docs/packages.md` says what that leaves open.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use parse_dockerfile::{CopyInstruction, Dockerfile, Instruction};
use relay_testkit::pairs::Root;
use tempfile::TempDir;

use super::dockerfile::{self, Start, from, option, sources};
use super::machine::Machine;
use super::place::{build_folder, done, program, said, top};
use super::relay::{ALICE, BOB, Relay, Sandbox, carries_a_pair_between, configuration};

/// Where the image is while it is laid out.
const IMAGE: &str = "/image";

/// The first stage: this machine's Debian stands for its base, and the program beside this test for the one that it builds.
struct Build(Machine);

impl Build {
    fn new(file: &Dockerfile<'_>, image: &Path) -> Self {
        let machine = Machine::with(&[(image, IMAGE)]);
        let stage = file.stages().next().expect("a stage");
        for instruction in stage.instructions {
            let Instruction::Run(run) = instruction else { continue };
            let line = match &run.arguments {
                parse_dockerfile::Command::Shell(line) => line.value,
                other => panic!("{other:?}"),
            };
            if line.contains("cargo build") {
                assert!(line.ends_with("cargo build --locked --release --package mesh-relay"), "{line}");
                Self::copy_the_source(&machine);
            } else {
                machine.shell(line);
            }
        }
        Self(machine)
    }

    /// `COPY . .`, and what is built of it.
    fn copy_the_source(machine: &Machine) {
        let source = machine.path("/source");
        fs::create_dir_all(source.join("target/release")).expect("a folder");
        let mut pack = Command::new("tar");
        let packed = machine.path("/tmp/source.tar");
        pack.arg("--create")
            .arg("--file")
            .arg(&packed)
            .arg("--exclude-from")
            .arg(top().join(".dockerignore"));
        done(pack.arg("--directory").arg(top()).arg("."));
        done(Command::new("tar").arg("--extract").arg("--file").arg(&packed).arg("--directory").arg(&source));
        let mut strip = Command::new("strip");
        done(strip.arg("-o").arg(source.join("target/release/mesh-relay")).arg(program()));
    }

    /// What a builder does with a COPY: the content of a folder, or files, owned by root unless it says otherwise.
    fn copy(&self, copy: &CopyInstruction<'_>) {
        assert_eq!(from(copy), Some("build"));
        let to = format!("{IMAGE}{}", copy.dest.value);
        let owner = option(copy, "chown").unwrap_or("0:0");
        for source in sources(copy) {
            self.0.shell(&format!(
                "for source in {source}; do
                   if [ -d \"$source\" ]; then
                     mkdir -p {to}; items=\"$source\"/*; into={to}
                   else
                     items=$source; into={to}; mkdir -p \"$(dirname {to}x)\"
                   fi
                   for item in $items; do
                     cp --recursive --dereference --preserve=mode \"$item\" \"$into\"
                     target=$into; [ ! -d \"$into\" ] || target=${{into%/}}/$(basename \"$item\")
                     chown --recursive {owner} \"$target\"
                   done
                 done"
            ));
        }
    }
}

/// The image, and what it starts.
struct Image {
    root: PathBuf,
    start: Start,
    _place: TempDir,
}

impl Image {
    fn new() -> Self {
        let text = dockerfile::text();
        let file = parse_dockerfile::parse(&text).expect("a build file");
        let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let mut base = Command::new(top().join("tests/package/base.sh"));
        let base = done(base.arg(build_folder().join("image-base")));
        let root = place.path().join("root");
        done(Command::new("cp").arg("--archive").arg(base.trim()).arg(&root));
        let libraries = done(Command::new("find").arg(&root).args(["-name", "libssl*"]));
        assert_eq!(libraries, "", "the base has OpenSSL, so nobody would see that it is not copied");

        let build = Build::new(&file, &root);
        let image = dockerfile::image(&file);
        for instruction in image.instructions {
            if let Instruction::Copy(copy) = instruction {
                build.copy(copy);
            }
        }
        Self { root, start: dockerfile::start(&image), _place: place }
    }

    /// A container of it: nothing can be written except to the folders.
    fn run(&self, folders: &[(&Path, &str)]) -> Machine {
        Machine::read_only(&self.root, folders)
    }
}

/// What the system says of a file.
fn rights(path: &Path) -> String {
    done(Command::new("stat").args(["--format=%u:%g %a"]).arg(path)).trim().to_owned()
}

#[tokio::test]
async fn the_image_laid_out_by_hand_carries_a_pair_with_a_root_that_cannot_be_written() {
    let image = Image::new();
    let user = &image.start.user;
    assert_eq!(rights(&image.root.join("var/lib/mesh-relay")), format!("{user} 700"));
    assert_eq!(rights(&image.root.join("usr/bin/mesh-relay")), "0:0 755");

    // What an administrator mounts: the configuration, and volumes for what is written.
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let folder = |name: &str| {
        let folder = place.path().join(name);
        fs::create_dir(&folder).expect("a folder");
        done(Command::new("chown").arg(user).arg(&folder));
        folder
    };
    let (configured, journal, mesh) = (folder("configuration"), folder("journal"), folder("mesh"));
    // Somewhere in the image that is there: a folder cannot be made for a mount below a root that is read.
    for mount in ["etc/mesh-relay", "mesh"] {
        fs::create_dir_all(image.root.join(mount)).expect("a folder");
    }
    let machine =
        image.run(&[(&configured, "/etc/mesh-relay"), (&journal, "/var/lib/mesh-relay"), (&mesh, "/mesh")]);
    let program = &image.start.entrypoint[0];

    let loader = done(Command::new("find").arg(&image.root).args(["-name", "ld-linux-*.so.*"]));
    let loader =
        Path::new(loader.lines().next().expect("a loader")).strip_prefix(&image.root).expect("below");
    let needed = done(machine.command(&format!("/{}", loader.display())).args(["--list", program]));
    assert!(!needed.contains("not found"), "docker/Dockerfile misses a library:\n{needed}");
    assert!(needed.contains("libssl.so.3 => /usr/lib/libssl.so.3"), "{needed}");

    let sandbox = Sandbox::start(machine.command_of(user, program));
    let write = |name: &str, content: &str| {
        let path = configured.join(name);
        let mut file = tempfile::NamedTempFile::new_in(&configured).expect("a file");
        std::io::Write::write_all(&mut file, content.as_bytes()).expect("a file written");
        file.persist(&path).expect("a file");
        done(Command::new("chown").arg(user).arg(&path));
    };
    write("mesh-relay.toml", &configuration(&sandbox.url, "/mesh"));
    write("shared.key", "TestKey");
    write("mailbox.pass", "password");
    let mut command = machine.command_of(user, program);
    command.args(&image.start.entrypoint[1..]).args(&image.start.command);
    let relay = Relay::start(command).await;
    carries_a_pair_between([ALICE, BOB].map(|name| Root(mesh.join(name)))).await;

    let health = |url: &str| {
        let mut command = machine.command_of(user, &image.start.health[0]);
        command.args(&image.start.health[1..]).args(["--url", url]).output().expect("the program")
    };
    let well = health(&format!("{}/health", sandbox.url));
    assert!(well.status.success(), "{}", said(&well));
    let unwell = health(&format!("{}/no-such-page", sandbox.url));
    assert_eq!(unwell.status.code(), Some(1), "{}", said(&unwell));

    // An engine sends the image's STOPSIGNAL to the first process; here it is the only other one of the machine.
    let pid = relay_inside(&machine, program);
    done(Command::new("kill").arg(pid));
    relay.ended().await;
    assert!(journal.join("journal.db").is_file());
}

/// The relay's process, as this machine sees it: the one of the image's program that runs `run`.
fn relay_inside(machine: &Machine, program: &str) -> String {
    let processes = machine.processes();
    let runs = |line: &&(String, String)| line.1.starts_with(&format!("{program} run "));
    let [(pid, _)] = &processes.iter().filter(runs).collect::<Vec<_>>()[..] else {
        panic!("one relay: {processes:?}")
    };
    pid.clone()
}
