//! systemd's unit, as far as it can be followed where no systemd runs: the very command line of its `ExecStart`, by its
//! account, with its umask, its folders and its environment, and without capabilities. What systemd alone can do (namespaces,
//! system call filters, notifications, the watchdog) is not part of it.

use std::fs;

use super::machine::Machine;

/// Where the package puts it.
pub const UNIT: &str = "/lib/systemd/system/mesh-relay.service";

/// The unit's section `[Service]`.
pub struct Unit {
    settings: Vec<(String, String)>,
}

impl Unit {
    /// The installed one.
    pub fn of(machine: &Machine) -> Self {
        let text = fs::read_to_string(machine.path(UNIT)).expect("the unit");
        // A backslash at the end goes on with the next line.
        let text = text.replace("\\\n", " ");
        let service = text.split("[Service]").nth(1).expect("a section");
        let service = service.split("\n[").next().expect("a section");
        let lines = service.lines().filter(|line| !line.starts_with(['#', ';']));
        let settings = lines.filter_map(|line| line.split_once('='));
        Self {
            settings: settings.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect(),
        }
    }

    /// What a key is set to; the last one holds.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.settings.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// A command line of the shell that does what `ExecStart` does, and leaves the process's id in `/tmp/relay.pid`.
    pub fn start(&self) -> String {
        let command = self.get("ExecStart").expect("what to start");
        assert!(command.starts_with("/usr/bin/mesh-relay run "), "{command}");
        let (user, group) = (self.get("User").expect("an account"), self.get("Group").expect("a group"));
        let umask = self.get("UMask").unwrap_or("0022");
        let place = self.get("WorkingDirectory").unwrap_or("/");
        let state = self.get("StateDirectory").expect("a folder for the journal");
        let environment: Vec<&str> = self
            .settings
            .iter()
            .filter_map(|(key, value)| (key == "Environment").then_some(value.as_str()))
            .collect();
        format!(
            "umask {umask}; cd {place}; echo $$ > /tmp/relay.pid; exec env STATE_DIRECTORY=/var/lib/{state} {} \
             setpriv --reuid={user} --regid={group} --init-groups --bounding-set=-all --inh-caps=-all \
             --no-new-privs {command}",
            environment.join(" ")
        )
    }
}
