//! Traces: from what a producer began, through the relay, to who is given the message or told of it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;

use crate::collector::{Collector, HEADER, attribute, hex};
use crate::process::{ALICE, BOB};
use crate::queue::{Scene as QueueScene, TO_BOB};
use crate::scene::{SENDER, Scene, hand_in, until};

/// What a producer says.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn traceparent() -> String {
    format!("00-{TRACE}-{PARENT}-01")
}

/// The section that sends everything to `collector`.
fn telemetry(collector: &Collector) -> String {
    format!(
        "[telemetry]\nendpoint = \"{}\"\nheaders = {{ {HEADER} = {{ file = \"collector.key\" }} }}\n",
        collector.url
    )
}

/// A system behind a webhook.
struct Receiver {
    url: String,
    calls: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let calls = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new().fallback(take).with_state(Arc::clone(&calls));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, calls }
    }

    /// The trace context of each call.
    fn contexts(&self) -> Vec<String> {
        let context = |headers: &HeaderMap| {
            headers.get("traceparent").and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        self.calls
            .lock()
            .expect("a lock")
            .iter()
            .map(|headers| context(headers).unwrap_or_default())
            .collect()
    }
}

async fn take(State(calls): State<Arc<Mutex<Vec<HeaderMap>>>>, headers: HeaderMap) -> StatusCode {
    calls.lock().expect("a lock").push(headers);
    StatusCode::NO_CONTENT
}

/// The spans of a name in a trace.
fn named<'a>(spans: &'a [Span], trace: &str, name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name && hex(&span.trace_id) == trace).collect()
}

fn only<'a>(spans: &'a [Span], trace: &str, name: &str) -> &'a Span {
    let [span] = named(spans, trace, name)[..] else { panic!("one {name} in {trace}: {spans:#?}") };
    span
}

/// What the spans of a submission and of its delivery say, and how they hang together.
fn hangs_together(spans: &[Span], relay_id: &str, message_id: &str, delivered: &str) {
    let received = only(spans, TRACE, "receive");
    assert_eq!(hex(&received.parent_span_id), PARENT, "the producer's span is the parent");
    let send = only(spans, TRACE, "send");
    assert_eq!(send.parent_span_id, received.span_id);
    assert_eq!(attribute(send, "relay_id"), relay_id);
    assert_eq!(attribute(send, "message_id"), message_id);
    assert_eq!(attribute(send, "outcome"), "accepted");
    assert_eq!(only(spans, TRACE, "post").parent_span_id, send.span_id);
    assert_eq!(only(spans, TRACE, "settle").parent_span_id, received.span_id);
    // The delivery has a trace of its own, since MESH carries none, and tells it on.
    let (trace, parent) = (&delivered[3..35], &delivered[36..52]);
    assert_ne!(trace, TRACE);
    let arrived = only(spans, trace, "receive");
    assert!(arrived.parent_span_id.is_empty());
    assert_eq!(attribute(arrived, "message_id"), message_id);
    let deliver = only(spans, trace, "deliver");
    assert_eq!((hex(&deliver.span_id).as_str(), &deliver.parent_span_id), (parent, &arrived.span_id));
    for name in ["open", "acknowledge"] {
        assert_eq!(only(spans, trace, name).parent_span_id, arrived.span_id, "{name}");
    }
    // The lines of the log are events of the span that they belong to.
    let told = arrived.events.iter().any(|event| event.name == "message delivered and acknowledged");
    assert!(told, "{:?}", arrived.events);
}

