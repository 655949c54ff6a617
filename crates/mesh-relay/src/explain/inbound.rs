//! A message from MESH: which adapter takes it.

use relay_core::{Arrival, Choice, Route};

use super::headers::Arrived;
use super::{Explained, Step, Way};
use crate::config_tests::told;
use crate::routing::ordinal;
use crate::settings::Plan;

pub(super) fn explain(plan: &Plan, arrived: &Arrived) -> Explained {
    let Arrived { mailbox, from, workflow, report, adapter } = arrived;
    let reports_to = adapter.as_deref().filter(|_| *report);
    let arrival = Arrival { mailbox, from, workflow, reports_to };
    let mut explained = Explained {
        way: Way::In,
        mailbox: Some(mailbox.to_string()),
        taken: false,
        adapter: None,
        steps: Vec::new(),
        result: String::new(),
        sending: None,
    };
    let Some(policy) = plan.receive(mailbox) else {
        explained.result = format!("nobody: mailbox {mailbox} is not configured");
        return explained;
    };
    // Reports are always taken.
    if !report && policy.unknown == relay_core::UnknownWorkflow::Leave && !policy.knows(workflow) {
        let why = "its workflow is none of `workflows`, and `unknown_workflow` is leave";
        explained.steps.push(Step::new(format!("mailbox {mailbox}"), true, why));
        explained.result = "it stays at MESH".to_owned();
        return explained;
    }
    let choice = plan.router.choose(&arrival);
    if let Some(name) = reports_to {
        let holds = matches!(choice, Choice::Reported(_));
        let why = match holds {
            true => format!("{name} took the message that it is about"),
            false => format!("{name} takes no messages of mailbox {mailbox}"),
        };
        explained.steps.push(Step::new("reports", holds, why));
    }
    if !matches!(choice, Choice::Reported(_)) {
        for (index, route) in plan.router.routes().iter().enumerate() {
            let step = of_route(index, route, plan.route_lines.get(index).copied(), &arrival);
            let holds = step.holds;
            explained.steps.push(step);
            if holds {
                break;
            }
        }
    }
    explained.adapter = choice.adapter().map(str::to_owned);
    explained.taken = explained.adapter.is_some();
    explained.result = told(choice);
    explained
}

fn of_route(index: usize, route: &Route, line: Option<usize>, arrival: &Arrival<'_>) -> Step {
    let rule = match line {
        Some(line) => format!("{} (line {line})", ordinal(index)),
        None => ordinal(index),
    };
    let shown = |text: &str| if text.is_empty() { "not given".to_owned() } else { format!("{text:?}") };
    match route.misfit(arrival) {
        None => Step::new(rule, true, format!("leads to {}", route.to)),
        Some(part) => {
            let (pattern, value) = match part {
                relay_core::route::Part::Mailbox => (Some(&route.mailbox), arrival.mailbox.as_str()),
                relay_core::route::Part::From => (route.from.as_ref(), arrival.from),
                relay_core::route::Part::Workflow => (route.workflow.as_ref(), arrival.workflow),
            };
            let pattern = pattern.map(ToString::to_string).unwrap_or_default();
            Step::new(rule, false, format!("{part} is {}, and the route takes {pattern:?}", shown(value)))
        }
    }
}
