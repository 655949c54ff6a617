//! `[[mailbox]]`: one mailbox that the relay serves.

use std::time::Duration;

use mesh_api::MailboxId;
use mesh_api::path::WorkflowFilter;
use schemars::JsonSchema;
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
    /// `workflows`: the workflows that are expected, in MESH's filter grammar, such as `"PATH_*"`. When much waits, each
    /// has its turn, and all others come after them. Empty, the default: there is no difference.
    pub workflows: Vec<WorkflowFilter>,
    /// `unknown_workflow`: what happens to messages of any other workflow. Default `deliver`.
    pub unknown_workflow: UnknownWorkflow,
    /// `track`: whether MESH is asked, now and then, if sent messages were collected. Default true.
    pub track: bool,
    /// The section, for faults that are found later.
    pub section: Section,
}

/// What happens to a message of a workflow that is not expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownWorkflow {
    /// `deliver`: it is delivered like any other, after the expected ones.
    #[default]
    Deliver,
    /// `leave`: it stays at MESH, which reports it to its sender when it expires.
    Leave,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Entries {
    /// The mailbox, in upper case. Required and unique.
    #[schemars(required, with = "Option<String>")]
    id: Option<MailboxId>,
    /// The password of the mailbox. Required.
    #[schemars(required)]
    password: Option<SecretRef>,
    /// Pause between two looks at the inbox. Default 1 s on this machine, 5 min elsewhere; with NHS England's servers
    /// at least 5 min.
    poll: Option<Interval>,
    /// The workflows that are expected, in MESH's filter grammar, such as `"PATH_*"`. When much waits, each has its
    /// turn, and all others come after them. Empty, the default: there is no difference.
    #[schemars(extend("default" = serde_json::json!([])))]
    workflows: Option<Vec<String>>,
    /// What happens to messages of any other workflow. Default `deliver`.
    #[schemars(extend("default" = "deliver"))]
    unknown_workflow: Option<UnknownWorkflow>,
    /// Whether MESH is asked, now and then, if sent messages were collected. Default true.
    #[schemars(extend("default" = true))]
    track: Option<bool>,
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
                let hint = "case does not count; give each mailbox one section";
                faults.push(section.fault(Some("id"), format!("the mailbox {id} stands here twice"), hint));
            }
            taken.push(id.clone());
        }
        if let Some(poll) = entries.poll.map(Interval::get) {
            check_poll(&section, poll, environment, faults);
        }
        let poll = entries.poll.map(Interval::get).or_else(|| environment.map(Environment::poll_default));
        let workflows = filters(&section, entries.workflows.unwrap_or_default(), faults);
        let unknown_workflow = entries.unknown_workflow.unwrap_or_default();
        if unknown_workflow == UnknownWorkflow::Leave && workflows.is_empty() {
            let hint = "name the expected ones, such as workflows = [\"PATH_*\"]";
            let message = "without `workflows` no workflow is unknown";
            faults.push(section.fault(Some("unknown_workflow"), message, hint));
        }
        let track = entries.track.unwrap_or(true);
        Some(Self { id: id?, password: password?, poll: poll?, workflows, unknown_workflow, track, section })
    }
}

fn filters(section: &Section, texts: Vec<String>, faults: &mut Faults) -> Vec<WorkflowFilter> {
    let mut filters = Vec::new();
    for text in texts {
        match text.parse::<WorkflowFilter>() {
            Ok(filter) => filters.push(filter),
            Err(error) => {
                let hint = "write a workflow id, perhaps with `*` behind it or on both sides, and `!` before it for all \
                            others";
                faults.push(section.fault(Some("workflows"), error.to_string(), hint));
            }
        }
    }
    filters
}

fn check_poll(section: &Section, poll: Duration, environment: Option<&Environment>, faults: &mut Faults) {
    if environment.is_some_and(Environment::is_nhs) && poll < NHS_POLL_MIN {
        let hint = "MESH allows at most one poll in 5 minutes: write poll = \"5m\" or leave it out";
        faults.push(section.fault(Some("poll"), "`poll` is too short for this environment", hint));
    } else if poll.is_zero() {
        let hint = "leave it out for the default";
        faults.push(section.fault(Some("poll"), "`poll` must be longer than nothing", hint));
    }
}