#[tokio::test]
async fn a_submissions_trace_goes_on_here_and_its_events_belong_to_it() {
    let (collector, inbox, events) =
        (Collector::start().await, Receiver::start().await, Receiver::start().await);
    let scene = Scene::new().await;
    let mut text = std::fs::read_to_string(scene.site.path("relay.toml")).expect("the configuration");
    let (before, rest) = text.split_once("[[mailbox]]").expect("mailboxes");
    let (_, console) = rest.split_once("[console]").expect("the console");
    let mut own = before.to_owned();
    for mailbox in [ALICE, BOB] {
        own += &format!(
            "[[mailbox]]\nid = \"{mailbox}\"\npassword = {{ file = \"mailbox.pass\" }}\npoll = \"200ms\"\n"
        );
    }
    own += &format!(
        "[[adapter]]\nname = \"laboratory\"\nkind = \"http\"\nmailbox = \"{ALICE}\"\nsubmit = true\n\
         events = {{ url = \"{}\", secret = {{ file = \"webhook.secret\" }} }}\n\
         [[adapter]]\nname = \"ward\"\nkind = \"http\"\nmailbox = \"{BOB}\"\n\
         inbound = {{ url = \"{}\", secret = {{ file = \"webhook.secret\" }} }}\n[console]{console}\n{}",
        events.url,
        inbox.url,
        telemetry(&collector),
    );
    text = own;
    scene.site.write("webhook.secret", "a signing secret of this test alone");
    scene.site.write("collector.key", "the key of the collector\n");
    scene.site.write("relay.toml", text);
    let running = scene.run().await;

    let context = traceparent();
    let headers = |key: &'static str| {
        [("idempotency-key", key), ("mex-from", ALICE), ("mex-to", BOB), ("mex-workflowid", "SECRET_FLOW")]
    };
    let mut traced = headers("order-1").to_vec();
    traced.extend([
        ("traceparent", context.as_str()),
        ("tracestate", "vendor=1"),
        ("mex-subject", "private words"),
    ]);
    let sender = running.as_(SENDER);
    let taken = hand_in(&sender, &traced, b"private payload").await.good(202);
    until("it is delivered", async || !inbox.contexts().is_empty()).await;
    until("its sender is told", async || events.contexts().len() >= 3).await;
    // Rubbish in place of a context keeps nothing from being carried.
    let mut malformed = headers("order-2").to_vec();
    malformed.push(("traceparent", "00-nonsense-01"));
    let other = hand_in(&sender, &malformed, b"second").await.good(202);
    until("the second is delivered", async || inbox.contexts().len() == 2).await;
    running.received(2).await;
    // What was not sent yet is sent at the stop.
    running.ends_well().await;

    let spans = collector.spans();
    let text = |value: &serde_json::Value| value.as_str().expect("an id").to_owned();
    let (relay_id, message_id) = (text(&taken["relay_id"]), text(&taken["message_id"]));
    let deliveries = inbox.contexts();
    hangs_together(&spans, &relay_id, &message_id, &deliveries[0]);
    let told = events.contexts();
    let received = hex(&only(&spans, TRACE, "receive").span_id);
    assert!(told[..3].iter().all(|told| *told == format!("00-{TRACE}-{received}-01")), "{told:?}");
    // The other one has a trace of its own.
    let other = text(&other["relay_id"]);
    let send = spans
        .iter()
        .find(|span| attribute(span, "relay_id") == other && span.name == "send")
        .expect("its span");
    assert_ne!(hex(&send.trace_id), TRACE);

    assert_eq!(collector.headers().into_iter().collect::<Vec<_>>(), ["the key of the collector"]);
    assert!(
        collector.resource().contains("service.name") && collector.resource().contains("service.version")
    );
    for metric in ["mesh_relay_messages_total", "mesh_relay_in_flight", "mesh_relay_mesh_request_seconds"] {
        assert!(collector.metrics().contains(metric), "{metric} in {:?}", collector.metrics());
    }
    let all = format!("{spans:?}");
    for private in ["private", "SECRET_FLOW", "order-1", "password"] {
        assert!(!all.contains(private), "{private} in {all}");
    }
}

#[tokio::test]
async fn a_queues_trace_goes_on_here_and_its_deliveries_and_events_tell_of_theirs() {
    let collector = Collector::start().await;
    let scene = QueueScene::new().await;
    scene.configure_with(&scene.sandbox.base_url(), true, "", &telemetry(&collector));
    scene.site.write("collector.key", "the key of the collector\n");
    scene.make().await;
    let relay = scene.site.run().await;
    let context = traceparent();
    let headers = [TO_BOB[0], TO_BOB[1], ("traceparent", &context), ("tracestate", "vendor=1")];
    scene.broker.put(&scene.outbound, "ORDER-7", &headers, b"from a queue").await;
    let came = scene.broker.take_all(&scene.inbound, 1).await.remove(0);
    let told = scene.broker.take_all(&scene.status, 3).await;
    until("MESH is told", async || scene.for_bob()[0].status == "acknowledged").await;
    let (status, log) = relay.stop().await;
    assert!(status.success(), "{log}");

    let spans = collector.spans();
    let relay_id = told[0].json()["subject"].as_str().expect("an id").to_owned();
    hangs_together(&spans, &relay_id, &came.message_id(), &came.header("traceparent"));
    let received = hex(&only(&spans, TRACE, "receive").span_id);
    for event in told {
        let context = format!("00-{TRACE}-{received}-01");
        assert_eq!(
            (event.header("traceparent"), event.header("tracestate")),
            (context.clone(), "vendor=1".to_owned())
        );
        assert_eq!(event.json()["traceparent"], context);
    }
}
