//! Two hundred changes of the configuration while messages go every way: each arrives once, where it belongs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mesh_sandbox::{ClientCertificates, Sandbox, SandboxConfig, Tls};
use relay_testkit::pairs::{Control, Root};
use relay_testkit::wait::eventually;

use crate::broker::Broker;
use crate::process::{ALICE, BOB, Site, fixture};
use crate::told::{NOT_TAKEN, TAKEN, reload};

/// The mailbox of the queue.
const CAROL: &str = "X26ABC3";
/// The workflow of some messages for Bob, which a route leads elsewhere at times.
const ASIDE: &str = "ASIDE_WORKFLOW";
/// Changes of the configuration.
const RELOADS: usize = 200;
/// Messages of one way that have not arrived, at most: more would be a heap, and not traffic.
const UNDER_WAY_MAX: usize = 20;

/// What the configuration says at one time.
#[derive(Clone)]
struct Wording {
    grace: u32,
    poll: u32,
    in_flight: u32,
    chunk_kib: u32,
    keystore: &'static str,
    password: &'static str,
    prefetch: u32,
    carol: bool,
    broken: bool,
    /// Whether there is a route for messages of the workflow [`ASIDE`].
    aside: bool,
}

impl Wording {
    fn first() -> Self {
        Self {
            grace: 50,
            poll: 100,
            in_flight: 8,
            chunk_kib: 64,
            keystore: "ec.jks",
            password: "mailbox.pass",
            prefetch: 10,
            carol: true,
            broken: false,
            aside: false,
        }
    }

    /// The next wording. What was made bad is good again after it.
    fn next(&self, number: usize) -> Self {
        let good = Self { password: "mailbox.pass", carol: true, broken: false, ..self.clone() };
        match number % 10 {
            0 => Self { grace: 110 - self.grace, ..good },
            1 => Self { poll: 250 - self.poll, ..good },
            2 => Self { in_flight: 12 - self.in_flight, ..good },
            3 => Self { broken: true, ..good },
            4 => Self { chunk_kib: 96 - self.chunk_kib, ..good },
            5 => Self { keystore: if self.keystore == "ec.jks" { "rsa.jks" } else { "ec.jks" }, ..good },
            6 => Self { password: "wrong.pass", ..good },
            7 => Self { prefetch: 30 - self.prefetch, ..good },
            8 => Self { carol: false, ..good },
            // Carol is back, by the way.
            _ => Self { aside: !self.aside, ..good },
        }
    }

    fn text(&self, scene: &Scene) -> String {
        let Self { grace, poll, in_flight, chunk_kib, keystore, password, prefetch, .. } = self;
        let mut text = format!(
            "[mesh]\nenvironment = {{ url = \"{}\" }}\nshared_key = {{ file = \"shared.key\" }}\nroots = \"roots.pem\"\n\
             identity = {{ keystore = \"{keystore}\", password = {{ file = \"keystore.pass\" }} }}\nchunk_size = \"{chunk_kib}KiB\"\n\
             [journal]\npath = \"journal.db\"\n[reload]\nlook = \"0s\"\n\
             [send]\nin_flight = {in_flight}\nretry_first = \"100ms\"\nretry_max = \"500ms\"\ndoubt_wait = \"300ms\"\n",
            scene.sandbox.base_url()
        );
        for (name, mailbox) in [("alice", ALICE), ("bob", BOB)] {
            text += &format!(
                "[[mailbox]]\nid = \"{mailbox}\"\npassword = {{ file = \"{password}\" }}\npoll = \"{poll}ms\"\n\
                 [[adapter]]\nname = \"{name}\"\nkind = \"dts-folder\"\nmailbox = \"{mailbox}\"\nroot = \"{mailbox}\"\n\
                 grace = \"{grace}ms\"\nscan = \"300ms\"\n"
            );
        }
        if self.carol {
            let name = &scene.name;
            text += &format!(
                "[[mailbox]]\nid = \"{CAROL}\"\npassword = {{ file = \"{password}\" }}\npoll = \"{poll}ms\"\n\
                 [[adapter]]\nname = \"carol\"\nkind = \"amqp\"\nmailbox = \"{CAROL}\"\nurl = {{ file = \"broker.url\" }}\n\
                 outbound = {{ queue = \"{name}.out\", prefetch = {prefetch} }}\n\
                 inbound = {{ exchange = \"{name}.in\", queue = \"{name}.in\" }}\n\
                 unrouted = \"{name}.unrouted\"\nparked = \"{name}.parked\"\ndeclare = true\n"
            );
        }
        text +=
            "[[adapter]]\nname = \"vault\"\nkind = \"dts-folder\"\nmailbox = \"X26ABC2\"\nroot = \"vault\"\n";
        if self.aside {
            text += &format!(
                "[[route]]\nmatch = {{ mailbox = \"{BOB}\", workflow = \"{ASIDE}\" }}\nto = \"vault\"\n"
            );
        }
        text += &format!("[[route]]\nmatch = {{ mailbox = \"{BOB}\" }}\nto = \"bob\"\n");
        if self.broken {
            text += "[[adapter]]\nname = \"broken\"\nkind = \"dts-folder\"\n";
        }
        text
    }
}

