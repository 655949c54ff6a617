//! `[send]`: bounds of sending, and ways for some messages.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::fault::Faults;
use crate::quantity::{Interval, Rate};
use crate::route::check_pattern;
use crate::section::Section;

/// The section `[send]`, which may be left out. A value that is not configured is `None`; the relay's own
/// default then holds, named with each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SendSection {
    /// `in_flight`: messages of one mailbox on their way to MESH at a time, at least 1. Default 16.
    pub in_flight: Option<u32>,
    /// `retry_first`: wait after the first attempt that certainly failed; doubles from there. Default 30 s.
    pub retry_first: Option<Duration>,
    /// `retry_max`: longest wait between attempts. Default 30 min.
    pub retry_max: Option<Duration>,
    /// `give_up_after`: a message not accepted this long after it was first seen expires. Default 72 h.
    pub give_up_after: Option<Duration>,
    /// `doubt_wait`: wait before MESH is asked about a doubtful attempt. Default 2 min.
    pub doubt_wait: Option<Duration>,
    /// `rate`: how fast messages of one mailbox may go. Default: as fast as they can.
    pub rate: Option<Rate>,
    /// `recipient_rate`: how fast messages of one mailbox may go to one recipient. Default: as fast as they can.
    pub recipient_rate: Option<Rate>,
    /// `in_doubt`: what is done about a message of which nobody knows whether MESH has it. Default `probe`.
    pub in_doubt: InDoubt,
    /// `[[send.route]]`: other ways for some messages; the first whose `match` fits holds.
    pub routes: Vec<SendRouteSection>,
}

/// What is done about a message of which nobody knows whether MESH has it (`queue-bridging.md` 4.3 and 4.4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InDoubt {
    /// `probe`: MESH is asked by local id; what it does not have is sent again. Where it cannot be asked, a person
    /// decides.
    #[default]
    Probe,
    /// `two-step`: a message that may be chunked is cut in two at least, so that a lost answer leaves no doubt. Its
    /// recipient must be able to receive chunks. Any other is probed.
    TwoStep,
    /// `resend`: as `probe`, but where MESH cannot be asked, the message is sent again once; its recipient may then
    /// have it twice.
    Resend,
    /// `park`: as `probe`, but nothing is sent again; a person decides.
    Park,
}

/// One `[[send.route]]`. A pattern is the whole value or its beginning with `*` behind it; one that is left out stands
/// for any value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendRouteSection {
    /// `match.from`: the sending mailbox.
    pub from: Option<String>,
    /// `match.to`: the receiving mailbox.
    pub to: Option<String>,
    /// `match.workflow`: the workflow id.
    pub workflow: Option<String>,
    /// `in_doubt`, as in `[send]`.
    pub in_doubt: InDoubt,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Entries {
    /// Messages of one mailbox on their way to MESH at a time, at least 1. Default 16.
    #[schemars(extend("default" = 16))]
    in_flight: Option<u32>,
    /// Wait after the first attempt that certainly failed; doubles from there. Default 30 s.
    #[schemars(extend("default" = "30s"))]
    retry_first: Option<Interval>,
    /// Longest wait between attempts. Default 30 min.
    #[schemars(extend("default" = "30m"))]
    retry_max: Option<Interval>,
    /// A message not accepted this long after it was first seen expires. Default 72 h.
    #[schemars(extend("default" = "72h"))]
    give_up_after: Option<Interval>,
    /// Wait before MESH is asked about a doubtful attempt. Default 2 min.
    #[schemars(extend("default" = "2m"))]
    doubt_wait: Option<Interval>,
    /// How fast messages of one mailbox may go. Default: as fast as they can.
    rate: Option<Rate>,
    /// How fast messages of one mailbox may go to one recipient. Default: as fast as they can.
    recipient_rate: Option<Rate>,
    /// What is done about a message of which nobody knows whether MESH has it. Default `probe`.
    #[schemars(extend("default" = "probe"))]
    in_doubt: Option<InDoubt>,
    /// `[[send.route]]`: other ways for some messages; the first whose `match` fits holds.
    route: Option<Vec<RouteEntries>>,
}

#[derive(Deserialize, JsonSchema)]
struct RouteEntries {
    /// For which messages: `from`, `to`, `workflow`, each the whole value or its beginning with `*` behind it. What is
    /// left out stands for any value.
    r#match: Match,
    /// What is done about such a message when nobody knows whether MESH has it.
    in_doubt: InDoubt,
}

#[derive(Deserialize, JsonSchema)]
struct Match {
    /// The sending mailbox.
    from: Option<String>,
    /// The receiving mailbox.
    to: Option<String>,
    /// The workflow id.
    workflow: Option<String>,
}

impl SendSection {
    pub(crate) fn read(section: &Section, faults: &mut Faults) -> Option<Self> {
        let entries: Entries = section.read(&[], faults).0?;
        if entries.in_flight == Some(0) {
            let hint = "leave it out for the default of 16";
            faults.push(section.fault(Some("in_flight"), "`in_flight` must be at least 1", hint));
        }
        let waits = [
            ("retry_first", entries.retry_first),
            ("retry_max", entries.retry_max),
            ("give_up_after", entries.give_up_after),
            ("doubt_wait", entries.doubt_wait),
        ];
        for (key, wait) in waits {
            if wait.is_some_and(|wait| wait.get().is_zero()) {
                let hint = "leave it out for the default";
                faults.push(section.fault(Some(key), format!("`{key}` must be longer than nothing"), hint));
            }
        }
        if let (Some(first), Some(max)) = (entries.retry_first, entries.retry_max)
            && first > max
        {
            let hint = "the wait grows from `retry_first` to `retry_max`";
            faults.push(section.fault(Some("retry_max"), "`retry_max` is shorter than `retry_first`", hint));
        }
        for (key, rate) in [("rate", entries.rate), ("recipient_rate", entries.recipient_rate)] {
            if rate.is_some_and(|rate| rate.messages == 0 || rate.per().is_zero()) {
                let hint = "such as { messages = 60, per = \"1m\" }";
                faults.push(section.fault(Some(key), format!("`{key}` lets no message go"), hint));
            }
        }
        let routes = entries.route.unwrap_or_default();
        for (index, route) in routes.iter().enumerate() {
            let Match { from, to, workflow } = &route.r#match;
            for (key, text) in [("from", from), ("to", to), ("workflow", workflow)] {
                check_pattern(section, &format!("route.{index}.match.{key}"), text.as_deref(), faults);
            }
        }
        let routes = routes.into_iter().map(|route| {
            let Match { from, to, workflow } = route.r#match;
            SendRouteSection { from, to, workflow, in_doubt: route.in_doubt }
        });
        Some(Self {
            in_flight: entries.in_flight,
            retry_first: entries.retry_first.map(Interval::get),
            retry_max: entries.retry_max.map(Interval::get),
            give_up_after: entries.give_up_after.map(Interval::get),
            doubt_wait: entries.doubt_wait.map(Interval::get),
            rate: entries.rate,
            recipient_rate: entries.recipient_rate,
            in_doubt: entries.in_doubt.unwrap_or_default(),
            routes: routes.collect(),
        })
    }
}
