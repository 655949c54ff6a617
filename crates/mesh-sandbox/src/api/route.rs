//! Paths and methods (`mesh-api.md` sections 4 and 11).

use hyper::Method;
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::answer::Refusal;
use crate::faults::Call;

/// What a path and a method ask for.
#[derive(PartialEq, Eq)]
pub(super) enum Route<'a> {
    Ping,
    /// The page for a developer's browser, or a part of it.
    Page {
        file: &'a str,
    },
    /// This server's own controls.
    Control(ControlCall<'a>),
    Admin(AdminCall<'a>),
    Lookup {
        ods_code: &'a str,
        workflow: &'a str,
    },
    WorkflowSearch {
        workflow: &'a str,
    },
    /// A call that needs authorisation; the mailbox is as the path spells it.
    Mailbox {
        mailbox: &'a str,
        call: MailboxCall<'a>,
    },
}

/// A call on a mailbox. Message ids are in upper case; chunk numbers are as the path spells them.
#[derive(PartialEq, Eq)]
pub(super) enum MailboxCall<'a> {
    Handshake,
    Update,
    Inbox,
    RichInbox,
    RichOutbox,
    Count,
    Acknowledge { id: String },
    Head { id: String },
    Download { id: String, chunk: Option<&'a str> },
    Send,
    SendChunk { id: String, chunk: &'a str },
    Track,
    TrackLocal { local_id: &'a str },
}

impl MailboxCall<'_> {
    /// The message in the path.
    pub(super) fn message(&self) -> Option<&str> {
        match self {
            Self::Acknowledge { id }
            | Self::Head { id }
            | Self::Download { id, .. }
            | Self::SendChunk { id, .. } => Some(id),
            _ => None,
        }
    }
}

/// A call of the official emulator's own (11.3). Message ids and the mailbox to reset are in upper case.
#[derive(PartialEq, Eq)]
pub(super) enum AdminCall<'a> {
    Reset,
    ResetMailbox { mailbox: String },
    Report,
    Event { message: String },
    Mailbox { mailbox: &'a str },
    Message { message: String },
}

/// A call of this server's own.
#[derive(PartialEq, Eq)]
pub(super) enum ControlCall<'a> {
    Clock,
    AdvanceClock,
    Rules,
    SwitchRules,
    Faults,
    ReplaceFaults,
    AddFault,
    RemoveFaults,
    RemoveFault { name: &'a str },
    Mailboxes,
    SwitchMailbox { mailbox: &'a str },
    Requests,
}

/// The parts of a path between slashes. It is unescaped first, as by the official emulator: an escaped slash parts
/// like any other.
pub(super) fn segments(path: &str) -> Vec<String> {
    let path = percent_decode_str(path).decode_utf8_lossy();
    path.strip_prefix('/').unwrap_or(&path).split('/').map(str::to_owned).collect()
}

/// How a path and a method were met.
enum Met<'a> {
    Call(Route<'a>),
    OtherMethods(&'static str),
    Nothing,
}

impl<'a> Route<'a> {
    /// Finds the route; `segments` are those of the request's path.
    pub(super) fn find(parts: &Parts, segments: &'a [String]) -> Result<Self, Refusal> {
        let names: Vec<&'a str> = segments.iter().map(String::as_str).collect();
        match meet(&parts.method, &names) {
            Met::Call(route) => Ok(route),
            Met::OtherMethods(allow) => Err(Refusal::NoRoute { allow: Some(allow) }),
            Met::Nothing => match names.split_last() {
                // An escaped slash at the end is not one that could be left out.
                Some((&"", rest))
                    if parts.uri.path().ends_with('/')
                        && !matches!(meet(&parts.method, rest), Met::Nothing) =>
                {
                    let path = parts.uri.path().trim_end_matches('/');
                    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
                    Err(Refusal::Moved { path: format!("{path}{query}") })
                }
                _ => Err(Refusal::NoRoute { allow: None }),
            },
        }
    }

    /// What the list of requests calls it.
    pub(super) fn name(&self) -> &'static str {
        let call = match self {
            Self::Ping => return "ping",
            Self::Page { .. } => return "page",
            Self::Control(_) => return "control",
            Self::Admin(_) => return "admin",
            Self::Lookup { .. } => return "lookup",
            Self::WorkflowSearch { .. } => return "workflow-search",
            Self::Mailbox { call, .. } => call,
        };
        match call {
            MailboxCall::Handshake => "handshake",
            MailboxCall::Update => "update",
            MailboxCall::Inbox => "list",
            MailboxCall::RichInbox => "rich-inbox",
            MailboxCall::RichOutbox => "rich-outbox",
            MailboxCall::Count => "count",
            MailboxCall::Acknowledge { .. } => "acknowledge",
            MailboxCall::Head { .. } => "head",
            MailboxCall::Download { chunk: None, .. } => "download",
            MailboxCall::Download { .. } => "download-chunk",
            MailboxCall::Send => "send",
            MailboxCall::SendChunk { .. } => "send-chunk",
            MailboxCall::Track => "track",
            MailboxCall::TrackLocal { .. } => "track-local-id",
        }
    }

    /// What a fault script calls it; no fault strikes the rest.
    pub(super) fn faulted_as(&self) -> Option<Call> {
        Some(match self {
            Self::Lookup { .. } | Self::WorkflowSearch { .. } => Call::Lookup,
            Self::Mailbox { call, .. } => match call {
                MailboxCall::Handshake => Call::Handshake,
                MailboxCall::Inbox => Call::List,
                MailboxCall::Count => Call::Count,
                MailboxCall::Acknowledge { .. } => Call::Acknowledge,
                MailboxCall::Head { .. } => Call::Head,
                MailboxCall::Download { .. } => Call::Download,
                MailboxCall::Send => Call::Send,
                MailboxCall::SendChunk { .. } => Call::SendChunk,
                MailboxCall::Track | MailboxCall::TrackLocal { .. } => Call::Track,
                MailboxCall::Update | MailboxCall::RichInbox | MailboxCall::RichOutbox => return None,
            },
            _ => return None,
        })
    }
}

/// The first of the groups that knows the path and the method; failing that, the first that knows the path.
fn meet<'a>(method: &Method, names: &[&'a str]) -> Met<'a> {
    if *names == [""] {
        return only(method, &Method::GET, "GET", Route::Page { file: "" });
    }
    if names.contains(&"") {
        return Met::Nothing;
    }
    let mut other = Met::Nothing;
    for group in [own, open, mailbox] {
        match (group(method, names), &other) {
            (Met::Call(route), _) => return Met::Call(route),
            (Met::OtherMethods(allow), Met::Nothing) => other = Met::OtherMethods(allow),
            _ => {}
        }
    }
    other
}