struct Scene {
    sandbox: Sandbox,
    site: Site,
    broker: Broker,
    /// What the queues' names begin with.
    name: String,
}

impl Scene {
    async fn new() -> Self {
        let authorities = String::from_utf8(fixture("root.pem")).expect("PEM");
        let tls = Tls::SelfMade { client: Some(ClientCertificates { authorities, required: true }) };
        let config = SandboxConfig { tls, ..SandboxConfig::loopback() };
        let sandbox = Sandbox::start(config).await.expect("a sandbox");
        let site = Site::new(&sandbox.base_url(), "");
        site.write("roots.pem", sandbox.root_certificate().expect("a root"));
        site.write("keystore.pass", "changeit\n");
        site.write("wrong.pass", "wrong\n");
        for name in ["ec.jks", "rsa.jks"] {
            site.write(name, fixture(name));
        }
        let broker = Broker::shared().await;
        site.write("broker.url", &broker.url);
        let name = format!("reload.{}", std::process::id());
        broker.queue(&format!("{name}.out")).await;
        Self { sandbox, site, broker, name }
    }

    /// Messages in IN; what the relay says there of a wrong password is none.
    fn arrived(&self, mailbox: &str) -> usize {
        let names = Root(self.site.path(mailbox)).names("IN");
        names.iter().filter(|name| name.ends_with(".dat")).count()
    }

    fn arrived_at_bob(&self) -> usize {
        self.arrived(BOB) + self.arrived("vault")
    }

