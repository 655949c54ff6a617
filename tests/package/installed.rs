//! The Debian package from its installation to its end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use relay_testkit::certificates::Authority;
use relay_testkit::pairs::{Control, Root};
use relay_testkit::wait::eventually;

use super::machine::Machine;
use super::packages::Packages;
use super::place::{done, said};
use super::unit::Unit;

const CONFIGURATION: &str = "/etc/mesh-relay/mesh-relay.toml";
const JOURNAL: &str = "/var/lib/mesh-relay/journal.db";

/// Who owns what, and who may do what with it.
const RIGHTS: [(&str, &str); 8] = [
    ("/usr/bin/mesh-relay", "root:root 755"),
    ("/etc/mesh-relay", "root:mesh-relay 750"),
    (CONFIGURATION, "root:root 644"),
    ("/var/lib/mesh-relay", "mesh-relay:mesh-relay 700"),
    ("/lib/systemd/system/mesh-relay.service", "root:root 644"),
    ("/usr/lib/sysusers.d/mesh-relay.conf", "root:root 644"),
    ("/usr/share/doc/mesh-relay/copyright", "root:root 644"),
    ("/usr/share/man/man1/mesh-relay.1.gz", "root:root 644"),
];

/// What may be different on a machine that has had the package and has it no more: the journal, the account, and what the
/// package manager writes about itself.
const LEFT: [&str; 9] = [
    "/etc/.pwd.lock",
    "/etc/group",
    "/etc/gshadow",
    "/etc/passwd",
    "/etc/shadow",
    "/var/cache/",
    "/var/lib/dpkg/",
    "/var/lib/mesh-relay",
    "/var/log/",
];

fn installed(machine: &Machine) {
    fs::copy(&Packages::shared().deb, machine.path("/tmp/mesh-relay.deb")).expect("a copy");
    machine.shell("dpkg --install /tmp/mesh-relay.deb");
}

#[expect(clippy::disallowed_methods, reason = "an administrator's editor")]
fn write(machine: &Machine, path: &str, content: &str) {
    fs::write(machine.path(path), content).expect("a file written");
}

/// A file that only the relay's account may read.
fn secret(machine: &Machine, name: &str, content: &str) {
    let path = format!("/etc/mesh-relay/{name}");
    write(machine, &path, content);
    machine.shell(&format!("chown mesh-relay {path}; chmod 400 {path}"));
}

/// `check` by the relay's account: its exit code and what it said.
fn check(machine: &Machine) -> (Option<i32>, String) {
    let account = ["--reuid=mesh-relay", "--regid=mesh-relay", "--init-groups"];
    let mut command = machine.command("setpriv");
    command.args(account).args(["/usr/bin/mesh-relay", "check", "--config", CONFIGURATION]);
    let output = command.output().expect("setpriv");
    (output.status.code(), said(&output))
}

/// Two mailboxes of a sandbox, laid out as the package's own example.
fn configuration(sandbox: &str) -> String {
    let mut text = format!(
        "[mesh]\nenvironment = {{ url = \"{sandbox}\" }}\nshared_key = {{ file = \"shared.key\" }}\n\
         [journal]\npath = \"{JOURNAL}\"\n"
    );
    for (name, mailbox) in [("laboratory", "X26ABC1"), ("surgery", "X26ABC2")] {
        text += &format!(
            "[[mailbox]]\nid = \"{mailbox}\"\npassword = {{ file = \"mailbox.pass\" }}\npoll = \"200ms\"\n\
             [[adapter]]\nname = \"{name}\"\nkind = \"dts-folder\"\nmailbox = \"{mailbox}\"\n\
             root = \"/srv/mesh/{mailbox}\"\ngrace = \"100ms\"\nscan = \"500ms\"\n"
        );
    }
    text
}

