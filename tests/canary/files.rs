//! Who may read what the relay writes, and what it refuses to read.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use mesh_sandbox::{Sandbox, SandboxConfig};
use relay_testkit::pairs::Control;
use relay_testkit::wait::eventually;

use crate::memory::may_look;
use crate::process::{ALICE, BOB, Relay, Site, binary, command};

/// No group and nobody else has any right to these files beneath a folder, nor to those beside them that are made with
/// them (`-wal`, `-shm`, `.lock`).
pub fn are_their_owners_alone(folder: &Path, names: &[&str]) {
    have_no_right_but_these(folder, names, 0o700);
}

/// The same for files that somebody else may have, with the most that their mode may say.
pub fn have_no_right_but_these(folder: &Path, names: &[&str], most: u32) {
    for name in names {
        let beside = fs::read_dir(folder)
            .expect("a folder")
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(name));
        let mut count = 0;
        for entry in beside {
            let mode = entry.metadata().expect("there").mode() & 0o777;
            assert_eq!(mode & !most, 0, "{} has the mode {mode:04o}", entry.path().display());
            count += 1;
        }
        assert!(count > 0, "{name} is there");
    }
}

/// Starts a shell that lets everybody read what is made, and has it become this program.
fn under_a_lax_umask(arguments: &[&str], folder: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 000; exec \"$0\" \"$@\""]).arg(binary()).args(arguments).current_dir(folder);
    shell
}

#[tokio::test]
async fn what_the_relay_makes_for_itself_is_its_own_under_a_lax_umask() {
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    let text = site
        .configuration(&sandbox.base_url(), "")
        .replace("path = \"journal.db\"", "path = \"state/journal.db\"");
    site.write("relay.toml", text + "[log]\ntransfers = \"log/transfers.log\"\n");
    let command = under_a_lax_umask(&["run", "--config", "relay.toml"], site.folder.path());
    let relay = Relay::running_as(command, &site.path("relay.toml")).await;
    site.alice.drop_pair("pair", &Control::new(ALICE, BOB).local_id("L1"), b"payload");
    eventually("the pair arrives", || site.bob.controls("IN") == 1).await;
    // While it runs, when the log of the journal is there too.
    are_their_owners_alone(
        &site.path("state"),
        &["journal.db", "journal.db-wal", "journal.db-shm", "journal.db.lock"],
    );
    are_their_owners_alone(&site.path("log"), &["transfers.log"]);
    let folder = fs::metadata(site.path("state")).expect("there").mode() & 0o777;
    assert_eq!(folder, 0o700, "the journal's folder");
    assert!(relay.stop().await.0.success());
}

