//! What wants attention, in words: one line for each thing, gravest first, with where to look. The same lines are the
//! conditions of incidents, so that people are alerted to what they then see.

use jiff::{SignedDuration, Timestamp};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use relay_core::incident::{CERTIFICATE_DAYS, UNCOLLECTED_HOURS};
use relay_core::{Condition, Direction, IncidentKind, Part, Pausable, Trouble};
use serde::Serialize;
use utoipa::ToSchema;

use crate::overview::{FAILED_MOST, Facts};
use crate::words::{capital, count, roughly, size, time};

/// States of a message to MESH that failed.
pub(crate) const FAILED: &[&str] = &["undelivered", "rejected", "expired", "unknown_outcome"];

/// MESH wants a handshake each 24 hours; an hour later none is late.
const HANDSHAKE_LATE: SignedDuration = SignedDuration::from_hours(25);
/// How far the machine's clock may be from MESH's before that is worth a line; MESH takes two hours.
const CLOCK_WRONG: SignedDuration = SignedDuration::from_mins(5);
/// And from which on it is grave.
const CLOCK_GRAVE: SignedDuration = SignedDuration::from_mins(60);
/// What an incident of the clock is about.
pub(crate) const CLOCK: &str = "clock";
/// How much of a disk must be free, in percent ...
const FREE_PERCENT_MIN: u64 = 5;
/// ... unless this many bytes are.
const FREE_BYTES_MIN: u64 = 2_000_000_000;
/// How long a message may stay uncollected: then its first warning is due.
const UNCOLLECTED: SignedDuration = SignedDuration::from_hours(24);
/// Days before a certificate's end from which on it is worth a line.
const CERTIFICATE_SOON_DAYS: i64 = 30;
/// And from which on it is grave.
const CERTIFICATE_NOW_DAYS: i64 = 7;
/// A look into the inbox is late when it is this many times its pause overdue.
const POLL_LATE: i64 = 3;
/// Shortest time after which a look into the inbox counts as late, in seconds.
const POLL_LATE_MIN: i64 = 60;
/// Most lines about partners that do not collect.
const PARTNER_LINES_MAX: usize = 10;

/// One thing that wants attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct TroubleLine {
    /// Whether messages may be standing still because of it.
    pub(crate) grave: bool,
    /// What it is and what to do.
    pub(crate) text: String,
    /// Where to look, as a path of the operator page.
    pub(crate) link: Option<String>,
}

fn line(grave: bool, text: String, link: impl Into<Option<String>>) -> TroubleLine {
    TroubleLine { grave, text, link: link.into() }
}

/// Lines, and the conditions that some of them are.
#[derive(Default)]
struct Findings {
    lines: Vec<TroubleLine>,
    conditions: Vec<Condition>,
}

impl Findings {
    fn push(&mut self, line: TroubleLine) {
        self.lines.push(line);
    }

    /// A line that is a condition as well.
    fn of(&mut self, kind: IncidentKind, about: impl Into<String>, line: TroubleLine) {
        self.at_level(kind, about, 0, &line);
        self.lines.push(line);
    }

    /// A condition at one of its levels.
    fn at_level(&mut self, kind: IncidentKind, about: impl Into<String>, level: u32, line: &TroubleLine) {
        let (grave, text) = (line.grave, line.text.clone());
        self.conditions.push(Condition { kind, about: about.into(), level, grave, text });
    }
}

/// Finds what wants attention, and what of it may be an incident.
pub(crate) fn find(facts: &Facts<'_>) -> (Vec<TroubleLine>, Vec<Condition>) {
    let mut lines = Findings::default();
    of_this_instance(facts, &mut lines);
    of_mailboxes(facts, &mut lines);
    of_adapters(facts, &mut lines);
    of_certificates(facts, &mut lines);
    for pause in facts.pauses {
        let link = match &pause.what {
            Pausable::Mailbox(id) => format!("/mailboxes/{id}/pause"),
            Pausable::Adapter(name) => {
                format!("/adapters/{}/pause", utf8_percent_encode(name, NON_ALPHANUMERIC))
            }
        };
        lines.push(line(
            true,
            format!("{}. Nothing of it moves until somebody resumes it.", capital(&pause.to_string())),
            link,
        ));
    }
    of_messages(facts, &mut lines);
    of_partners(facts, &mut lines);
    let Findings { mut lines, conditions } = lines;
    lines.sort_by_key(|line| !line.grave);
    (lines, conditions)
}