/// The package's own sandbox, and where it answers.
fn sandbox(machine: &Machine) -> (Child, String) {
    let mut command = machine.command("/usr/bin/mesh-relay");
    command.args(["sandbox", "--listen", "127.0.0.1:0"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut sandbox = command.stderr(Stdio::null()).spawn().expect("the sandbox");
    let mut line = String::new();
    let output = sandbox.stdout.as_mut().expect("its output");
    BufReader::new(output).read_line(&mut line).expect("text");
    let url = line.split_whitespace().find(|word| word.starts_with("http://"));
    let url = url.unwrap_or_else(|| panic!("no address in '{}'", line.trim())).to_owned();
    (sandbox, url)
}

/// Starts the relay as the unit does, carries a pair, and stops it.
async fn carries_a_pair(machine: &Machine) {
    let (_sandbox, url) = sandbox(machine);
    write(machine, CONFIGURATION, &configuration(&url));
    machine.shell("install --directory --owner=mesh-relay --group=mesh-relay --mode=0750 /srv/mesh");
    let log = fs::File::create(machine.path("/tmp/relay.log")).expect("a log");
    let start = Unit::of(machine).start();
    let mut command = machine.command("sh");
    let mut relay = command.args(["-ec", &start]).stdin(Stdio::null()).stderr(log).spawn().expect("the relay");
    let told = || fs::read_to_string(machine.path("/tmp/relay.log")).unwrap_or_default();
    eventually("the relay runs", || {
        if let Some(status) = relay.try_wait().expect("a status") {
            panic!("the relay ended with {status}:\n{}", told());
        }
        told().contains("the relay is running")
    })
    .await;
    let [alice, bob] = ["X26ABC1", "X26ABC2"].map(|name| Root(machine.path(&format!("/srv/mesh/{name}"))));
    alice.drop_pair("report", &Control::new("X26ABC1", "X26ABC2"), b"a result");
    eventually("the pair is in IN", || bob.controls("IN") == 1 && alice.controls("SENT") == 1).await;
    assert_eq!(bob.received(), [b"a result".to_vec()]);
    machine.shell("kill $(cat /tmp/relay.pid)");
    eventually("the relay stops when asked", || relay.try_wait().expect("a status").is_some()).await;
    let status = relay.wait().expect("a status");
    assert!(status.success(), "{status}:\n{}", told());
}

/// What `stat` says of a file of the machine.
fn rights(machine: &Machine, path: &str) -> String {
    done(machine.command("stat").args(["--format=%U:%G %a", path])).trim().to_owned()
}

#[tokio::test]
async fn the_debian_package_is_installed_carries_a_pair_is_upgraded_and_goes() {
    let machine = Machine::new();
    installed(&machine);
    for (path, expected) in RIGHTS {
        assert_eq!(rights(&machine, path), expected, "{path}");
    }
    // Nothing runs on a configuration that nobody has filled in.
    assert_eq!(machine.shell("find /etc/systemd -name 'mesh-relay*'"), "");
    done(machine.command("systemd-analyze").args(["verify", "--man=no", super::unit::UNIT]));

    let (code, told) = check(&machine);
    assert!(code == Some(2) && told.contains("mailbox.pass"), "{told}");
    let authority = Authority::new("An authority");
    let identity = authority.client("MAILHOST1.X26.api.mesh-client.nhs.uk");
    let files = [
        ("client.pem", identity.certificate.as_str()),
        ("client.key", &identity.key),
        ("nhs-int.pem", authority.pem()),
        ("shared.key", "TestKey"),
        ("mailbox.pass", "password"),
    ];
    for (name, content) in files {
        secret(&machine, name, content);
    }
    let (code, told) = check(&machine);
    assert_eq!(code, Some(0), "{told}");

    carries_a_pair(&machine).await;
    assert_eq!(rights(&machine, JOURNAL), "mesh-relay:mesh-relay 600");
    let chosen = fs::read_to_string(machine.path(CONFIGURATION)).expect("the configuration");

    // What an administrator decided stays.
    machine.shell("dpkg-statoverride --update --add root mesh-relay 0550 /etc/mesh-relay");
    installed(&machine);
    assert_eq!(fs::read_to_string(machine.path(CONFIGURATION)).expect("the configuration"), chosen);
    assert_eq!(rights(&machine, "/etc/mesh-relay"), "root:mesh-relay 550");
    machine.shell("dpkg-statoverride --remove /etc/mesh-relay");
    carries_a_pair(&machine).await;

    machine.shell("dpkg --remove mesh-relay");
    assert!(!machine.path("/usr/bin/mesh-relay").exists() && machine.path(CONFIGURATION).exists());
    let told = machine.shell("dpkg --purge mesh-relay");
    assert!(told.contains("/var/lib/mesh-relay is kept"), "{told}");
    assert!(machine.path(JOURNAL).exists() && !machine.path(CONFIGURATION).exists());
    // What the administrator put beside the configuration is no package's to remove.
    assert!(machine.path("/etc/mesh-relay/client.key").exists());
    machine.shell("rm -r /etc/mesh-relay /srv/mesh");

    let changed = machine.changed();
    let stray: Vec<_> =
        changed.iter().filter(|path| !LEFT.iter().any(|left| path.starts_with(left))).collect();
    assert!(stray.is_empty(), "{stray:?}");
}

#[test]
fn a_package_that_was_never_used_leaves_nothing() {
    let machine = Machine::new();
    installed(&machine);
    machine.shell("dpkg --purge mesh-relay");
    for gone in ["/var/lib/mesh-relay", "/etc/mesh-relay", "/usr/share/doc/mesh-relay"] {
        assert!(!machine.path(gone).exists(), "{gone} is left");
    }
}
