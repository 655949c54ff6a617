//! `[send]`: bounds of sending.

use std::time::Duration;

use serde::Deserialize;

use crate::fault::Faults;
use crate::quantity::Interval;
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
    /// `two_step`: cut every message that may be chunked in two at least, so that a lost answer leaves no doubt.
    /// Recipients must be able to receive chunks. Default false.
    pub two_step: bool,
}

#[derive(Deserialize)]
struct Entries {
    in_flight: Option<u32>,
    retry_first: Option<Interval>,
    retry_max: Option<Interval>,
    give_up_after: Option<Interval>,
    doubt_wait: Option<Interval>,
    two_step: Option<bool>,
}

impl SendSection {
    pub(crate) fn read(section: &Section, faults: &mut Faults) -> Option<Self> {
        let entries: Entries = section.read(&[], faults).0?;
        if entries.in_flight == Some(0) {
            let hint = Some("leave it out for the default of 16".to_owned());
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
                let hint = Some("leave it out for the default".to_owned());
                faults.push(section.fault(Some(key), format!("`{key}` must be longer than nothing"), hint));
            }
        }
        if let (Some(first), Some(max)) = (entries.retry_first, entries.retry_max)
            && first > max
        {
            let hint = Some("the wait grows from `retry_first` to `retry_max`".to_owned());
            faults.push(section.fault(Some("retry_max"), "`retry_max` is shorter than `retry_first`", hint));
        }
        Some(Self {
            in_flight: entries.in_flight,
            retry_first: entries.retry_first.map(Interval::get),
            retry_max: entries.retry_max.map(Interval::get),
            give_up_after: entries.give_up_after.map(Interval::get),
            doubt_wait: entries.doubt_wait.map(Interval::get),
            two_step: entries.two_step.unwrap_or_default(),
        })
    }
}
