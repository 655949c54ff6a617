//! Paths and methods (`mesh-api.md` section 4).

use hyper::Method;
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::answer::Refusal;

/// What a path and a method ask for.
#[derive(PartialEq, Eq)]
pub(super) enum Route<'a> {
    Ping,
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
    Inbox,
    Count,
    Acknowledge { id: String },
    Head { id: String },
    Download { id: String, chunk: Option<&'a str> },
    Send,
    SendChunk { id: String, chunk: &'a str },
    Track,
    TrackLocal { local_id: &'a str },
}

/// The parts of a path between slashes, unescaped one by one: an escaped slash stays inside its part.
pub(super) fn segments(path: &str) -> Vec<String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split('/').map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect()
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
                Some((&"", rest)) if !matches!(meet(&parts.method, rest), Met::Nothing) => {
                    let path = parts.uri.path().trim_end_matches('/');
                    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
                    Err(Refusal::Moved { location: format!("{path}{query}") })
                }
                _ => Err(Refusal::NoRoute { allow: None }),
            },
        }
    }
}

fn meet<'a>(method: &Method, names: &[&'a str]) -> Met<'a> {
    if names.contains(&"") {
        return Met::Nothing;
    }
    let open = |route| match *method {
        Method::GET => Met::Call(route),
        _ => Met::OtherMethods("GET"),
    };
    let (mailbox, rest) = match *names {
        ["health"] | ["messageexchange", "_ping"] => return open(Route::Ping),
        ["messageexchange", "endpointlookup", ods_code, workflow] => {
            return open(Route::Lookup { ods_code, workflow });
        }
        ["messageexchange", "workflowsearch", workflow] => return open(Route::WorkflowSearch { workflow }),
        ["messageexchange", mailbox, ref rest @ ..] => (mailbox, rest),
        _ => return Met::Nothing,
    };
    let id = |id: &str| id.to_uppercase();
    let call = match (method, rest) {
        (&Method::GET | &Method::POST, []) => MailboxCall::Handshake,
        (&Method::GET, ["inbox"]) => MailboxCall::Inbox,
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
        (_, []) => return Met::OtherMethods("GET, POST"),
        (_, ["inbox", _]) => return Met::OtherMethods("GET, HEAD"),
        (_, ["inbox"] | ["count"] | ["inbox", _, _] | ["outbox", "tracking"]) => {
            return Met::OtherMethods("GET");
        }
        (_, ["inbox", _, "status", "acknowledged"]) => return Met::OtherMethods("PUT"),
        (_, ["outbox", "tracking", _]) => return Met::OtherMethods("GET, POST"),
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
            ("GET", "/"),
            ("GET", "/messageexchange"),
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
        ] {
            let refused = refusal(method, path);
            assert!(matches!(refused, Some(Refusal::NoRoute { allow: Some(_) })), "{method} {path}");
        }
    }

    #[test]
    fn a_trailing_slash_is_sent_to_the_path_without_it() {
        let location = match refusal("GET", "/messageexchange/A/inbox/?max_results=10") {
            Some(Refusal::Moved { location }) => location,
            _ => String::new(),
        };
        assert_eq!(location, "/messageexchange/A/inbox?max_results=10");
    }

    #[test]
    fn an_escaped_slash_stays_inside_its_part() {
        let names = segments("/messageexchange/A/outbox/tracking/a%2Fb%20%C3%A9");
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let call = MailboxCall::TrackLocal { local_id: "a/b é" };
        assert!(matches!(meet(&Method::GET, &names),
            Met::Call(Route::Mailbox { mailbox: "A", call: met }) if met == call));
    }
}
