//! Two folders on one mailbox, and routes that say which of them takes what: killed behind a delivery, with the routes
//! changed before the next start.

use std::fs;

use relay_testkit::pairs::{Control, Root, element};
use relay_testkit::wait::eventually;

use crate::books::Books;
use crate::process::{ALICE, BOB};
use crate::scene::{CHUNK_BYTES, Scene, data};

/// What Alice sends beside the stranger's `TEST_WORKFLOW`.
const OTHER: &str = "OTHER_WORKFLOW";

/// The routes of the beginning: the stranger's messages go to the ward.
const TO_WARD: &str =
    "[[route]]\nmatch = { workflow = \"TEST_*\" }\nto = [\"ward\"]\n[[route]]\nto = \"bob\"\n";
/// And afterwards: all to Bob's first folder.
const TO_BOB: &str = "[[route]]\nmatch = { mailbox = \"X26ABC2\" }\nto = \"bob\"\n";

struct Routed {
    scene: Scene,
    ward: Root,
    config: String,
}

impl Routed {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let config = fs::read_to_string(scene.site.path("relay.toml")).expect("a configuration")
            + "[[adapter]]\nname = \"ward\"\nkind = \"dts-folder\"\nmailbox = \"X26ABC2\"\nroot = \"ward\"\n\
               grace = \"20ms\"\nscan = \"100ms\"\n";
        let ward = Root(scene.site.path("ward"));
        let routed = Self { scene, ward, config };
        routed.lead(TO_WARD);
        routed
    }

    fn lead(&self, routes: &str) {
        self.scene.site.write("relay.toml", format!("{}{routes}", self.config));
    }

    /// Runs the relay until MESH holds nothing for either mailbox that was not acknowledged.
    async fn finish(&self) -> Books {
        let relay = self.scene.start(None);
        eventually("everything is acknowledged", || {
            [ALICE, BOB].iter().all(|id| self.scene.mesh(id).iter().all(|m| m.status == "acknowledged"))
                && self.scene.inbound("acknowledged") == (self.at_mesh() as i64)
                && [&self.scene.site.alice, &self.scene.site.bob, &self.ward]
                    .iter()
                    .all(|root| root.names("OUT").is_empty())
        })
        .await;
        relay.stop().await;
        for root in [&self.scene.site.bob, &self.ward] {
            assert_eq!(root.names("TEMP"), [""; 0]);
        }
        Books::open(&self.scene.site).await
    }

    fn at_mesh(&self) -> usize {
        [ALICE, BOB].iter().map(|id| self.scene.mesh(id).len()).sum()
    }
}

/// The receipts of what was delivered, oldest message first.
fn receipts(books: &Books) -> Vec<String> {
    let delivered = |entry: &crate::books::Entry| {
        let delivered = entry.history.iter().find(|change| change.state == "delivered").expect("a delivery");
        let evidence: serde_json::Value = serde_json::from_str(&delivered.evidence).expect("JSON");
        evidence["delivered"]["receipt"].as_str().expect("a receipt").to_owned()
    };
    books.inbound.iter().map(delivered).collect()
}

#[tokio::test]
async fn each_message_goes_by_its_route_and_a_mailbox_with_one_adapter_is_as_it_was() {
    let routed = Routed::new().await;
    let (site, ward) = (&routed.scene.site, &routed.ward);
    let id = routed.scene.seed(b"for the ward").await;
    let control = Control { workflow: OTHER.to_owned(), ..Control::new(ALICE, BOB) };
    site.alice.drop_pair("pair", &control, b"for the rest");
    site.bob.drop_pair("back", &Control::new(BOB, ALICE), b"for alice");
    let relay = routed.scene.start(None);
    eventually("all three are at MESH", || routed.at_mesh() == 3).await;
    relay.stop().await;
    let books = routed.finish().await;
    assert_eq!(ward.received(), [b"for the ward"]);
    assert_eq!(site.bob.received(), [b"for the rest"]);
    assert_eq!(site.alice.received(), [b"for alice"]);
    let mut receipts = receipts(&books);
    receipts.sort();
    assert_eq!(receipts[1], format!("adapter ward: folder:{id}"));
    assert!(receipts[0].starts_with("adapter bob: folder:") && receipts[2].starts_with("folder:"));
}

