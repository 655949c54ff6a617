//! The `[[test]]`s of a configuration: each asks the very functions that the relay asks.

use relay_config::{Faults, InDoubt, TestCase, TestSection};
use relay_core::{Arrival, Choice, DoubtStrategy, Envelope, Router, SendPolicy};

use crate::routing::ordinal;

/// Runs them all. Each that fails is a fault that says what was chosen, and why.
pub(crate) fn run(tests: &[TestSection], router: &Router, send: &SendPolicy, faults: &mut Faults) {
    for test in tests {
        let (key, failed) = match &test.case {
            TestCase::Inbound { mailbox, from, workflow, adapter } => {
                let arrival = Arrival { mailbox, from, workflow, reports_to: None };
                let choice = router.choose(&arrival);
                let failed = (choice.adapter() != Some(adapter)).then(|| told(choice));
                ("expect", failed)
            }
            TestCase::Outbound { from, to, workflow, in_doubt } => {
                let envelope = Envelope::new(from.clone(), to.clone(), workflow.clone());
                let chosen = send.in_doubt(&envelope);
                let failed = (chosen != strategy(*in_doubt)).then(|| {
                    let why = match send.route(&envelope) {
                        Some(index) => format!("by [[send.route]] {}", index + 1),
                        None => "as no [[send.route]] takes it".to_owned(),
                    };
                    format!("`{}`, {why}", word(chosen))
                });
                ("expect_in_doubt", failed)
            }
        };
        if let Some(found) = failed {
            let message = format!("the test {:?} fails: the routes choose {found}", test.name);
            let hint = "correct the routes, or what the test expects; `mesh-relay explain` shows each step";
            faults.push(test.section.fault(Some(key), message, hint));
        }
    }
}

/// Who takes a message and why, in words.
pub(crate) fn told(choice: Choice<'_>) -> String {
    match choice {
        Choice::Reported(adapter) => format!("{adapter}, which took the message that the report is about"),
        Choice::Route { index, to } => format!("{to}, by {}", ordinal(index)),
        Choice::Only(adapter) => {
            format!("{adapter}, as no route takes it and no other adapter takes the mailbox's messages")
        }
        Choice::Nobody => "nobody: no route takes it, and no adapter takes the mailbox's messages".to_owned(),
        Choice::Several => {
            "nobody: no route takes it, and several adapters take the mailbox's messages".to_owned()
        }
    }
}

/// What is done in doubt, as the engine has it.
pub(crate) fn strategy(configured: InDoubt) -> DoubtStrategy {
    match configured {
        InDoubt::Probe => DoubtStrategy::Probe,
        InDoubt::TwoStep => DoubtStrategy::TwoStep,
        InDoubt::Resend => DoubtStrategy::Resend,
        InDoubt::Park => DoubtStrategy::Park,
    }
}

/// What is done in doubt, as it is configured.
pub(crate) fn word(strategy: DoubtStrategy) -> &'static str {
    match strategy {
        DoubtStrategy::Probe => "probe",
        DoubtStrategy::TwoStep => "two-step",
        DoubtStrategy::Resend => "resend",
        DoubtStrategy::Park => "park",
    }
}
