//! `[[mailbox]]`: one mailbox that the relay serves.

use std::time::Duration;

use mesh_api::MailboxId;
use serde::Deserialize;

use crate::environment::{Environment, NHS_POLL_MIN};
use crate::fault::Faults;
use crate::quantity::Interval;
use crate::secret::SecretRef;
use crate::section::Section;

/// A section `[[mailbox]]`. At least one is required.
#[derive(Debug, Clone)]
pub struct MailboxSection {
    /// `id`: the mailbox, in upper case. Required and unique.
    pub id: MailboxId,
    /// `password`: the password of the mailbox. Required.
    pub password: SecretRef,
    /// `poll`: pause between two looks at the inbox. Default [`Environment::poll_default`]; with NHS England's
    /// servers at least 5 min.
    pub poll: Duration,
    /// The section, for faults that are found later.
    pub section: Section,
}

#[derive(Deserialize)]
struct Entries {
    id: Option<MailboxId>,
    password: Option<SecretRef>,
    poll: Option<Interval>,
}

impl MailboxSection {
    /// `environment` is unknown when it has a fault of its own; the bound on `poll` is then not checked.
    pub(crate) fn read(
        section: Section,
        environment: Option<&Environment>,
        taken: &mut Vec<MailboxId>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let entries: Entries = section.read(&[], faults).0?;
        let id = section.require("id", entries.id, "such as id = \"X26HC005\"", faults);
        let hint = "such as password = { file = \"x26hc005.pass\" } or { env = \"NAME\" }";
        let password = section.require("password", entries.password, hint, faults);
        if let Some(id) = &id {
            if taken.contains(id) {
                let hint = Some("case does not count; give each mailbox one section".to_owned());
                faults.push(section.fault(Some("id"), format!("the mailbox {id} stands here twice"), hint));
            }
            taken.push(id.clone());
        }
        if let Some(poll) = entries.poll.map(Interval::get) {
            check_poll(&section, poll, environment, faults);
        }
        let poll = entries.poll.map(Interval::get).or_else(|| environment.map(Environment::poll_default));
        Some(Self { id: id?, password: password?, poll: poll?, section })
    }
}

fn check_poll(section: &Section, poll: Duration, environment: Option<&Environment>, faults: &mut Faults) {
    if environment.is_some_and(Environment::is_nhs) && poll < NHS_POLL_MIN {
        let hint =
            Some("MESH allows at most one poll in 5 minutes: write poll = \"5m\" or leave it out".to_owned());
        faults.push(section.fault(Some("poll"), "`poll` is too short for this environment", hint));
    } else if poll.is_zero() {
        let hint = Some("leave it out for the default".to_owned());
        faults.push(section.fault(Some("poll"), "`poll` must be longer than nothing", hint));
    }
}
