//! The Debian package from its installation to its end.

use std::fs;

use relay_testkit::certificates::Authority;
use relay_testkit::pairs::Root;

use super::machine::Machine;
use super::packages::Packages;
use super::place::{done, said};
use super::relay::{ALICE, BOB, Relay, Sandbox, carries_a_pair_between, configuration};
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
    // The manual's index is not the package's business, and takes seconds.
    machine.shell("dpkg --no-triggers --force-unsafe-io --install /tmp/mesh-relay.deb");
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

/// Starts the relay as the unit does, carries a pair, and stops it.
async fn carries_a_pair(machine: &Machine) {
    let sandbox = Sandbox::start(machine.command("/usr/bin/mesh-relay"));
    write(machine, CONFIGURATION, &configuration(&sandbox.url, "/srv/mesh"));
    machine.shell("install --directory --owner=mesh-relay --group=mesh-relay --mode=0750 /srv/mesh");
    let mut command = machine.command("sh");
    command.args(["-ec", &Unit::of(machine).start()]);
    let relay = Relay::start(command).await;
    carries_a_pair_between([ALICE, BOB].map(|name| Root(machine.path(&format!("/srv/mesh/{name}"))))).await;
    machine.shell("kill $(cat /tmp/relay.pid)");
    relay.ended().await;
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

    machine.shell("dpkg --no-triggers --remove mesh-relay");
    assert!(!machine.path("/usr/bin/mesh-relay").exists() && machine.path(CONFIGURATION).exists());
    let told = machine.shell("dpkg --no-triggers --purge mesh-relay");
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
    machine.shell("dpkg --no-triggers --purge mesh-relay");
    for gone in ["/var/lib/mesh-relay", "/etc/mesh-relay", "/usr/share/doc/mesh-relay"] {
        assert!(!machine.path(gone).exists(), "{gone} is left");
    }
}
