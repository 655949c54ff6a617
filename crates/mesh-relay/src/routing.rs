//! The routes of a configuration: from `[[route]]` to what the relay asks, and to the sink of a mailbox.

use std::sync::Arc;

use relay_config::{AdapterSection, Faults, Loaded, RouteSection, did_you_mean};
use relay_core::{MailboxId, Pattern, Pauses, Route, RoutedSink, Router, Sink, Taker};

use crate::adapters::AdapterConfig;

/// An adapter's sink, and what is said of it in the configuration.
#[derive(Clone)]
pub struct Receiving {
    /// The adapter's configured name.
    pub adapter: String,
    /// The mailbox that it is for.
    pub mailbox: MailboxId,
    /// Where it puts messages.
    pub sink: Arc<dyn Sink>,
}

/// The sink of a mailbox, and the name of the adapter whose it is where that is one alone. `None`: nobody takes its
/// messages. `sinks` are those of all adapters that take messages from MESH.
pub fn sink_of(
    router: &Arc<Router>,
    sinks: &[Receiving],
    mailbox: &MailboxId,
    pauses: &Pauses,
) -> Option<(Arc<dyn Sink>, Option<String>)> {
    let own: Vec<&Receiving> = sinks.iter().filter(|known| known.mailbox == *mailbox).collect();
    let led: Vec<&str> = router.routes_of(mailbox).map(|(_, route)| route.to.as_str()).collect();
    if let ([only], true) = (&own[..], led.iter().all(|to| own.iter().any(|known| known.adapter == *to))) {
        // Whatever the routes say, there is one place.
        return Some((Arc::clone(&only.sink), Some(only.adapter.clone())));
    }
    let is_taker = |known: &&Receiving| known.mailbox == *mailbox || led.contains(&known.adapter.as_str());
    let takers: Vec<Taker> = sinks
        .iter()
        .filter(is_taker)
        .map(|known| Taker {
            name: known.adapter.clone(),
            sink: Arc::clone(&known.sink),
            at_home: known.mailbox == *mailbox,
        })
        .collect();
    if takers.is_empty() {
        return None;
    }
    Some((Arc::new(RoutedSink::new(mailbox.clone(), Arc::clone(router), takers, pauses.clone())), None))
}

/// The router of a configuration. What is wrong with its routes goes to `faults`.
pub(crate) fn router(loaded: &Loaded<(AdapterSection, AdapterConfig)>, faults: &mut Faults) -> Router {
    let before = faults.len();
    let mailboxes: Vec<MailboxId> = loaded.mailboxes.iter().map(|mailbox| mailbox.id.clone()).collect();
    let routes: Vec<Route> = loaded
        .routes
        .iter()
        .filter_map(|section| route(section, &loaded.adapters, &mailboxes, faults))
        .collect();
    let receivers = loaded.adapters.iter().filter(|(_, config)| config.receives());
    let receivers = receivers.map(|(section, config)| (config.mailbox().clone(), section.name.clone()));
    let router = Router::new(routes, receivers.collect());
    // With a route missing, others would be blamed for what it does.
    if faults.len() > before {
        return router;
    }
    for (index, section) in loaded.routes.iter().enumerate() {
        if let Some(earlier) = router.hidden_by(index, &mailboxes) {
            let message = format!("nothing comes to this route: {} takes all of it before", ordinal(earlier));
            let hint =
                "the first route that fits holds: put the narrower one before the wider one, or remove it";
            faults.push(section.section.fault(None, message, hint));
        }
    }
    for mailbox in &mailboxes {
        check_all_taken(mailbox, &router, loaded, faults);
    }
    router
}

/// A route in words, such as `route 1`: people count from 1.
pub(crate) fn ordinal(index: usize) -> String {
    format!("route {}", index + 1)
}

fn route(
    section: &RouteSection,
    adapters: &[(AdapterSection, AdapterConfig)],
    mailboxes: &[MailboxId],
    faults: &mut Faults,
) -> Option<Route> {
    let RouteSection { mailbox, from, workflow, to, section } = section;
    let Some((_, config)) = adapters.iter().find(|(adapter, _)| adapter.name == *to) else {
        let known: Vec<&str> = adapters.iter().map(|(adapter, _)| adapter.name.as_str()).collect();
        let hint = did_you_mean(to, &known);
        faults.push(section.fault(Some("to"), format!("there is no adapter `{to}`"), hint));
        return None;
    };
    if !config.receives() {
        let message = format!("adapter {to} takes no messages from MESH");
        let hint = format!("give {to} an `inbound`, or name an adapter that has one");
        faults.push(section.fault(Some("to"), message, hint));
        return None;
    }
    let pattern = Pattern::new(mailbox.clone().unwrap_or_else(|| config.mailbox().to_string()));
    let concerned: Vec<&MailboxId> =
        mailboxes.iter().filter(|mailbox| pattern.matches(mailbox.as_str())).collect();
    // An adapter of a mailbox that is not configured has its fault already.
    if concerned.is_empty() && mailbox.is_some() {
        let known: Vec<&str> = mailboxes.iter().map(MailboxId::as_str).collect();
        let message = format!("no mailbox {pattern} is configured, so nothing comes to this route");
        let hint = did_you_mean(&pattern.to_string(), &known);
        faults.push(section.fault(Some("match.mailbox"), message, hint));
        return None;
    }
    let stranger = concerned.iter().find(|mailbox| ***mailbox != *config.mailbox());
    if let (Some(stranger), Some(why)) = (stranger, config.keeps_to_its_mailbox()) {
        let message = format!("adapter {to} takes no messages of mailbox {stranger}: {why}");
        let hint =
            format!("add an adapter of the same kind for mailbox {stranger}, and lead its messages there");
        faults.push(section.fault(Some("to"), message, hint));
        return None;
    }
    let pattern_of = |text: &Option<String>| text.as_ref().map(Pattern::new);
    Some(Route { mailbox: pattern, from: pattern_of(from), workflow: pattern_of(workflow), to: to.clone() })
}

/// A fault where a message of this mailbox could be nobody's, or that of several.
fn check_all_taken(
    mailbox: &MailboxId,
    router: &Router,
    loaded: &Loaded<(AdapterSection, AdapterConfig)>,
    faults: &mut Faults,
) {
    if router.decides_all(mailbox) {
        return;
    }
    let receivers: Vec<&str> = router.receivers(mailbox).collect();
    match (&receivers[..], router.routes_of(mailbox).last()) {
        ([first, second, ..], last) => {
            let names = receivers.join(" and ");
            let message = format!(
                "{names} both take the messages of mailbox {mailbox}, and no route says which takes what"
            );
            let message = match last {
                Some(_) => format!(
                    "{names} take the messages of mailbox {mailbox}, and no route takes all the others"
                ),
                None => message,
            };
            let hint = format!(
                "end the routes with [[route]] match = {{ mailbox = \"{mailbox}\" }}, to = \"{first}\""
            );
            let section = loaded.adapters.iter().find(|(section, _)| section.name == **second);
            faults.extend(section.map(|(section, _)| section.fault(Some("mailbox"), message, hint)));
        }
        (_, Some((index, _))) => {
            let message = format!(
                "no adapter is for messages from MESH in mailbox {mailbox}, and no route takes all that this one leaves"
            );
            let hint = format!("add a last [[route]] with match = {{ mailbox = \"{mailbox}\" }}");
            faults.extend(loaded.routes.get(index).map(|route| route.section.fault(None, message, hint)));
        }
        (_, None) => {}
    }
}
