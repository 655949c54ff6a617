//! Which adapter takes a message from MESH: one answer for the relay, for `explain` and for the tests of a configuration.

use std::fmt;

use mesh_api::MailboxId;

use crate::policy::Pattern;

/// Leads some messages from MESH to an adapter. A pattern that is absent stands for any value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The mailboxes in which the messages are found.
    pub mailbox: Pattern,
    /// The sender. MESH names none on its reports, so that a pattern of more than `*` takes no report.
    pub from: Option<Pattern>,
    /// The workflow id; on a report, that of the message that it is about.
    pub workflow: Option<Pattern>,
    /// The adapter that takes them, by its configured name.
    pub to: String,
}

/// What of a message does not fit a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The mailbox.
    Mailbox,
    /// The sender.
    From,
    /// The workflow id.
    Workflow,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mailbox => "mailbox",
            Self::From => "from",
            Self::Workflow => "workflow",
        })
    }
}

/// What of an item of an inbox decides who takes it.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The mailbox in which it was found.
    pub mailbox: &'a MailboxId,
    /// Its sender as MESH names it; empty where it names none.
    pub from: &'a str,
    /// Its workflow id as MESH names it.
    pub workflow: &'a str,
    /// On a report: the adapter that took the message that it is about, where that is known.
    pub reports_to: Option<&'a str>,
}

/// Who takes an item of an inbox, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice<'a> {
    /// The adapter whose message the report is about.
    Reported(&'a str),
    /// The adapter of a route.
    Route {
        /// Which route, from 0 in the order of the configuration.
        index: usize,
        /// The adapter.
        to: &'a str,
    },
    /// The only adapter that takes the mailbox's messages.
    Only(&'a str),
    /// No route takes it, and no adapter takes the mailbox's messages.
    Nobody,
    /// No route takes it, and several adapters take the mailbox's messages. A configuration with such a mailbox is not
    /// accepted.
    Several,
}

impl<'a> Choice<'a> {
    /// The adapter, if there is one.
    pub fn adapter(self) -> Option<&'a str> {
        match self {
            Self::Reported(adapter) | Self::Route { to: adapter, .. } | Self::Only(adapter) => Some(adapter),
            Self::Nobody | Self::Several => None,
        }
    }
}

impl Route {
    /// What of an item of an inbox does not fit, if anything.
    pub fn misfit(&self, arrival: &Arrival<'_>) -> Option<Part> {
        let fits = |pattern: &Option<Pattern>, text| pattern.as_ref().is_none_or(|p| p.matches(text));
        if !self.mailbox.matches(arrival.mailbox.as_str()) {
            Some(Part::Mailbox)
        } else if !fits(&self.from, arrival.from) {
            Some(Part::From)
        } else if !fits(&self.workflow, arrival.workflow) {
            Some(Part::Workflow)
        } else {
            None
        }
    }

    /// Whether it takes everything that `other` takes of the mailboxes that both concern.
    fn covers(&self, other: &Self) -> bool {
        covers(self.from.as_ref(), other.from.as_ref())
            && covers(self.workflow.as_ref(), other.workflow.as_ref())
    }

    fn takes_all(&self) -> bool {
        covers(self.from.as_ref(), None) && covers(self.workflow.as_ref(), None)
    }
}

fn covers(pattern: Option<&Pattern>, other: Option<&Pattern>) -> bool {
    match (pattern, other) {
        (None, _) => true,
        (Some(pattern), Some(other)) => pattern.covers(other),
        // A lone `*` stands for any value, too.
        (Some(pattern), None) => pattern.covers(&Pattern::new("*")),
    }
}

/// The routes of a configuration and the adapters that take messages from MESH.
#[derive(Debug, Clone, Default)]
pub struct Router {
    routes: Vec<Route>,
    receivers: Vec<(MailboxId, String)>,
}