fn only<'a>(method: &Method, wanted: &Method, allow: &'static str, route: Route<'a>) -> Met<'a> {
    if method == wanted { Met::Call(route) } else { Met::OtherMethods(allow) }
}

/// Paths of this server's own.
fn own<'a>(method: &Method, names: &[&'a str]) -> Met<'a> {
    let ["sandbox", ref names @ ..] = *names else { return Met::Nothing };
    let call = match (method, names) {
        (&Method::GET, ["page", file]) => return Met::Call(Route::Page { file }),
        (&Method::GET, ["clock"]) => ControlCall::Clock,
        (&Method::POST, ["clock"]) => ControlCall::AdvanceClock,
        (&Method::GET, ["rules"]) => ControlCall::Rules,
        (&Method::PUT, ["rules"]) => ControlCall::SwitchRules,
        (&Method::GET, ["faults"]) => ControlCall::Faults,
        (&Method::PUT, ["faults"]) => ControlCall::ReplaceFaults,
        (&Method::POST, ["faults"]) => ControlCall::AddFault,
        (&Method::DELETE, ["faults"]) => ControlCall::RemoveFaults,
        (&Method::DELETE, ["faults", name]) => ControlCall::RemoveFault { name },
        (&Method::GET, ["mailboxes"]) => ControlCall::Mailboxes,
        (&Method::PUT, ["mailboxes", mailbox]) => ControlCall::SwitchMailbox { mailbox },
        (&Method::GET, ["requests"]) => ControlCall::Requests,
        (_, ["clock"]) => return Met::OtherMethods("GET, POST"),
        (_, ["rules"]) => return Met::OtherMethods("GET, PUT"),
        (_, ["faults"]) => return Met::OtherMethods("DELETE, GET, POST, PUT"),
        (_, ["faults", _]) => return Met::OtherMethods("DELETE"),
        (_, ["mailboxes"] | ["requests"] | ["page", _]) => return Met::OtherMethods("GET"),
        (_, ["mailboxes", _]) => return Met::OtherMethods("PUT"),
        _ => return Met::Nothing,
    };
    Met::Call(Route::Control(call))
}