#[tokio::test]
async fn killed_behind_a_delivery_it_stays_where_it_is_whatever_the_routes_say_then() {
    for (point, state) in [("after delivery", "delivering"), ("before acknowledge", "delivered")] {
        let routed = Routed::new().await;
        let id = routed.scene.seed(b"payload").await;
        routed.scene.crash(point).await;
        assert_eq!(Books::open(&routed.scene.site).await.states("inbound"), [state], "{point}");
        routed.lead(TO_BOB);
        let books = routed.finish().await;
        assert_eq!(routed.ward.received(), [b"payload"], "{point}");
        assert_eq!(routed.scene.site.bob.names("IN"), [""; 0], "{point}");
        assert_eq!(receipts(&books), [format!("adapter ward: folder:{id}")], "{point}");
    }
}

#[tokio::test]
async fn killed_behind_a_delivery_by_route_the_next_relay_may_have_one_adapter_and_no_routes() {
    let routed = Routed::new().await;
    routed.scene.seed(b"payload").await;
    routed.scene.crash("before acknowledge").await;
    let ward_alone = routed.config.replace("name = \"bob\"", "name = \"ward\"");
    let ward_alone = ward_alone.replacen("root = \"X26ABC2\"", "root = \"ward\"", 1);
    let end = ward_alone.rfind("[[adapter]]").expect("the ward's own section");
    routed.scene.site.write("relay.toml", &ward_alone[..end]);
    routed.finish().await;
    assert_eq!(routed.ward.received(), [b"payload"]);
}

#[tokio::test]
async fn killed_without_routes_behind_a_delivery_the_next_relay_may_have_them() {
    let routed = Routed::new().await;
    let end = routed.config.rfind("[[adapter]]").expect("the ward's section");
    routed.scene.site.write("relay.toml", &routed.config[..end]);
    let id = routed.scene.seed(b"payload").await;
    routed.scene.crash("before acknowledge").await;
    routed.lead(TO_WARD);
    let books = routed.finish().await;
    assert_eq!(routed.scene.site.bob.received(), [b"payload"]);
    assert_eq!(receipts(&books), [format!("folder:{id}")]);
    assert_eq!(routed.ward.names("IN"), [""; 0]);
}

#[tokio::test]
async fn killed_during_a_download_in_chunks_it_goes_on_where_its_beginning_is() {
    let routed = Routed::new().await;
    let five_chunks = data(4 * CHUNK_BYTES + 1_000);
    routed.scene.seed(&five_chunks).await;
    routed.scene.crash("inside chunk 3 of the download").await;
    routed.lead(TO_BOB);
    routed.finish().await;
    assert!(routed.ward.received() == [five_chunks], "it came whole, to where it was begun");
    assert_eq!(routed.scene.site.bob.names("IN"), [""; 0]);
    let fetched = routed.scene.requests("download") + routed.scene.requests("download-chunk");
    assert_eq!(fetched, 5 + 1, "no chunk that was there was fetched again");
}

#[tokio::test]
async fn a_report_goes_to_the_adapter_whose_message_it_is_about_and_by_the_routes_where_nobody_knows() {
    let routed = Routed::new().await;
    routed.lead(TO_BOB);
    routed.ward.drop_pair("pair", &Control::new(BOB, ALICE).local_id("L1"), b"payload");
    routed.finish().await;
    let about = routed.scene.mesh(ALICE)[0].message_id.clone();
    let report = |id: String| {
        let address = routed.scene.sandbox.address();
        async move { crate::stranger::report(address, BOB, &id).await }
    };
    report(about.to_string()).await;
    report("20260101000000000000_AAAAAA".to_owned()).await;
    routed.finish().await;
    let [ours] = &routed.ward.reports()[..] else { panic!("{:?}", routed.ward.reports()) };
    assert_eq!(element(ours, "PartnerId"), about.as_str());
    assert_eq!(
        routed.scene.site.bob.reports().len(),
        1,
        "what this journal does not know goes by the routes"
    );
}

#[tokio::test]
async fn a_folder_of_another_mailbox_takes_what_is_led_to_it_in_the_name_of_its_mailbox() {
    let routed = Routed::new().await;
    routed.lead(
        "[[route]]\nmatch = { mailbox = \"X26ABC2\", workflow = \"TEST_*\" }\nto = \"alice\"\n\
         [[route]]\nto = \"bob\"\n",
    );
    routed.scene.seed(b"payload").await;
    routed.finish().await;
    let alice = &routed.scene.site.alice;
    assert_eq!(alice.received(), [b"payload"]);
    let control = alice.names("IN").into_iter().find(|name| name.ends_with(".ctl")).expect("a control file");
    assert_eq!(element(&alice.text("IN", &control), "To_DTS"), BOB);
}