impl Router {
    /// A router by these routes, in their order, among these adapters that take messages from MESH, each with the mailbox
    /// that it is for.
    pub fn new(routes: Vec<Route>, receivers: Vec<(MailboxId, String)>) -> Self {
        Self { routes, receivers }
    }

    /// Its routes.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The adapters that are for this mailbox and take its messages, in the order of the configuration.
    pub fn receivers(&self, mailbox: &MailboxId) -> impl Iterator<Item = &str> {
        self.receivers.iter().filter(move |(of, _)| of == mailbox).map(|(_, name)| name.as_str())
    }

    /// The routes that concern a mailbox, each with its index.
    pub fn routes_of(&self, mailbox: &MailboxId) -> impl Iterator<Item = (usize, &Route)> {
        let concerns = move |(_, route): &(usize, &Route)| route.mailbox.matches(mailbox.as_str());
        self.routes.iter().enumerate().filter(concerns)
    }

    /// Who takes an item of an inbox. A report goes where the message was taken that it is about, as long as that adapter
    /// takes this mailbox's messages; everything else, by the first route that fits, and where none does, to the only
    /// adapter that takes the mailbox's messages.
    pub fn choose<'a>(&'a self, arrival: &Arrival<'_>) -> Choice<'a> {
        let at_home = || self.receivers.iter().filter(|(of, _)| of == arrival.mailbox).map(|(_, name)| name);
        if let Some(adapter) = arrival.reports_to.and_then(|name| at_home().find(|known| *known == name)) {
            return Choice::Reported(adapter);
        }
        let mut routes = self.routes.iter().enumerate();
        if let Some((index, route)) = routes.find(|(_, route)| route.misfit(arrival).is_none()) {
            return Choice::Route { index, to: &route.to };
        }
        let mut receivers = at_home();
        match (receivers.next(), receivers.next()) {
            (Some(only), None) => Choice::Only(only),
            (None, _) => Choice::Nobody,
            (Some(_), Some(_)) => Choice::Several,
        }
    }

    /// Whether each item of this mailbox's inbox goes to somebody: no route concerns it, or one takes all of it, or only one
    /// adapter takes its messages.
    pub fn decides_all(&self, mailbox: &MailboxId) -> bool {
        let (receivers, mut routes) = (self.receivers(mailbox).count(), self.routes_of(mailbox).peekable());
        let nothing_to_decide = receivers == 0 && routes.peek().is_none();
        nothing_to_decide || receivers == 1 || routes.any(|(_, route)| route.takes_all())
    }

