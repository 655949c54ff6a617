//! One mailbox's messages to two real folders: what happens when one of them is paused, or has lost what it held.

use bytes::Bytes;
use dts_folder::{Access, Config, FolderSink, Folders, Use};
use futures_util::{StreamExt, stream};
use mesh_api::MessageId;
use relay_core::{
    Download, FailureClass, Held, Inbound, Journal, Pattern, Pausable, Pause, Pauses, Receipt, RelayId,
    Route, RoutedSink, Router, Sink, Taker,
};
use relay_testkit::pairs::Root;
use uuid::Uuid;

use super::*;

/// Folders `a` and `b` of one mailbox. Messages of workflow `A` go to the one, all others to the other.
struct Two {
    sink: RoutedSink,
    a: Root,
    b: Root,
    pauses: Pauses,
    bench: Bench,
}

fn folder_sink(bench: &Bench, name: &str) -> (Root, Taker) {
    let root = bench.folder.path().join(name);
    let folders = Folders::open(&root, Use::Alone, Access::Usual).expect("folders");
    let config = Config::new(mailbox(), &root);
    let sink = FolderSink::new(config, Arc::new(folders), bench.clock.clone(), None);
    (Root(root), Taker { name: name.to_owned(), sink: Arc::new(sink), at_home: true })
}

impl Two {
    fn new() -> Self {
        let bench = Bench::new();
        let (a, taker_a) = folder_sink(&bench, "a");
        let (b, taker_b) = folder_sink(&bench, "b");
        let route = |workflow: Option<&str>, to: &str| Route {
            mailbox: Pattern::new(mailbox().as_str()),
            from: None,
            workflow: workflow.map(Pattern::new),
            to: to.to_owned(),
        };
        let receivers = ["a", "b"].map(|name| (mailbox(), name.to_owned())).to_vec();
        let router = Router::new(vec![route(Some("A"), "a"), route(None, "b")], receivers);
        let pauses = Pauses::default();
        let sink = RoutedSink::new(mailbox(), Arc::new(router), vec![taker_a, taker_b], pauses.clone());
        Self { sink, a, b, pauses, bench }
    }

    /// Offers a message whose first bytes are said to be held, as the poller does.
    async fn offer(&self, id: &str, workflow: &str, held: Held) -> Result<Receipt, FailureClass> {
        let id: MessageId = id.parse().expect("an id");
        let get = |name: &str| (name == "mex-workflowid").then(|| workflow.to_owned());
        let download = Download::read(&id, get).expect("metadata");
        let message = Inbound {
            relay_id: RelayId(Uuid::nil()),
            mailbox: &mailbox(),
            download: &download,
            reported_recipient: None,
            reported_adapter: None,
            body: stream::iter([Ok(Bytes::from_static(b"payload"))]).boxed(),
            held,
            progress: Box::new(move || held),
            trace: None,
            attempt: 1,
        };
        self.sink.deliver(message).await.map_err(|error| error.class)
    }
}

#[tokio::test]
async fn what_is_for_a_paused_adapter_stays_at_mesh_and_the_rest_goes_on() {
    let two = Two::new();
    let journal = &two.bench.journal;
    let what = Pausable::Adapter("a".to_owned());
    let at = jiff::Timestamp::UNIX_EPOCH;
    let pause = Pause { what: what.clone(), by: "a test".to_owned(), at, reason: String::new() };
    journal.pause(pause).await.expect("paused");
    two.pauses.read(journal).await.expect("known");
    assert_eq!(two.offer("ID1", "A", Held::default()).await, Err(FailureClass::Transient));
    assert_eq!(two.offer("ID2", "B", Held::default()).await, Ok(Receipt("adapter b: folder:ID2".to_owned())));
    assert_eq!((two.a.names("IN"), two.b.controls("IN")), (Vec::new(), 1));

    assert!(journal.resume(&what).await.expect("an answer"));
    two.pauses.read(journal).await.expect("known");
    assert_eq!(two.offer("ID1", "A", Held::default()).await, Ok(Receipt("adapter a: folder:ID1".to_owned())));
}

#[tokio::test]
async fn the_rest_of_a_message_is_given_to_nobody_who_does_not_hold_its_beginning() {
    let two = Two::new();
    let held = Held { chunks: 2, bytes: 100 };
    assert_eq!(two.offer("ID1", "A", held).await, Err(FailureClass::Transient));
    assert_eq!((two.a.names("IN"), two.b.names("IN")), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn what_was_delivered_and_not_recorded_is_finished_where_it_is() {
    let two = Two::new();
    two.offer("ID1", "A", Held::default()).await.expect("a receipt");
    // As after a crash, and a change of what MESH says or of the routes.
    let again = two.offer("ID1", "B", Held::default()).await.expect("a receipt");
    assert_eq!(again, Receipt("adapter a: folder:ID1".to_owned()));
    assert_eq!((two.a.controls("IN"), two.b.controls("IN")), (1, 0));
    two.sink.recorded(&again).await;
    assert_eq!(two.a.names("TEMP"), [""; 0], "what was kept to recognise it is gone");
}