/// Paths that need no authorisation.
fn open<'a>(method: &Method, names: &[&'a str]) -> Met<'a> {
    let get = |route| only(method, &Method::GET, "GET", route);
    let admin = |wanted, allow, call| only(method, wanted, allow, Route::Admin(call));
    let inside = names.strip_prefix(&["messageexchange"]);
    match inside.unwrap_or(names) {
        ["_ping"] => return get(Route::Ping),
        ["health" | "_status" | "healthcheck"] if inside.is_none() => return get(Route::Ping),
        ["deepping"] if inside.is_some() => return get(Route::Ping),
        ["admin", "reset"] => return admin(&Method::DELETE, "DELETE", AdminCall::Reset),
        ["admin", "reset", mailbox] => {
            let call = AdminCall::ResetMailbox { mailbox: mailbox.to_uppercase() };
            return admin(&Method::DELETE, "DELETE", call);
        }
        ["admin", "message", message, "event"] => {
            let call = AdminCall::Event { message: message.to_uppercase() };
            return admin(&Method::POST, "POST", call);
        }
        ["admin", "mailbox", mailbox] => {
            return admin(&Method::GET, "GET", AdminCall::Mailbox { mailbox });
        }
        ["admin", "message", message] => {
            let call = AdminCall::Message { message: message.to_uppercase() };
            return admin(&Method::GET, "GET", call);
        }
        _ => {}
    }
    match inside {
        Some(["admin", "report"]) => admin(&Method::POST, "POST", AdminCall::Report),
        Some(["mailbox", mailbox]) => admin(&Method::GET, "GET", AdminCall::Mailbox { mailbox }),
        Some(["endpointlookup", ods_code, workflow]) => get(Route::Lookup { ods_code, workflow }),
        Some(["workflowsearch", workflow]) => get(Route::WorkflowSearch { workflow }),
        _ => Met::Nothing,
    }
}

