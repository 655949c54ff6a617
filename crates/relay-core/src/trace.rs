//! Where a message belongs among the traces of other systems (W3C Trace Context).
//!
//! The rooms open `tracing` spans and know nothing of where these go. [`Traces`] ties them to what began elsewhere, and says
//! what whoever gets a message is told; the process brings one that knows its exporter, and without one no span is tied to
//! anything.
//!
//! A trace lasts from a message's arrival here to its end, or to its next try: after a start or a deferral another span of
//! the same producer's trace begins, or another trace where the producer gave none. All of them have the relay id as an
//! attribute. What events carry stands in the journal, so they belong to the submission's trace whenever they are told.

use std::fmt;

use tracing::Span;

use crate::clock::RelayId;

/// Longest `tracestate` that is passed on, in bytes: what W3C asks everyone to take.
const STATE_BYTES_MAX: usize = 512;
/// Length of a `traceparent` of version 00.
const PARENT_BYTES: usize = 55;

/// A trace context as it was read. Whatever is not one never becomes one, so it can stand in any header.
#[derive(Clone, PartialEq, Eq)]
pub struct TraceContext {
    parent: String,
    state: Option<String>,
}

impl TraceContext {
    /// Reads the values of `traceparent` and `tracestate`. `None`: the first is none as W3C has it. A `tracestate` that is
    /// none, or too long, is left out.
    pub fn read(parent: &str, state: Option<&str>) -> Option<Self> {
        let parent = parent.trim();
        let bytes = parent.as_bytes();
        let hex = |range: std::ops::Range<usize>| {
            let digits = bytes.get(range)?;
            let is_hex = digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            is_hex.then_some(digits)
        };
        let dashes = [2, 35, 52].iter().all(|at| bytes.get(*at) == Some(&b'-'));
        let (version, trace, span) = (hex(0..2)?, hex(3..35)?, hex(36..52)?);
        hex(53..PARENT_BYTES)?;
        let is_all = |digits: &[u8], digit| digits.iter().all(|byte| *byte == digit);
        let may_be_longer = version != b"00" && bytes.get(PARENT_BYTES) == Some(&b'-');
        if !dashes
            || is_all(version, b'f')
            || is_all(trace, b'0')
            || is_all(span, b'0')
            || (bytes.len() > PARENT_BYTES && !may_be_longer)
        {
            return None;
        }
        // What a later version adds is not ours to pass on; the beginning is as in version 00.
        let parent = format!("00-{}", &parent[3..PARENT_BYTES]);
        let state = state.map(str::trim).filter(|state| is_state(state)).map(str::to_owned);
        Some(Self { parent, state })
    }

    /// The value of `traceparent`, of version 00.
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// The value of `tracestate`.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The trace, in hexadecimal.
    pub fn trace_id(&self) -> &str {
        &self.parent[3..35]
    }

    /// The span of it, in hexadecimal.
    pub fn span_id(&self) -> &str {
        &self.parent[36..52]
    }

    /// Whether whoever began it records it.
    pub fn is_sampled(&self) -> bool {
        u8::from_str_radix(&self.parent[53..PARENT_BYTES], 16).is_ok_and(|flags| flags & 1 == 1)
    }

    /// Names and values of the headers that carry it.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        std::iter::once(("traceparent", self.parent())).chain(self.state().map(|state| ("tracestate", state)))
    }
}

/// Whether a text is a list of members, as far as whoever passes it on has to look.
fn is_state(state: &str) -> bool {
    let is_member = |member: &str| {
        let member = member.trim();
        member.is_empty()
            || member.split_once('=').is_some_and(|(key, value)| !key.is_empty() && !value.is_empty())
    };
    !state.is_empty()
        && state.len() <= STATE_BYTES_MAX
        && state.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && state.split(',').all(is_member)
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceContext({})", self.parent)
    }
}

/// Ties spans to the traces of other systems.
pub trait Traces: Send + Sync {
    /// Makes a span, which nobody entered yet, part of a trace that began elsewhere.
    fn adopt(&self, span: &Span, parent: &TraceContext);

    /// What whoever is given something within a span is told. `None`: nobody records spans.
    fn context(&self, span: &Span) -> Option<TraceContext>;
}

/// Spans are tied to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTraces;

impl Traces for NoTraces {
    fn adopt(&self, _: &Span, _: &TraceContext) {}

    fn context(&self, _: &Span) -> Option<TraceContext> {
        None
    }
}

/// Where the work on a message that a source offers belongs. The default: nowhere, so that it begins a trace of its own.
#[derive(Debug, Clone)]
pub struct Trace {
    span: Span,
    context: Option<TraceContext>,
}

impl Default for Trace {
    fn default() -> Self {
        Self { span: Span::none(), context: None }
    }
}

impl Trace {
    /// The arrival of a message at an adapter, which may have brought a context along.
    pub(crate) fn received(traces: &dyn Traces, adapter: &str, parent: Option<TraceContext>) -> Self {
        let span = tracing::info_span!("receive", otel.kind = "consumer", adapter);
        if let Some(parent) = &parent {
            traces.adopt(&span, parent);
        }
        // Where nobody records spans, what came is passed on as it came.
        let context = traces.context(&span).or(parent);
        Self { span, context }
    }

    /// The span of the arrival, for what the source does about the message.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// What events about the message carry.
    pub fn context(&self) -> Option<&TraceContext> {
        self.context.as_ref()
    }
}

/// One offer of a message to MESH.
pub(crate) fn send(trace: &Trace, adapter: &str, mailbox: &mesh_api::MailboxId) -> Span {
    use tracing::field::Empty;
    match trace.span.is_none() {
        // Not within whatever the source does at the moment, which may be the work on many messages.
        true => {
            tracing::info_span!(parent: None, "send", adapter, %mailbox, relay_id = Empty, message_id = Empty, outcome = Empty)
        }
        false => {
            tracing::info_span!(parent: &trace.span, "send", adapter, %mailbox, relay_id = Empty, message_id = Empty, outcome = Empty)
        }
    }
}

/// Says in the span which message it is about.
pub(crate) fn is_about(span: &Span, relay_id: RelayId) {
    span.record("relay_id", tracing::field::display(relay_id));
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_context_is_read_and_written_as_it_came() {
        let context = TraceContext::read(PARENT, Some("rojo=1, congo=t61rcWkgMzE")).expect("a context");
        assert_eq!(context.parent(), PARENT);
        assert_eq!(context.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(context.span_id(), "b7ad6b7169203331");
        assert!(context.is_sampled());
        assert_eq!(context.state(), Some("rojo=1, congo=t61rcWkgMzE"));
        let later = TraceContext::read(&format!("01{}-more", &PARENT[2..]), None).expect("a later version");
        assert_eq!(later.parent(), PARENT);
        assert!(!TraceContext::read(&PARENT.replace("-01", "-00"), None).expect("it").is_sampled());
    }

    #[test]
    fn what_is_no_context_is_none() {
        for wrong in [
            "",
            "00",
            "00-a-b-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c8031£c-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceContext::read(wrong, None), None, "{wrong}");
        }
        let long = format!("a={}", "b".repeat(STATE_BYTES_MAX));
        for wrong in ["", "no member", "a=b\r\nX-Other: 1", &long] {
            let context = TraceContext::read(PARENT, Some(wrong)).expect("the parent is one");
            assert_eq!(context.state(), None, "{wrong}");
        }
    }
}