/// What needs no journal to be seen, and the machine beneath.
fn of_this_instance(facts: &Facts<'_>, lines: &mut Findings) {
    for condition in facts.own {
        let text = format!("{}.", capital(condition.text.trim_end_matches('.')));
        lines.push(line(condition.grave, text, None));
    }
    for volume in facts.volumes {
        let percent = volume.free.saturating_mul(100) / volume.total.max(1);
        if percent < FREE_PERCENT_MIN && volume.free < FREE_BYTES_MIN {
            let text = format!(
                "The disk of {} is nearly full: {} of {} are free. Make room; without any, nothing is carried.",
                volume.name,
                size(volume.free),
                size(volume.total)
            );
            lines.of(IncidentKind::DiskNearlyFull, volume.name.clone(), line(true, text, None));
        }
    }
    if let Some(skew) = facts.clock_skew.filter(|skew| skew.abs() >= CLOCK_WRONG) {
        let (far, way) =
            (roughly(skew.abs().as_secs()), if skew.is_positive() { "behind" } else { "ahead of" });
        let text = format!(
            "This machine's clock is {far} {way} MESH's. MESH refuses all calls when it is two hours; set the clock."
        );
        let is_grave = skew.abs() >= CLOCK_GRAVE;
        lines.of(IncidentKind::ClockWrong, CLOCK, line(is_grave, text, None));
    }
}

fn of_mailboxes(facts: &Facts<'_>, lines: &mut Findings) {
    let waits_long = SignedDuration::try_from(facts.waits_long).unwrap_or(SignedDuration::MAX);
    for (view, times, status) in facts.mailboxes {
        let link = || format!("/mailboxes/{}", view.id);
        for (part, trouble) in [(Part::Receiving, &status.receiving), (Part::Sending, &status.sending)] {
            let Some(Trouble { since, is_refusal, what }) = trouble else { continue };
            let does = match part {
                Part::Receiving => "cannot be read; messages stay at MESH",
                Part::Sending => "cannot be sent from; messages stay where they are",
            };
            let lasts = roughly(seconds(*since, facts.now));
            let kind =
                if *is_refusal { IncidentKind::CredentialsRefused } else { IncidentKind::MeshUnreachable };
            let text = format!("Mailbox {} {does}, for {lasts}: {what}.", view.id);
            lines.of(kind, view.id.clone(), line(true, text, link()));
        }
        match times.handshake_at {
            Some(at) if facts.now.duration_since(at) > HANDSHAKE_LATE => {
                let text = format!(
                    "Mailbox {}: the last handshake with MESH was {}. MESH wants one each day.",
                    view.id,
                    time(at)
                );
                lines.push(line(true, text, link()));
            }
            None => lines.push(line(
                false,
                format!("Mailbox {}: no handshake with MESH was made yet.", view.id),
                link(),
            )),
            Some(_) => {}
        }
        let poll = i64::try_from(view.poll_seconds).unwrap_or(i64::MAX);
        let late = poll.saturating_mul(POLL_LATE).max(POLL_LATE_MIN);
        // Nobody looks into an inbox that no adapter takes messages of, or whose adapter is paused.
        let is_looked_into = facts
            .adapters
            .iter()
            .any(|adapter| adapter.mailbox == view.id && adapter.ready.is_some() && adapter.paused.is_none());
        if let Some(at) = times.polled_at
            && view.paused.is_none()
            && is_looked_into
            && seconds(at, facts.now) > late
        {
            let text = format!(
                "Mailbox {}: its inbox was last looked into {} ago, and should be every {}.",
                view.id,
                roughly(seconds(at, facts.now)),
                roughly(poll)
            );
            lines.push(line(true, text, link()));
        }
        for (way, open) in [("to", &view.outbound), ("from", &view.inbound)] {
            if let (Some(since), Some(oldest)) = (open.since, &open.oldest)
                && facts.now.duration_since(since) > waits_long
            {
                let text = format!(
                    "Mailbox {}: the oldest message on its way {way} MESH has been there for {}.",
                    view.id,
                    roughly(seconds(since, facts.now))
                );
                let about = format!("{} {way} MESH", view.id);
                lines.of(IncidentKind::MessageWaits, about, line(false, text, format!("/messages/{oldest}")));
            }
        }
    }
}

fn of_adapters(facts: &Facts<'_>, lines: &mut Findings) {
    for adapter in facts.adapters {
        if let Some(trouble) = &adapter.trouble {
            let text = format!("Adapter {} cannot take messages from MESH: {trouble}.", adapter.name);
            lines.of(IncidentKind::AdapterNotReady, adapter.name.clone(), line(true, text, None));
        }
    }
}

