//! A relay with one mailbox and one adapter, and a journal of its own on the disk.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mesh_relay_benches::load::{ALICE, BOB, Connection, PASSWORD, SHARED_KEY};
use mesh_relay_benches::report;
use mesh_relay_benches::servers::{self, Server};
use mesh_relay_benches::usage::{self, CpuTime};
use tokio::process::Child;
use tokio::time::interval;

use crate::asked::Asked;
use crate::broker::{Adapter, Broker, Way};
use crate::rest;
use crate::run::{RUN_WAIT, Ran};

/// Pause between two looks at an inbox, the shortest that may be configured in whole seconds.
const POLL: &str = "1s";
/// Pause between two looks at what MESH was asked, until it was asked for the first time.
const FIRST_LOOK: Duration = Duration::from_millis(5);
/// Pause between two looks at how many messages an inbox holds. That costs the server little.
const LOOK: Duration = Duration::from_millis(20);

/// Where the relay does its work.
pub(crate) struct Site<'a> {
    pub(crate) broker: &'a dyn Broker,
    pub(crate) server: &'a Server,
    pub(crate) in_flight: usize,
    pub(crate) count: usize,
}

impl Site<'_> {
    /// Starts a relay, lets it carry all that waits, and ends it.
    pub(crate) async fn carry(&self, way: Way, others: &[u32]) -> Ran {
        // Beside the figures: the folder for temporary files may be no disk.
        let folder = tempfile::tempdir_in(report::folder()).expect("a folder");
        let mut eyes = Connection::open(self.server).await;
        let mut asked = Asked::follow(&mut eyes).await;
        let mut relay = servers::relay(&self.configure(folder.path().to_owned(), way)).await;
        let id = relay.id().expect("the relay runs");
        let (call, left) = match way {
            Way::Out | Way::OutTold => ("send", self.count),
            Way::In | Way::InTransactions => ("acknowledge", 0),
        };
        let began = Instant::now();
        let patience = |relay: &mut Child| {
            assert!(began.elapsed() < RUN_WAIT, "the relay has not carried all within {RUN_WAIT:?}");
            assert!(relay.try_wait().expect("a child").is_none(), "the relay ended on its way");
        };
        let mut looks = interval(FIRST_LOOK);
        let first = loop {
            looks.tick().await;
            patience(&mut relay);
            if let Some(first) = asked.first(&mut eyes, call).await {
                break first;
            }
        };
        let mut looks = interval(LOOK);
        while eyes.waiting().await != left {
            looks.tick().await;
            patience(&mut relay);
        }
        let last = asked.last(&mut eyes, call).await;
        while way == Way::OutTold && self.broker.told().await < self.count {
            looks.tick().await;
            patience(&mut relay);
        }
        while left > 0 && !self.broker.has_heard(self.count).await {
            looks.tick().await;
            patience(&mut relay);
        }
        // What is still to be settled belongs to the messages, too.
        let known: Vec<u32> = others.iter().copied().chain([id]).collect();
        rest::until(&known).await;
        let ran = Ran {
            stretch: last.duration_since(first).try_into().expect("a time that passed"),
            cpu: CpuTime::now(id).whole_since(CpuTime::NONE),
            peak_kib: usage::peak_kib(id),
        };
        relay.kill().await.expect("the relay ended");
        ran
    }

    fn configure(&self, folder: PathBuf, way: Way) -> PathBuf {
        let mailbox = match way {
            Way::Out | Way::OutTold => ALICE,
            Way::In | Way::InTransactions => BOB,
        };
        let Adapter { text: adapter, files } = self.broker.adapter(way, self.in_flight);
        let text = format!(
            "[mesh]\nenvironment = {{ url = \"{}\" }}\nshared_key = {{ file = \"key\" }}\n[journal]\npath = \"journal.db\"\n\
             [send]\nin_flight = {}\n\
             [[mailbox]]\nid = \"{mailbox}\"\npassword = {{ file = \"pass\" }}\npoll = \"{POLL}\"\n{adapter}",
            self.server.url(),
            self.in_flight,
        );
        for (name, content) in [("relay.toml", &*text), ("key", SHARED_KEY), ("pass", PASSWORD)]
            .into_iter()
            .chain(files.iter().map(|(name, content)| (*name, &**content)))
        {
            #[expect(clippy::disallowed_methods, reason = "no crash loses anything that is of use")]
            fs::write(folder.join(name), content).expect("a file written");
        }
        folder.join("relay.toml")
    }
}
