//! Lines of the log, on standard error.

use relay_config::{LogFormat, LogLevel};
use tracing::Subscriber;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use super::ROOMS;
use crate::silence::may_speak;

/// Names the variable that sets how much is logged, in the usual filter syntax.
const LOG_VARIABLE: &str = "MESH_RELAY_LOG";

type Boxed<S> = Box<dyn Layer<S> + Send + Sync>;

/// Lines as a configuration wants them.
pub(super) fn layer<S>(format: LogFormat, level: LogLevel) -> Boxed<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    match format {
        LogFormat::Text => text(&directives(level)),
        LogFormat::Json => {
            // Each line holds its fields beside the message. Spans are not named: whatever is about a message has its
            // relay id itself.
            let layer = fmt::layer()
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .with_writer(std::io::stderr);
            layer.with_filter(lines(&directives(level))).boxed()
        }
    }
}

/// What is logged at a level: of libraries never more than at `info`.
pub(super) fn directives(level: LogLevel) -> String {
    match level {
        LogLevel::Error | LogLevel::Warn | LogLevel::Info => level.as_str().to_owned(),
        LogLevel::Debug => {
            let rooms = ROOMS.map(|room| format!("{room}=debug"));
            format!("info,{}", rooms.join(","))
        }
    }
}

/// Lines for people, of level `usual` and above unless the variable says otherwise.
pub(super) fn text<S>(usual: &str) -> Boxed<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let layer =
        fmt::layer().with_writer(std::io::stderr).with_ansi(crate::cli::stderr_colours()).with_target(false);
    layer.with_filter(lines(usual)).boxed()
}

/// What is logged: events alone, which say by themselves what they are about.
fn lines<S: Subscriber>(usual: &str) -> impl tracing_subscriber::layer::Filter<S> + Send + Sync + 'static {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new(usual));
    FilterExt::<S>::and(filter, filter_fn(|metadata| metadata.is_event() && may_speak(metadata)))
}
