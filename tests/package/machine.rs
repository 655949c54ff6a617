//! A machine to install on: this one's files, over which everything that is written is kept in a folder of its own
//! (overlayfs in a mount namespace). Nothing of it is seen from outside, and nothing is left when it ends, however it ends:
//! mounts and processes go with their namespaces. Needs root.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Lays the files out and stays, so that commands can be run there until it ends. A new process tree sees only itself.
const HOLD: &str = r#"
set -e
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/written,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
if [ "$rights" = written ]; then
  mount -t tmpfs tmpfs "$1/root/tmp"
  mount -t tmpfs tmpfs "$1/root/run"
fi
shift 2
# Folders of this machine that are to be had there: FROM TO.
while [ $# -gt 0 ]; do
  mkdir -p "$root$2"
  mount --bind "$1" "$root$2"
  shift 2
done
if [ "$rights" = read ]; then
  mount -o remount,ro "$root"
fi
echo ready
# Until whoever started this closes the pipe, or is gone.
exec cat > /dev/null
"#;

/// A machine. Gone when dropped.
pub struct Machine {
    holder: Child,
    /// The first process inside: its namespaces are the machine.
    inside: u32,
    place: TempDir,
}

impl Machine {
    /// A copy of this machine.
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// A copy of this machine, with folders of this one at other places of it: what is written to these stays.
    pub fn with(folders: &[(&Path, &str)]) -> Self {
        Self::over(Path::new("/"), folders, "written")
    }

    /// One whose files are those below `lower`, none of which can be written to, except in the folders.
    pub fn read_only(lower: &Path, folders: &[(&Path, &str)]) -> Self {
        Self::over(lower, folders, "read")
    }

    fn over(lower: &Path, folders: &[(&Path, &str)], rights: &str) -> Self {
        // In the build folder: there a test that is killed leaves what it wrote, and nowhere else.
        let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        for name in ["written", "work", "root"] {
            fs::create_dir(place.path().join(name)).expect("a folder");
        }
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", HOLD, "sh"]);
        command.env("root", place.path().join("root")).env("rights", rights).arg(place.path()).arg(lower);
        for (from, to) in folders {
            command.arg(from).arg(to);
        }
        let mut holder =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare, of util-linux");
        let mut said = String::new();
        let output = holder.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut said).expect("text");
        assert_eq!(said, "ready\n", "a machine over this one needs root, with the right to mount");
        let children = format!("/proc/{0}/task/{0}/children", holder.id());
        let children = fs::read_to_string(children).expect("the holder's child");
        let inside = children.trim().parse().expect("one child");
        Self { holder, inside, place }
    }

    /// A command in the machine, by root, with nothing of this process's surroundings.
    pub fn command(&self, program: &str) -> Command {
        self.command_of("0:0", program)
    }

    /// As [`Self::command`], by an account and a group.
    pub fn command_of(&self, account: &str, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.inside)).args(["--mount", "--pid", "chroot"]);
        command.arg(format!("--userspec={account}")).arg("--groups=").arg(self.root()).arg(program);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    /// Runs a command line of the shell, which must succeed, and returns what it printed.
    pub fn shell(&self, line: &str) -> String {
        super::place::done(self.command("sh").args(["-ec", line]))
    }

    /// As the machine's own processes see it, from their root on.
    fn root(&self) -> PathBuf {
        self.place.path().join("root")
    }

    /// A file of the machine, as this process sees it.
    pub fn path(&self, path: &str) -> PathBuf {
        let below = path.strip_prefix('/').expect("an absolute path");
        PathBuf::from(format!("/proc/{}/root", self.inside))
            .join(self.root().strip_prefix("/").expect("an absolute path"))
            .join(below)
    }

    /// Its processes: what this machine numbers each, and its command line.
    pub fn processes(&self) -> Vec<(String, String)> {
        let tree = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let ours = tree(&self.inside.to_string());
        let all = fs::read_dir("/proc")
            .expect("processes")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        all.filter(|name| name.parse::<u32>().is_ok() && tree(name) == ours)
            .filter_map(|pid| {
                let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
                Some((pid, line.replace('\0', " ")))
            })
            .collect()
    }

    /// Every file and folder that was written, changed or removed, sorted. What is in memory (`/tmp`, `/run`) is not among
    /// them. A folder is listed when it is new or its rights were changed, and not for what is in it.
    pub fn changed(&self) -> Vec<String> {
        let mut found = Vec::new();
        let written = self.place.path().join("written");
        let mut folders = vec![written.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let metadata = fs::symlink_metadata(&path).expect("a file");
                let name = Path::new("/").join(path.strip_prefix(&written).expect("below"));
                let listed = if metadata.is_dir() {
                    folders.push(path);
                    // One that stands below as well was copied up for what is in it.
                    fs::symlink_metadata(&name).is_ok_and(|below| {
                        (below.mode(), below.uid(), below.gid())
                            == (metadata.mode(), metadata.uid(), metadata.gid())
                    })
                } else {
                    false
                };
                if !listed {
                    found.push(name.to_str().expect("text").to_owned());
                }
            }
        }
        found.sort();
        found
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The kernel ends everything inside with it.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
