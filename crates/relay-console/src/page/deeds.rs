//! Who did what.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use url::form_urlencoded;

use super::{page, wrong};
use crate::access::{Actor, Visitor};
use crate::api::{Before, find_deeds};
use crate::ask::Asked;
use crate::console::Console;
use crate::problem::Problem;
use crate::view::DeedView;
use crate::words::{self, time};

#[derive(Template)]
#[template(path = "deeds.html")]
struct DeedsPage<'a> {
    visitor: &'a Visitor,
    rows: Vec<DeedRow>,
    older: Option<String>,
}

struct DeedRow {
    when: String,
    who: String,
    what: String,
    about: String,
    link: Option<String>,
    note: String,
}

/// The page.
pub(crate) async fn show(
    _: Actor,
    visitor: Visitor,
    State(console): State<Console>,
    before: Result<Asked<Before>, Problem>,
) -> Response {
    let before = match before {
        Ok(Asked(before)) => before,
        Err(problem) => return wrong(&visitor, &problem),
    };
    match find_deeds(&console, &before).await {
        Ok((deeds, next)) => {
            let older = next.map(|next| {
                let mut link = form_urlencoded::Serializer::for_suffix("/deeds?".to_owned(), "/deeds?".len());
                link.append_pair("before", &next).finish()
            });
            page(&DeedsPage { visitor: &visitor, rows: deeds.into_iter().map(row).collect(), older })
        }
        Err(problem) => wrong(&visitor, &problem),
    }
}

fn row(deed: DeedView) -> DeedRow {
    let (about, link) = match (deed.relay_id, deed.mailbox, deed.message_id) {
        (Some(id), _, _) => (format!("Message {id}"), Some(format!("/messages/{id}"))),
        (None, Some(mailbox), Some(id)) => (format!("Message {id} in the inbox of {mailbox}"), None),
        (None, Some(mailbox), None) => (format!("Mailbox {mailbox}"), Some(format!("/mailboxes/{mailbox}"))),
        (None, None, _) => (String::new(), None),
    };
    DeedRow {
        when: time(deed.at),
        who: deed.who,
        what: words::deed_named(&deed.kind),
        about,
        link,
        note: deed.note.unwrap_or_default(),
    }
}
