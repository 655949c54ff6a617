//! Killed while the client library waits for a broker: with a report or an event under way, and at each step of a
//! transaction.

use relay_testkit::wait::eventually;

use super::cut::{Ask, CutBroker, Loss, Part};
use super::{Counted, Message, Mode, Stage, TO_BOB, row};

/// The adapters' names with the broker.
const ALICE: &str = "mesh-relay-alice";
const BOB: &str = "mesh-relay-bob";

impl Stage {
    /// Runs the relay until something is lost on the wire and `is_so`, then kills it.
    async fn crash_on(&mut self, broker: &CutBroker, loss: Loss, what: &str, is_so: impl Fn(&Self) -> bool) {
        broker.lose(loss);
        let relay = self.start(None);
        broker.has_lost().await;
        eventually(what, || is_so(self)).await;
        relay.kill();
        broker.mend();
        self.take().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_15_killed_with_the_report_not_seen_it_is_published_again_and_says_so() {
    let broker = CutBroker::start().await;
    let mut stage = Stage::on(Counted::new(broker.kafka.clone(), Mode::Usual).await);
    stage.seed(b"payload").await;
    let about = stage.scene.name("inbound");
    let loss = Loss { client: BOB, ask: Ask::Produce, about, part: Part::Answer };
    stage.crash_on(&broker, loss, "it is published", |stage| stage.written("inbound") == 1).await;
    assert_eq!((stage.state_inbound().as_str(), stage.copies().len()), ("delivering", 1));
    assert_eq!(stage.status_at_mesh(), "accepted", "MESH still holds it");
    stage.finish().await;
    let redelivery: Vec<&str> = stage.copies().iter().map(|copy| copy.header("mesh_redelivery")).collect();
    assert_eq!(redelivery, ["", "true"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_12_killed_with_an_event_in_one_of_its_two_topics_it_gets_to_both() {
    let broker = CutBroker::start().await;
    for (part, told, latest) in [(Part::Request, 1, 0), (Part::Answer, 1, 1)] {
        let mut stage = Stage::on(Counted::new(broker.kafka.clone(), Mode::Usual).await);
        stage.put(Message::new("L1", &TO_BOB, b"payload")).await;
        let about = stage.scene.name("latest");
        let loss = Loss { client: ALICE, ask: Ask::Produce, about, part };
        let in_latest = |stage: &Stage| stage.scene.all("latest").len();
        stage.crash_on(&broker, loss, "it is told", |stage| in_latest(stage) == latest).await;
        assert_eq!((stage.times_told("received"), in_latest(&stage)), (told, latest), "{part:?}");
        let tables = stage.finish().await;
        assert_eq!(row(&tables).state, "accepted");
        assert_eq!((stage.times_told("received"), in_latest(&stage)), (told + 1, latest + 3), "{part:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_of_a_transaction_readers_see_the_message_once() {
    let broker = CutBroker::start().await;
    let committed = |stage: &Stage| stage.scene.all("inbound").len();
    for (step, ask, part, about, written, marks, came) in [
        ("before the payload", Ask::AddPartitions, Part::Request, "inbound", 0, 0, 0),
        ("between payload and mark", Ask::Produce, Part::Request, "seen", 1, 0, 0),
        ("between mark and payload", Ask::Produce, Part::Request, "inbound", 0, 1, 0),
        ("both written, not reported", Ask::Produce, Part::Answer, "seen", 1, 1, 0),
        ("before the commit", Ask::EndTransaction, Part::Request, "", 1, 1, 0),
        ("behind the commit, nobody knows", Ask::EndTransaction, Part::Answer, "", 1, 1, 1),
    ] {
        let mut stage = Stage::on(Counted::new(broker.kafka.clone(), Mode::Transactions).await);
        stage.seed(b"payload").await;
        // A transaction's id is the scene's number.
        let about = if about.is_empty() { stage.scene.number.clone() } else { stage.scene.name(about) };
        let loss = Loss { client: BOB, ask, about, part };
        let is_there = |stage: &Stage| {
            (stage.written("inbound"), stage.written("seen"), committed(stage)) == (written, marks, came)
        };
        stage.crash_on(&broker, loss, step, is_there).await;
        assert_eq!((stage.state_inbound().as_str(), stage.copies().len()), ("delivering", came), "{step}");
        assert_eq!(stage.status_at_mesh(), "accepted", "{step}: MESH still holds it");
        stage.finish().await;
        assert_eq!((stage.copies().len(), stage.account.marks.len()), (1, 1), "{step}");
        assert_eq!(stage.copies()[0].header("mesh_redelivery"), "", "{step}");
        // What did not come about stands there for those who read what is not committed.
        assert_eq!(
            (stage.written("inbound"), stage.written("seen")),
            (written + 1 - came, marks + 1 - came),
            "{step}"
        );
    }
}