    /// Offers messages every way until there were changes enough. Returns how many of each way.
    async fn offer(&self, enough: &AtomicBool) -> usize {
        let (alice, bob) = (&self.site.alice, &self.site.bob);
        let mut number = 0;
        while !enough.load(Ordering::Acquire) {
            let ways = [(alice, ALICE, BOB), (bob, BOB, ALICE), (alice, ALICE, CAROL), (bob, BOB, CAROL)];
            for (from, sender, recipient) in ways {
                let name = format!("{recipient}-{number}");
                let mut control = Control::new(sender, recipient).local_id(&name);
                if number % 4 == 0 {
                    control = control.compressed_in_chunks();
                }
                if goes_aside(sender, recipient, number) {
                    ASIDE.clone_into(&mut control.workflow);
                }
                from.drop_pair(&name, &control, &body(sender, recipient, number));
            }
            for recipient in [ALICE, BOB] {
                let headers = [("mesh_to", recipient), ("mesh_workflow_id", "TEST_WORKFLOW")];
                let id = format!("{recipient}-{number}");
                self.broker
                    .put(&format!("{}.out", self.name), &id, &headers, &body(CAROL, recipient, number))
                    .await;
            }
            number += 1;
            // As fast as they go, and no faster.
            while 2 * number > self.arrived_at_bob().min(self.arrived(ALICE)) + UNDER_WAY_MAX
                && !enough.load(Ordering::Acquire)
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        number
    }
}

/// Whether a message is of the workflow that a route leads elsewhere at times.
fn goes_aside(sender: &str, recipient: &str, number: usize) -> bool {
    (sender, recipient) == (ALICE, BOB) && number % 2 == 1
}

/// Larger than a chunk now and then.
fn body(sender: &str, recipient: &str, number: usize) -> Vec<u8> {
    let mut body = format!("{sender} {recipient} {number} ").into_bytes();
    body.resize(body.len() + if number.is_multiple_of(10) { 150_000 } else { 200 }, b'.');
    body
}

/// How often each message is there, by who sent it, who was to have it and its number.
fn count(received: impl IntoIterator<Item = Vec<u8>>) -> BTreeMap<(String, String, usize), usize> {
    let mut counts = BTreeMap::new();
    for body in received {
        let text = String::from_utf8(body).expect("text");
        let [sender, recipient, number, rest] = text.splitn(4, ' ').collect::<Vec<_>>()[..] else {
            panic!("no message of this test")
        };
        let number: usize = number.parse().expect("a number");
        assert_eq!(rest.len(), if number.is_multiple_of(10) { 150_000 } else { 200 }, "a whole message");
        *counts.entry((sender.to_owned(), recipient.to_owned(), number)).or_default() += 1;
    }
    counts
}

fn expected(recipient: &str, ways: &[(&str, usize)]) -> BTreeMap<(String, String, usize), usize> {
    let one = |sender: &str, number| ((sender.to_owned(), recipient.to_owned(), number), 1);
    ways.iter().flat_map(|(sender, sent)| (0..*sent).map(move |number| one(sender, number))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_reloads_under_load_drop_and_misroute_nothing() {
    let scene = Scene::new().await;
    let mut wording = Wording::first();
    scene.site.write("relay.toml", wording.text(&scene));
    let relay = scene.site.run().await;
    let enough = AtomicBool::new(false);
    let change = async {
        let (mut taken, mut refused) = (0, 0);
        for number in 0..RELOADS {
            wording = wording.next(number);
            scene.site.replace("relay.toml", wording.text(&scene));
            let answer = reload(&relay).await;
            if wording.broken {
                assert!(answer.starts_with(NOT_TAKEN), "{number}: {answer}");
                refused += 1;
            } else {
                assert!(answer.starts_with(TAKEN), "{number}: {answer}");
                taken += 1;
            }
        }
        enough.store(true, Ordering::Release);
        (taken, refused)
    };
    let (sent, (taken, refused)) = tokio::join!(scene.offer(&enough), change);
    let queue = format!("{}.in", scene.name);
    let arrived = || (scene.arrived(ALICE), scene.arrived_at_bob());
    eventually("all pairs arrive", || arrived() == (2 * sent, 2 * sent)).await;
    let queued = scene.broker.take_all(&queue, 2 * sent).await;
    let aside = Root(scene.site.path("vault")).received();
    let both = || scene.site.bob.received().into_iter().chain(aside.iter().cloned());
    let (alice, bob) = (count(scene.site.alice.received()), count(both()));
    assert_eq!(alice, expected(ALICE, &[(BOB, sent), (CAROL, sent)]));
    assert_eq!(bob, expected(BOB, &[(ALICE, sent), (CAROL, sent)]));
    assert_eq!(
        count(queued.into_iter().map(|taken| taken.body)),
        expected(CAROL, &[(ALICE, sent), (BOB, sent)])
    );
    eventually("everything is settled", || {
        let names = |root: &Root| root.names("OUT").len() + root.names("FAILED").len();
        names(&scene.site.alice) + names(&scene.site.bob) == 0
    })
    .await;
    assert_eq!(scene.broker.ready(&queue).await, 0, "nothing came twice");
    let led = count(aside.iter().cloned());
    assert!(
        !led.is_empty() && led.keys().all(|(sender, to, number)| goes_aside(sender, to, *number)),
        "{led:?}"
    );
    let log = relay.stop().await.1;
    assert_eq!(scene.site.outbound("accepted") + scene.site.outbound("acknowledged"), 6 * sent as i64);
    eprintln!("{RELOADS} reloads, {taken} taken, {refused} refused, {} messages, each there once", 6 * sent);
    assert!(!log.contains("did not end in time"), "{log}");
}