fn of_certificates(facts: &Facts<'_>, lines: &mut Findings) {
    for certificate in facts.certificates {
        let days = certificate.days_left;
        let text = if days < 0 {
            format!("The certificate for {} has ended on {}.", certificate.name, time(certificate.ends))
        } else if CERTIFICATE_DAYS.iter().any(|told| days < i64::from(*told)) {
            let left = count(days.unsigned_abs(), "day", "days");
            format!("The certificate for {} ends in {left}, on {}.", certificate.name, time(certificate.ends))
        } else {
            continue;
        };
        let advice = "Put a new one in its place; the relay takes it without a restart.";
        let line = line(days < CERTIFICATE_NOW_DAYS, format!("{text} {advice}"), None);
        // Each of the days at which it is told is a level.
        let level = CERTIFICATE_DAYS.iter().filter(|told| days < i64::from(**told)).count();
        lines.at_level(IncidentKind::CertificateEnds, certificate.name.clone(), level as u32, &line);
        if days < CERTIFICATE_SOON_DAYS {
            lines.push(line);
        }
    }
}

fn of_messages(facts: &Facts<'_>, lines: &mut Findings) {
    let listed = |direction: Direction, state: &str| {
        format!("/messages?direction={}&state={state}", direction.as_str())
    };
    let be = |number: u64| if number == 1 { "is" } else { "are" };
    let messages = |number: u64| count(number, "message", "messages");
    if facts.in_doubt > 0 {
        let text = format!(
            "{} {} in doubt: MESH may have it, and is asked. What cannot be found out is parked.",
            messages(facts.in_doubt),
            be(facts.in_doubt)
        );
        lines.of(
            IncidentKind::InDoubt,
            "to MESH",
            line(false, text, listed(Direction::Outbound, "in_doubt")),
        );
    }
    for (direction, parked) in
        [(Direction::Outbound, facts.parked_outbound), (Direction::Inbound, facts.parked_inbound)]
    {
        let way = if direction == Direction::Outbound { "to" } else { "from" };
        if parked > 0 {
            let waits = if parked == 1 { "waits" } else { "wait" };
            let text =
                format!("{} {way} MESH {} parked and {waits} for a person.", messages(parked), be(parked));
            lines.of(
                IncidentKind::Parked,
                format!("{way} MESH"),
                line(false, text, listed(direction, "parked")),
            );
        }
    }
    for (state, failed) in facts.failed_lately.iter().filter(|(_, failed)| *failed > 0) {
        let least = if *failed >= FAILED_MOST { "At least " } else { "" };
        let words = crate::words::state(state).name.to_lowercase();
        let text = format!("{least}{} to MESH in the last 24 hours: {words}.", messages(*failed));
        lines.of(IncidentKind::Undelivered, *state, line(false, text, listed(Direction::Outbound, state)));
    }
}

fn of_partners(facts: &Facts<'_>, lines: &mut Findings) {
    let partners = match facts.partners {
        Ok(partners) => partners,
        Err(why) => {
            let text = format!("Whether partners collect their messages is not known now: {why}.");
            return lines.push(line(false, text, None));
        }
    };
    let mut silent: Vec<_> = partners
        .iter()
        .filter_map(|partner| {
            let since = partner.uncollected_since?;
            (facts.now.duration_since(since) > UNCOLLECTED).then_some((since, partner))
        })
        .collect();
    silent.sort_by_key(|(since, _)| *since);
    let more = silent.len().saturating_sub(PARTNER_LINES_MAX);
    for (since, partner) in silent.into_iter().take(PARTNER_LINES_MAX) {
        let text = format!(
            "{} is not known to have collected {} of workflow {}, the oldest first seen {} ago. MESH gives up after five days.",
            partner.partner,
            count(partner.uncollected, "message", "messages"),
            partner.workflow,
            roughly(seconds(since, facts.now))
        );
        let line = line(false, text, "/partners".to_owned());
        let hours = facts.now.duration_since(since).as_hours();
        let level = UNCOLLECTED_HOURS.iter().filter(|told| hours >= i64::from(**told)).count();
        let about = format!("{} {}", partner.partner, partner.workflow);
        lines.at_level(IncidentKind::Uncollected, about, level as u32, &line);
        lines.push(line);
    }
    if more > 0 {
        let text =
            format!("{} more have not collected for over a day.", count(more as u64, "partner", "partners"));
        lines.push(line(false, text, "/partners".to_owned()));
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs()
}