    /// The route because of which the one at `index` never takes anything: it stands before it and takes all of the same,
    /// in each of these mailboxes that the later one concerns. `None` where it takes something, or concerns none of them.
    pub fn hidden_by(&self, index: usize, mailboxes: &[MailboxId]) -> Option<usize> {
        let later = self.routes.get(index)?;
        let mut hidden = None;
        for mailbox in mailboxes.iter().filter(|mailbox| later.mailbox.matches(mailbox.as_str())) {
            let (earlier, _) =
                self.routes_of(mailbox).find(|(at, route)| *at < index && route.covers(later))?;
            hidden = hidden.max(Some(earlier));
        }
        hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(id: &str) -> MailboxId {
        id.parse().expect("a mailbox")
    }

    fn route(mailbox: &str, from: &str, workflow: &str, to: &str) -> Route {
        let pattern = |text: &str| (!text.is_empty()).then(|| Pattern::new(text));
        Route {
            mailbox: Pattern::new(mailbox),
            from: pattern(from),
            workflow: pattern(workflow),
            to: to.to_owned(),
        }
    }

    fn router(routes: Vec<Route>) -> Router {
        let receivers = [("A1", "folder"), ("A1", "queue"), ("B1", "lab")];
        Router::new(routes, receivers.map(|(id, name)| (mailbox(id), name.to_owned())).to_vec())
    }

    #[test]
    fn the_first_route_that_fits_holds_and_the_only_adapter_takes_the_rest() {
        let router = router(vec![
            route("A1", "", "PATH_*", "queue"),
            route("A*", "X26ABC1", "", "lab"),
            route("A1", "", "", "folder"),
        ]);
        for (id, from, workflow, chosen) in [
            ("A1", "X26ABC1", "PATH_1", Choice::Route { index: 0, to: "queue" }),
            ("A1", "X26ABC1", "path_1", Choice::Route { index: 1, to: "lab" }),
            ("A1", "X26ABC12", "OTHER", Choice::Route { index: 2, to: "folder" }),
            ("A1", "", "", Choice::Route { index: 2, to: "folder" }),
            ("B1", "X26ABC1", "PATH_1", Choice::Only("lab")),
            ("C1", "X26ABC1", "PATH_1", Choice::Nobody),
        ] {
            let id = mailbox(id);
            let arrival = Arrival { mailbox: &id, from, workflow, reports_to: None };
            assert_eq!(router.choose(&arrival), chosen, "{id} {from} {workflow}");
        }
    }

    #[test]
    fn a_report_goes_where_its_message_was_taken_while_that_takes_messages() {
        let router = router(vec![route("A1", "", "", "queue")]);
        let (a1, arrival) =
            (mailbox("A1"), |id, reports_to| Arrival { mailbox: id, from: "", workflow: "PATH", reports_to });
        assert_eq!(router.choose(&arrival(&a1, Some("folder"))), Choice::Reported("folder"));
        let by_route = Choice::Route { index: 0, to: "queue" };
        assert_eq!(router.choose(&arrival(&a1, Some("(by hand)"))), by_route);
        assert_eq!(
            router.choose(&arrival(&a1, Some("lab"))),
            by_route,
            "it takes another mailbox's messages"
        );
        assert_eq!(router.choose(&arrival(&a1, None)), by_route);
    }

    #[test]
    fn what_nobody_decides_about_is_found() {
        let [a1, b1, c1] = ["A1", "B1", "C1"].map(mailbox);
        let none = router(Vec::new());
        assert_eq!([&a1, &b1, &c1].map(|id| none.decides_all(id)), [false, true, true]);
        let some = router(vec![route("A1", "", "PATH_*", "queue"), route("C1", "", "PATH_*", "lab")]);
        assert_eq!([&a1, &b1, &c1].map(|id| some.decides_all(id)), [false, true, false]);
        let all = router(vec![route("*", "*", "*", "queue")]);
        assert!([&a1, &b1, &c1].iter().all(|id| all.decides_all(id)));
    }

    #[test]
    fn a_route_behind_one_that_takes_all_of_it_is_found() {
        let mailboxes = ["A1", "B1"].map(mailbox);
        for (earlier, later, hidden) in [
            (("A1", "", ""), ("A1", "X", "PATH"), true),
            (("A1", "", "PATH_*"), ("A1", "", "PATH_MEDRPT*"), true),
            (("A1", "", "PATH_*"), ("A1", "", "PATH_MEDRPT"), true),
            (("A1", "", "PATH_*"), ("A1", "", "PATH*"), false),
            (("A1", "", "PATH_1"), ("A1", "", "PATH_1*"), false),
            (("A1", "*", ""), ("A1", "", ""), true),
            (("A1", "X26", ""), ("A1", "", "PATH"), false),
            // The other mailbox is not concerned by the earlier one.
            (("A1", "", ""), ("*", "", ""), false),
            (("*", "", ""), ("B1", "", "PATH"), true),
            (("B1", "", ""), ("A1", "", "PATH"), false),
        ] {
            let [first, second] =
                [earlier, later].map(|(mailbox, from, workflow)| route(mailbox, from, workflow, "queue"));
            let found = router(vec![first, second]).hidden_by(1, &mailboxes);
            assert_eq!(found, hidden.then_some(0), "{earlier:?} {later:?}");
        }
    }
}