/// Paths that begin with a mailbox.
fn mailbox<'a>(method: &Method, names: &[&'a str]) -> Met<'a> {
    let ["messageexchange", mailbox, ref rest @ ..] = *names else { return Met::Nothing };
    let id = |id: &str| id.to_uppercase();
    let call = match (method, rest) {
        (&Method::GET | &Method::POST, []) => MailboxCall::Handshake,
        (&Method::POST, ["update"]) => MailboxCall::Update,
        (&Method::GET, ["inbox"]) => MailboxCall::Inbox,
        (&Method::GET, ["inbox", "rich"]) => MailboxCall::RichInbox,
        (&Method::GET, ["outbox", "rich"]) => MailboxCall::RichOutbox,
        (&Method::GET, ["count"]) => MailboxCall::Count,
        (&Method::GET, ["inbox", message]) => MailboxCall::Download { id: id(message), chunk: None },
        (&Method::HEAD, ["inbox", message]) => MailboxCall::Head { id: id(message) },
        (&Method::GET, ["inbox", message, chunk]) => {
            MailboxCall::Download { id: id(message), chunk: Some(chunk) }
        }
        (&Method::PUT, ["inbox", message, "status", "acknowledged"]) => {
            MailboxCall::Acknowledge { id: id(message) }
        }
        (&Method::POST, ["outbox"]) => MailboxCall::Send,
        (&Method::GET, ["outbox", "tracking"]) => MailboxCall::Track,
        (&Method::GET, ["outbox", "tracking", local_id]) => MailboxCall::TrackLocal { local_id },
        (&Method::POST, ["outbox", message, chunk]) => MailboxCall::SendChunk { id: id(message), chunk },
        // Where two routes share a path, the official emulator names the methods of one.
        (_, []) => return Met::OtherMethods("POST"),
        (_, ["update"]) => return Met::OtherMethods("POST"),
        (_, ["inbox", _]) => return Met::OtherMethods("HEAD"),
        (_, ["inbox"] | ["count"] | ["inbox", _, _] | ["outbox", "tracking" | "rich"]) => {
            return Met::OtherMethods("GET");
        }
        (_, ["inbox", _, "status", "acknowledged"]) => return Met::OtherMethods("PUT"),
        (_, ["outbox", "tracking", _]) => return Met::OtherMethods("GET"),
        (_, ["outbox"] | ["outbox", _, _]) => return Met::OtherMethods("POST"),
        _ => return Met::Nothing,
    };
    Met::Call(Route::Mailbox { mailbox, call })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn refusal(method: &str, path: &str) -> Option<Refusal> {
        let request = Request::builder().method(method).uri(path).body(()).expect("a request");
        let (parts, ()) = request.into_parts();
        let segments = segments(parts.uri.path());
        Route::find(&parts, &segments).err()
    }

    #[test]
    fn paths_and_methods_that_are_not_there_are_told_apart() {
        for (method, path) in [
            ("GET", "/messageexchange"),
            ("GET", "/sandbox"),
            ("GET", "/admin/report"),
            ("GET", "/deepping"),
            ("GET", "/messageexchange//inbox"),
            ("GET", "/messageexchange/A/inbox/B/1/2"),
        ] {
            let refused = refusal(method, path);
            assert!(matches!(refused, Some(Refusal::NoRoute { allow: None })), "{method} {path}");
        }
        for (method, path) in [
            ("HEAD", "/messageexchange/A/inbox"),
            ("HEAD", "/messageexchange/A/inbox/B/1"),
            ("PUT", "/messageexchange/A"),
            ("GET", "/messageexchange/A/outbox/B/2"),
            ("DELETE", "/health"),
            ("POST", "/"),
            ("GET", "/messageexchange/admin/report"),
            ("GET", "/admin/reset"),
            ("PATCH", "/sandbox/faults"),
        ] {
            let refused = refusal(method, path);
            assert!(matches!(refused, Some(Refusal::NoRoute { allow: Some(_) })), "{method} {path}");
        }
    }

    /// The official emulator tries its own paths first and goes on to the mailboxes' when the method differs.
    #[test]
    fn a_path_of_the_emulators_own_is_a_mailboxs_under_another_method() {
        let names = ["messageexchange", "_ping"];
        assert!(matches!(meet(&Method::GET, &names), Met::Call(Route::Ping)));
        assert!(matches!(meet(&Method::POST, &names), Met::Call(Route::Mailbox { mailbox: "_ping", .. })));
    }

    #[test]
    fn a_trailing_slash_is_sent_to_the_path_without_it() {
        let path = match refusal("GET", "/messageexchange/A/inbox/?max_results=10") {
            Some(Refusal::Moved { path }) => path,
            _ => String::new(),
        };
        assert_eq!(path, "/messageexchange/A/inbox?max_results=10");
    }

    #[test]
    fn an_escaped_slash_parts_like_any_other() {
        let names = segments("/messageexchange/A/outbox/tracking/b%20%C3%A9");
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let call = MailboxCall::TrackLocal { local_id: "b é" };
        assert!(matches!(meet(&Method::GET, &names),
            Met::Call(Route::Mailbox { mailbox: "A", call: met }) if met == call));
        assert_eq!(segments("/a%2Fb"), ["a", "b"]);
    }
}