#[test]
fn what_import_makes_is_its_owners_alone_under_a_lax_umask() {
    let folder = tempfile::tempdir().expect("a folder");
    relay_testkit::private::write_private(
        &folder.path().join("meshclient.cfg"),
        "<MESHConfig><PrimaryURL>http://127.0.0.1:1</PrimaryURL><AuthenticationKey>a</AuthenticationKey>\
         <Client><ClientIdentity>X26ABC1</ClientIdentity><ClientAuthentication>b</ClientAuthentication>\
         <InterfaceRoot>root</InterfaceRoot></Client></MESHConfig>",
    );
    let mut command = under_a_lax_umask(
        &["import", "--meshclient-cfg", "meshclient.cfg", "--secrets", "new/secrets"],
        folder.path(),
    );
    let output = command.stdin(Stdio::null()).output().expect("the relay's program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    are_their_owners_alone(&folder.path().join("new/secrets"), &["x26abc1.pass"]);
    are_their_owners_alone(&folder.path().join("new"), &["secrets"]);
}

#[test]
fn a_file_with_a_secret_that_others_may_read_is_refused_at_its_line() {
    let site = Site::new("http://127.0.0.1:1", "");
    let path = site.path("mailbox.pass");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("wider");
    let config = site.path("relay.toml");
    let config = config.to_str().expect("a path");
    for arguments in [["check", "--config", config], ["run", "--config", config]] {
        let output = command(&arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        for part in [
            &format!("{}: everybody on this machine may read it (mode 0644)", path.display()),
            &format!("chmod 600 {}", path.display()),
            &format!("{config}:14:1"),
        ] {
            assert!(said.contains(part.as_str()), "{part} is not in\n{said}");
        }
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("narrower");
    assert!(command(&["check", "--config", config]).status.success());
}

/// What an administrator writes for the service's own group is taken; a group that the account is in besides is not.
#[tokio::test]
async fn a_file_of_roots_for_the_services_own_group_is_taken() {
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    let program = site.path("mesh-relay");
    fs::copy(binary(), &program).expect("a copy of the program");
    let place = site.folder.path();
    fs::set_permissions(place, fs::Permissions::from_mode(0o755)).expect("open to others");
    for name in ["mailbox.pass", "shared.key"] {
        std::os::unix::fs::chown(site.path(name), Some(0), Some(65534)).expect("only root can run this test");
        fs::set_permissions(site.path(name), fs::Permissions::from_mode(0o640)).expect("for the group");
    }
    fs::set_permissions(site.path("relay.toml"), fs::Permissions::from_mode(0o644)).expect("for everybody");
    let check = |groups: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65533"]).args(groups).arg("--").arg(&program);
        command.args(["check", "--config"]).arg(site.path("relay.toml")).output().expect("setpriv")
    };
    let own = check(&["--regid", "65534", "--clear-groups"]);
    assert!(own.status.success(), "{}", String::from_utf8_lossy(&own.stderr));
    let besides = check(&["--regid", "65533", "--groups", "65534"]);
    let said = String::from_utf8_lossy(&besides.stderr).into_owned();
    assert!(!besides.status.success() && said.contains("its group may read it (mode 0640)"), "{said}");
}

/// As systemd and Kubernetes hand secrets over: memory that is mounted to be read only.
#[test]
fn secrets_that_were_handed_over_in_memory_are_taken() {
    let site = Site::new("http://127.0.0.1:1", "");
    let mount = site.path("handed-over");
    fs::create_dir(&mount).expect("a folder");
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).arg(&mount).status().expect("a program");
        assert!(status.success(), "only root can run this test");
    };
    run("mount", &["-t", "tmpfs", "-o", "size=64k", "tmpfs"]);
    for name in ["mailbox.pass", "shared.key"] {
        fs::copy(site.path(name), mount.join(name)).expect("copied");
        fs::set_permissions(mount.join(name), fs::Permissions::from_mode(0o444)).expect("wider");
    }
    let text = fs::read_to_string(site.path("relay.toml")).expect("the configuration");
    let text = text.replace("\"mailbox.pass\"", "\"handed-over/mailbox.pass\"");
    site.write("relay.toml", text.replace("\"shared.key\"", "\"handed-over/shared.key\""));
    let check = || command(&["check", "--config", site.path("relay.toml").to_str().expect("a path")]);
    let writable = check();
    run("mount", &["-o", "remount,ro"]);
    let handed_over = check();
    run("umount", &[]);
    let said = String::from_utf8_lossy(&writable.stderr).into_owned();
    assert!(!writable.status.success() && said.contains("mode 0444"), "{said}");
    assert!(handed_over.status.success(), "{}", String::from_utf8_lossy(&handed_over.stderr));
}

#[tokio::test]
async fn another_process_of_the_same_account_sees_nothing_of_a_running_relay() {
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    let relay = site.run_unprivileged().await;
    assert!(!may_look("65534", relay.id()), "it can be looked into");
    let limits = fs::read_to_string(format!("/proc/{}/limits", relay.id())).expect("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");
    // What the look is worth: a process that is not closed to others can be looked into.
    let mut open = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--", "sleep", "60"])
        .spawn()
        .expect("setpriv");
    eventually("it has become another's", || {
        fs::read_to_string(format!("/proc/{}/comm", open.id())).is_ok_and(|name| name.trim() == "sleep")
    })
    .await;
    let seen = may_look("65534", open.id());
    open.kill().expect("ended");
    open.wait().expect("gone");
    assert!(seen, "an ordinary process can be looked into");
    assert!(relay.stop().await.0.success());
}
