//! This machine: the account, its limits, the clock's source.

use relay_core::diagnosis::Finding;

use super::aside;

/// Which account looked, and which one the service runs as.
pub(super) const ACCOUNT: &str = "machine.account";
/// How many files and connections may be open.
#[cfg(unix)]
const OPEN_FILES: &str = "machine.open-files";
/// Whether memory may be written to a file by a crash.
#[cfg(unix)]
const CORE_DUMPS: &str = "machine.core-dumps";
/// Whether a time server sets the clock.
const CLOCK: &str = "machine.clock";

/// Fewer open files than this may be too few: each connection and each file of a message under way is one.
#[cfg(unix)]
const OPEN_FILES_MIN: u64 = 1024;

/// Where a service of the relay's is described.
#[cfg(unix)]
const UNITS: [&str; 3] = [
    "/etc/systemd/system/mesh-relay.service",
    "/lib/systemd/system/mesh-relay.service",
    "/usr/lib/systemd/system/mesh-relay.service",
];
/// What systemd's own time service leaves once the clock was set.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

pub(super) async fn look() -> Vec<Finding> {
    aside(findings).await.unwrap_or_default()
}

#[cfg(unix)]
fn findings() -> Vec<Finding> {
    let mut findings = vec![account(), open_files()];
    findings.extend(core_dumps());
    findings.push(clock());
    findings
}

#[cfg(not(unix))]
fn findings() -> Vec<Finding> {
    vec![Finding::not_checked(ACCOUNT, "this account", "not on this system"), clock()]
}

#[cfg(unix)]
fn account() -> Finding {
    let uid = rustix::process::geteuid().as_raw();
    let name = account_name(uid).unwrap_or_else(|| format!("account {uid}"));
    let item = format!("account {name}");
    let unit = UNITS.iter().find_map(|path| std::fs::read_to_string(path).ok());
    let service = unit.as_deref().and_then(|unit| {
        unit.lines().find_map(|line| line.trim().strip_prefix("User=")).map(|user| user.trim().to_owned())
    });
    match service {
        Some(user) if user != name && user != uid.to_string() => {
            let found = format!("the service runs as {user}, and rights were tried as {name}");
            Finding::warning(
                ACCOUNT,
                item,
                found,
                format!("run it as that account: sudo -u {user} mesh-relay doctor …"),
            )
        }
        Some(_) => Finding::sound(ACCOUNT, item, "the service runs as the same"),
        None if uid == 0 => {
            let advice = "run it, and the relay, as an account of its own";
            Finding::warning(ACCOUNT, item, "root may do everything, so rights were not really tried", advice)
        }
        None => Finding::sound(ACCOUNT, item, "rights were tried as this account"),
    }
}

#[cfg(unix)]
fn account_name(uid: u32) -> Option<String> {
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    let of = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse::<u32>().ok()? == uid).then(|| name.to_owned())
    };
    accounts.lines().find_map(of)
}

#[cfg(unix)]
fn open_files() -> Finding {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let item = "limit of open files";
    match limit {
        Some(limit) if limit < OPEN_FILES_MIN => {
            let advice = "raise it (LimitNOFILE= of the service, or ulimit -n)";
            Finding::warning(OPEN_FILES, item, format!("{limit} of this account at a time"), advice)
        }
        Some(limit) => Finding::sound(OPEN_FILES, item, limit.to_string()),
        None => Finding::sound(OPEN_FILES, item, "there is none"),
    }
}

#[cfg(unix)]
fn core_dumps() -> Option<Finding> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Core).current;
    if limit == Some(0) {
        return Some(Finding::sound(CORE_DUMPS, "core dumps", "none are written"));
    }
    let found = "a crash would write memory, with messages and secrets in it, to a file";
    Some(Finding::warning(
        CORE_DUMPS,
        "core dumps",
        found,
        "switch them off for the relay (LimitCORE=0, or ulimit -c 0)",
    ))
}

fn clock() -> Finding {
    let item = "this machine's clock";
    if std::path::Path::new(SYNCHRONISED).exists() {
        return Finding::sound(CLOCK, item, "a time server sets it");
    }
    let why = "no trace of systemd's time service; mesh.clock says what counts";
    Finding::not_checked(CLOCK, item, why)
}
