//! Changes as they happen, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use relay_core::RelayId;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::access::Looker;
use crate::ask::{self, Asked};
use crate::console::Console;
use crate::live::{Heard, WATCHERS_MAX, Watcher};
use crate::problem::Problem;
use crate::view::ChangeView;

/// Pause after which a stream says that it is still there.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// Longest life of a stream: whoever watches begins anew, with credentials that are looked at again.
const WATCH_MAX: Duration = Duration::from_secs(30 * 60);
/// Seconds after which to try again where all places are taken.
const FULL_RETRY_SECONDS: u32 = 30;

/// Which changes.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct Which {
    /// Only of this message, by the relay's id.
    relay_id: String,
}

/// Changes as they happen
///
/// Server-sent events: `change` with a JSON object for each change of a message from now on, `missed` with a number when
/// changes came faster than they were taken. Changes of other instances on the same journal are among them.
#[utoipa::path(get, path = "/v1/events", tag = "messages", params(Which), responses(
    (status = 200, body = ChangeView, content_type = "text/event-stream"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn events(
    Looker(visitor): Looker,
    State(console): State<Console>,
    Asked(which): Asked<Which>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let only = match which.relay_id.as_str() {
        "" => None,
        text => Some(ask::relay_id(text)?),
    };
    let watcher = console.live.watch().ok_or_else(|| {
        Problem::unavailable(format!("{WATCHERS_MAX} watch already; try again when one has gone"))
            .retry_after(FULL_RETRY_SECONDS)
    })?;
    let until = tokio::time::Instant::now() + WATCH_MAX;
    let told = stream::unfold((watcher, visitor), move |(watcher, visitor)| async move {
        let (event, watcher) = tokio::time::timeout_at(until, tell(watcher, only)).await.ok()??;
        // Whoever has signed out, or whose session has run out, hears no more.
        visitor.is_current().then_some((event, (watcher, visitor)))
    });
    Ok(Sse::new(told).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)))
}

/// The next thing to tell. `None`: there will be none.
async fn tell(mut watcher: Watcher, only: Option<RelayId>) -> Option<(Result<Event, Infallible>, Watcher)> {
    loop {
        let event = match watcher.next().await {
            Heard::Change(change) if only.is_some_and(|only| only != change.relay_id) => continue,
            Heard::Change(change) => {
                let id = format!("{}:{}", change.relay_id, change.sequence);
                Event::default().event("change").id(id).json_data(ChangeView::from(&change)).ok()?
            }
            Heard::Missed(missed) => Event::default().event("missed").data(missed.to_string()),
            Heard::Ended => return None,
        };
        return Some((Ok(event), watcher));
    }
}
