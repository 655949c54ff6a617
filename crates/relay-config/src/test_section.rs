//! `[[test]]`: what the routes are meant to do, checked whenever the configuration is read.

use std::str::FromStr;

use mesh_api::{IdError, MailboxId, Recipient, WorkflowId};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::fault::Faults;
use crate::section::Section;
use crate::send::InDoubt;

/// What to write as the workflow.
const WORKFLOW: &str = "such as workflow = \"PATH_MEDRPT_V3\"";

/// One `[[test]]`.
#[derive(Debug, Clone)]
pub struct TestSection {
    /// `name`: what is tested, for people. Required.
    pub name: String,
    /// What is expected of which message.
    pub case: TestCase,
    /// The section, for faults that are found later.
    pub section: Section,
}

/// A message, and what is expected of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestCase {
    /// A message from MESH.
    Inbound {
        /// `message.mailbox`: in whose inbox it is. Required.
        mailbox: MailboxId,
        /// `message.from`: its sender. Empty, the default, as on MESH's own reports.
        from: String,
        /// `message.workflow`: its workflow id. Required.
        workflow: String,
        /// `expect`: the adapter that takes it.
        adapter: String,
    },
    /// A message for MESH.
    Outbound {
        /// `message.from`: the mailbox that sends it. Required.
        from: MailboxId,
        /// `message.to`: who it is for. Required.
        to: Recipient,
        /// `message.workflow`: its workflow id. Required.
        workflow: WorkflowId,
        /// `expect_in_doubt`: what is done when nobody knows whether MESH has it.
        in_doubt: InDoubt,
    },
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Entries {
    /// What is tested, for people. Required.
    #[schemars(required)]
    name: Option<String>,
    /// The message: `mailbox`, `from` and `workflow` of one from MESH; `from`, `to` and `workflow` of one for MESH.
    /// Required.
    #[schemars(required)]
    message: Option<MessageEntries>,
    /// The adapter that takes a message from MESH. This or `expect_in_doubt` is required.
    expect: Option<String>,
    /// What is done when nobody knows whether MESH has a message for MESH.
    expect_in_doubt: Option<InDoubt>,
}

#[derive(Deserialize, JsonSchema)]
struct MessageEntries {
    /// In whose inbox it is.
    #[schemars(with = "Option<String>")]
    mailbox: Option<MailboxId>,
    /// Its sender; none, as on MESH's own reports, unless given.
    from: Option<String>,
    /// Who it is for.
    to: Option<String>,
    /// Its workflow id. Required.
    workflow: Option<String>,
}

impl TestSection {
    pub(crate) fn read(section: Section, faults: &mut Faults) -> Option<Self> {
        let (entries, sound) = section.read::<Entries>(&[], faults);
        let Entries { name, message, expect, expect_in_doubt } = entries?;
        let hint = "such as name = \"pathology reports go to the laboratory\"";
        let name = section.require("name", name, hint, faults);
        let hint =
            "such as message = { mailbox = \"X26HC005\", from = \"X26ABC1\", workflow = \"PATH_MEDRPT_V3\" }";
        let message = section.require("message", message, hint, faults);
        let case = match (expect, expect_in_doubt) {
            (Some(adapter), None) => inbound(&section, message?, adapter, faults),
            (None, Some(in_doubt)) => outbound(&section, message?, in_doubt, faults),
            (Some(_), Some(_)) => {
                let message = "a test is about a message from MESH or about one for MESH, not about both";
                let hint = "leave one of `expect` and `expect_in_doubt` out, or make two tests";
                faults.push(section.fault(Some("expect_in_doubt"), message, hint));
                None
            }
            (None, None) => {
                // One that was not sound has its fault already.
                if sound {
                    let hint = "write expect = \"adapter\" for a message from MESH, or expect_in_doubt = \"two-step\" for \
                                one for MESH";
                    let message = "the test expects nothing";
                    faults.push(section.fault(None, message, hint));
                }
                None
            }
        };
        Some(Self { name: name?, case: case?, section })
    }
}

fn inbound(
    section: &Section,
    message: MessageEntries,
    adapter: String,
    faults: &mut Faults,
) -> Option<TestCase> {
    let MessageEntries { mailbox, from, to, workflow } = message;
    if to.is_some() {
        let hint = "leave `to` out: a message from MESH is in the inbox that `mailbox` names";
        let message = "`to` is of messages for MESH, and `expect` of messages from MESH";
        faults.push(section.fault(Some("message.to"), message, hint));
    }
    let hint = "such as mailbox = \"X26HC005\": the mailbox in whose inbox the message is";
    let mailbox = section.require("message.mailbox", mailbox, hint, faults);
    let workflow = section.require("message.workflow", workflow, WORKFLOW, faults);
    Some(TestCase::Inbound {
        mailbox: mailbox?,
        from: from.unwrap_or_default(),
        workflow: workflow?,
        adapter,
    })
}

fn outbound(
    section: &Section,
    message: MessageEntries,
    in_doubt: InDoubt,
    faults: &mut Faults,
) -> Option<TestCase> {
    let MessageEntries { mailbox, from, to, workflow } = message;
    if mailbox.is_some() {
        let hint = "leave `mailbox` out: `from` is the mailbox that sends";
        let message = "`mailbox` is of messages from MESH, and `expect_in_doubt` of messages for MESH";
        faults.push(section.fault(Some("message.mailbox"), message, hint));
    }
    let hint = "such as from = \"X26HC005\": the mailbox that sends the message";
    let from = section.require("message.from", from, hint, faults);
    let hint = "such as to = \"X26ABC1\": the mailbox that the message is for";
    let to = section.require("message.to", to, hint, faults);
    let workflow = section.require("message.workflow", workflow, WORKFLOW, faults);
    let from = parsed(section, "message.from", from, faults);
    let to = parsed(section, "message.to", to, faults);
    let workflow = parsed(section, "message.workflow", workflow, faults);
    Some(TestCase::Outbound { from: from?, to: to?, workflow: workflow?, in_doubt })
}

/// A text of the message as what it should be.
fn parsed<T: FromStr<Err = IdError>>(
    section: &Section,
    key: &str,
    text: Option<String>,
    faults: &mut Faults,
) -> Option<T> {
    let wrong = |error: IdError| {
        let hint = "write it as messages have it";
        faults.push(section.fault(Some(key), error.to_string(), hint));
    };
    text?.parse().map_err(wrong).ok()
}
