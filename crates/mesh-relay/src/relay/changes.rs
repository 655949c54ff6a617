//! What another configuration changes of a running relay.

use std::collections::BTreeSet;
use std::fmt;

use relay_config::Imprint;
use relay_core::MailboxId;

/// What differs between what runs and what is to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// How MESH is reached.
    pub mesh: bool,
    /// Bounds of sending.
    pub send: bool,
    /// Which adapter takes which messages from MESH.
    pub routes: bool,
    /// The mailboxes.
    pub mailboxes: Differences<MailboxId>,
    /// The adapters, by name.
    pub adapters: Differences<String>,
}

impl Changes {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What differs between two lists of things with names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differences<N> {
    /// What only the new one has.
    pub added: BTreeSet<N>,
    /// What only the old one has.
    pub removed: BTreeSet<N>,
    /// What both have, in different forms.
    pub changed: BTreeSet<N>,
}

impl<N> Default for Differences<N> {
    fn default() -> Self {
        Self { added: BTreeSet::new(), removed: BTreeSet::new(), changed: BTreeSet::new() }
    }
}

impl<N: Ord + Clone> Differences<N> {
    /// What becomes of `old` in `new`.
    pub fn between(old: &[(N, &Imprint)], new: &[(N, &Imprint)]) -> Self {
        let find = |list: &[(N, &Imprint)], name: &N| {
            list.iter().find(|(other, _)| other == name).map(|(_, imprint)| (*imprint).clone())
        };
        let mut differences = Self::default();
        for (name, imprint) in new {
            match find(old, name) {
                None => _ = differences.added.insert(name.clone()),
                Some(before) if before != **imprint => _ = differences.changed.insert(name.clone()),
                Some(_) => {}
            }
        }
        let gone = old.iter().filter(|(name, _)| find(new, name).is_none());
        differences.removed.extend(gone.map(|(name, _)| name.clone()));
        differences
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    /// Whether what runs under this name is not what is to run.
    pub fn ends(&self, name: &N) -> bool {
        self.changed.contains(name) || self.removed.contains(name)
    }

    /// Whether what is to run under this name does not run.
    pub fn begins(&self, name: &N) -> bool {
        self.changed.contains(name) || self.added.contains(name)
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = Vec::new();
        if self.mesh {
            said.push("how MESH is reached changed".to_owned());
        }
        if self.send {
            said.push("bounds of sending changed".to_owned());
        }
        if self.routes {
            said.push("routes changed".to_owned());
        }
        tell(&mut said, "mailbox", &self.mailboxes);
        tell(&mut said, "adapter", &self.adapters);
        if said.is_empty() { f.write_str("nothing changed") } else { f.write_str(&said.join("; ")) }
    }
}

fn tell<N: fmt::Display>(said: &mut Vec<String>, what: &str, differences: &Differences<N>) {
    let Differences { added, removed, changed } = differences;
    for (names, word) in [(added, "added"), (removed, "removed"), (changed, "changed")] {
        said.extend(names.iter().map(|name| format!("{what} {name} {word}")));
    }
}
