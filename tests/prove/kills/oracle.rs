//! Who counts in the end. Reads files, MESH's store and the journal's tables, and takes nobody's word for anything.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use mesh_sandbox::{Sandbox, StoredMessage};
use relay_core::Records;
use relay_journal::SqliteJournal;
use rusqlite::Connection;

use super::load::{Application, Hash, Load, hash};
use crate::process::{ALICE, BOB, Site};
use crate::stranger::STRANGER;

/// What was found.
#[derive(Default)]
pub struct Found {
    dropped: usize,
    sent: usize,
    failed: usize,
    received: usize,
    reports: usize,
    marked: usize,
    doubled: usize,
    parked: usize,
    pub faults: Vec<String>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dropped, sent, failed, received, reports, marked, doubled, parked, faults } = self;
        write!(
            f,
            "{dropped} pairs dropped, {sent} sent, {failed} failed ({parked} parked), {received} messages and {reports} \
             reports received, {marked} marked as possible duplicates ({doubled} are), {} faults",
            faults.len()
        )
    }
}

fn at_mesh(sandbox: &Sandbox, mailbox: &str) -> Vec<StoredMessage> {
    let all = sandbox.messages(&mailbox.parse().expect("a mailbox"));
    all.into_iter().filter(|message| message.status != "uploading").collect()
}

/// Whether nothing is in OUT, nothing waits at MESH and every pair is settled.
pub fn is_dry(sandbox: &Sandbox, site: &Site) -> bool {
    let unsettled = || {
        let journal = Connection::open(site.path("journal.db"))?;
        journal.query_row("SELECT count(*) FROM outbound WHERE settled_at IS NULL", [], |row| row.get(0))
    };
    let settled = || unsettled().is_ok_and(|count: i64| count == 0);
    [&site.alice, &site.bob].iter().all(|root| root.names("OUT").is_empty())
        && [ALICE, BOB].iter().all(|id| at_mesh(sandbox, id).iter().all(|m| m.status != "accepted"))
        && settled()
}

/// A row of the journal's.
struct Row {
    relay_id: String,
    state: String,
    /// Whether it was sent again although an attempt before may have arrived.
    marked: bool,
    message_id: Option<String>,
}

/// The journal as its tables have it.
struct Tables {
    /// By the pair's name.
    outbound: HashMap<String, Vec<Row>>,
    /// States by mailbox and MESH's id.
    inbound: HashMap<(String, String), String>,
    /// Messages by table and state.
    counts: BTreeMap<(&'static str, String), usize>,
}

impl Tables {
    fn read(site: &Site) -> rusqlite::Result<Self> {
        let journal = Connection::open(site.path("journal.db"))?;
        let (mut outbound, mut inbound): (HashMap<String, Vec<Row>>, _) = (HashMap::new(), HashMap::new());
        let mut counts: BTreeMap<_, usize> = BTreeMap::new();
        let mut rows = journal.prepare(
            "SELECT source_key, lower(hex(relay_id)), state_name, message_id,
                 EXISTS (SELECT 1 FROM event WHERE event.relay_id = outbound.relay_id
                     AND json_extract(state, '$.' || state_name || '.resent') IN ('probed', 'blindly'))
             FROM outbound",
        )?;
        let mut found = rows.query([])?;
        while let Some(row) = found.next()? {
            let key: String = row.get(0)?;
            let name = key.split(".ctl/").next().unwrap_or_default().to_owned();
            let (relay_id, state) = (row.get(1)?, row.get::<_, String>(2)?);
            *counts.entry(("outbound", state.clone())).or_default() += 1;
            let (message_id, marked) = (row.get(3)?, row.get(4)?);
            outbound.entry(name).or_default().push(Row { relay_id, state, marked, message_id });
        }
        let mut rows = journal.prepare("SELECT mailbox, message_id, state_name FROM inbound")?;
        let mut found = rows.query([])?;
        while let Some(row) = found.next()? {
            let state: String = row.get(2)?;
            *counts.entry(("inbound", state.clone())).or_default() += 1;
            inbound.insert((row.get(0)?, row.get(1)?), state);
        }
        Ok(Self { outbound, inbound, counts })
    }

    fn count(&self, table: &str) -> usize {
        self.counts.iter().filter(|((named, _), _)| *named == table).map(|(_, count)| count).sum()
    }
}

/// Compares everything with everything.
pub async fn look(
    sandbox: &Sandbox,
    site: &Site,
    load: &Load,
    application: &Application,
    seeded: usize,
) -> Found {
    let tables = Tables::read(site).expect("a journal that can be read");
    let mut found = Found { dropped: load.pairs.len(), ..Found::default() };
    found.faults.extend(application.seen_wrong.iter().cloned());
    outbound(sandbox, load, application, &tables, &mut found);
    inbound(sandbox, application, &tables, seeded, &mut found);

    for root in [&site.alice, &site.bob] {
        for folder in ["OUT", "IN", "SENT", "FAILED", "TEMP"] {
            for name in root.names(folder) {
                found.faults.push(format!("{} still holds {name}", root.folder(folder).display()));
            }
        }
    }
    let journal = SqliteJournal::open(&site.path("journal.db")).expect("a journal");
    let report = journal.verify().await.expect("a report");
    journal.close().await;
    if !report.is_sound() {
        found.faults.push(format!("the chain is broken: {report:?}"));
    }
    found
}

/// Every pair ended once, and MESH has it as often as the journal says.
fn outbound(sandbox: &Sandbox, load: &Load, application: &Application, tables: &Tables, found: &mut Found) {
    let mut at: HashMap<Hash, Vec<String>> = HashMap::new();
    for mailbox in [ALICE, BOB, STRANGER] {
        for message in at_mesh(sandbox, mailbox) {
            at.entry(hash(&message.body())).or_default().push(message.message_id.to_string());
        }
    }
    for (name, pair) in &load.pairs {
        let (sent, failed) = (application.sent.get(name), application.failed.get(name));
        let ids = at.get(&pair.content).map_or(&[][..], Vec::as_slice);
        let mut fault = |what: &str| found.faults.push(format!("pair {name}, {} at MESH: {what}", ids.len()));
        let rows = tables.outbound.get(name).map_or(&[][..], Vec::as_slice);
        let [row] = rows else {
            fault(&format!("{} records in the journal", rows.len()));
            continue;
        };
        found.marked += usize::from(row.marked);
        found.doubled += usize::from(row.marked && ids.len() > 1);
        match (sent.map(Vec::as_slice), failed.map(Vec::as_slice)) {
            (Some([(id, content)]), None) => {
                found.sent += 1;
                if *content != Some(pair.content) {
                    fault("its data is not in SENT as it was");
                }
                if !ids.contains(id) || row.message_id.as_ref() != Some(id) {
                    fault("SENT, the journal and MESH name different messages");
                }
                let reported = application.reported.contains(id);
                if row.state != if reported { "undelivered" } else { "accepted" } {
                    fault(&format!("it was sent and the journal says {}", row.state));
                }
                // Once, or twice where that was foreseen and marked.
                if ids.is_empty() || ids.len() > 1 + usize::from(row.marked) {
                    fault(&format!("MESH has it so often, marked: {}", row.marked));
                }
            }
            (None, Some([content])) => {
                found.failed += 1;
                found.parked += usize::from(row.state == "parked");
                if *content != Some(pair.content) {
                    fault("its data is not in FAILED as it was");
                }
                let may_be_at_mesh = match &*row.state {
                    "rejected" => 0,
                    "parked" => 1 + usize::from(row.marked),
                    other => {
                        fault(&format!("it failed and the journal says {other}"));
                        0
                    }
                };
                if ids.len() > may_be_at_mesh {
                    fault(&format!("MESH has it so often, {}", row.state));
                }
                let reports = |(mailbox, stem): &&(&str, String)| {
                    *mailbox == pair.from && stem.replace('-', "") == row.relay_id
                };
                if application
                    .taken
                    .iter()
                    .filter(|(key, _)| reports(key))
                    .map(|(_, n)| n.len())
                    .sum::<usize>()
                    != 1
                {
                    fault("its failure was not told exactly once");
                }
            }
            (sent, failed) => {
                let (sent, failed) = (sent.map_or(0, <[_]>::len), failed.map_or(0, <[_]>::len));
                fault(&format!("it came out {sent} times in SENT and {failed} times in FAILED"));
            }
        }
    }
    if found.sent + found.failed != found.dropped || tables.count("outbound") != found.dropped {
        let counted = tables.count("outbound");
        found.faults.push(format!(
            "{} dropped, {} sent, {} failed, {counted} records",
            found.dropped, found.sent, found.failed
        ));
    }
}

/// Every message at MESH came to IN once, as it was, and the journal knows that.
fn inbound(sandbox: &Sandbox, application: &Application, tables: &Tables, seeded: usize, found: &mut Found) {
    let mut known: HashSet<(&str, String)> = HashSet::new();
    let mut foreign = 0;
    for mailbox in [ALICE, BOB] {
        for message in at_mesh(sandbox, mailbox) {
            let id = message.message_id.to_string();
            let is_report = message.chunk_count == 0;
            if is_report {
                found.reports += 1;
            } else {
                found.received += 1;
            }
            foreign += usize::from(message.sender.as_ref().is_some_and(|from| from.as_str() == STRANGER));
            let expected = (!is_report).then(|| hash(&message.body()));
            let taken = application.taken.get(&(mailbox, id.clone())).map_or(&[][..], Vec::as_slice);
            if taken != [expected] {
                let same = taken.iter().filter(|content| **content == expected).count();
                found.faults.push(format!(
                    "message {id} for {mailbox} came {} times, {same} times as it was",
                    taken.len()
                ));
            }
            let state =
                tables.inbound.get(&(mailbox.to_owned(), id.clone())).map_or("nothing", String::as_str);
            if (message.status.as_str(), state) != ("acknowledged", "acknowledged") {
                found.faults.push(format!(
                    "message {id} is {} at MESH, and the journal says {state}",
                    message.status
                ));
            }
            known.insert((mailbox, id));
        }
    }
    let own: HashSet<&str> = tables.outbound.values().flatten().map(|row| &*row.relay_id).collect();
    for (mailbox, stem) in application.taken.keys() {
        let is_own = own.contains(stem.replace('-', "").as_str());
        if !is_own && !known.contains(&(*mailbox, stem.clone())) {
            found.faults.push(format!("{mailbox} got {stem}, of which MESH knows nothing"));
        }
    }
    let (counted, there) = (tables.count("inbound"), found.received + found.reports);
    if counted != there || foreign != seeded || found.reports != application.reported.len() {
        found.faults.push(format!(
            "{there} messages and reports at MESH, {counted} in the journal; {seeded} sent by the stranger, {foreign} there; \
             {} reports made, {} there",
            application.reported.len(),
            found.reports
        ));
    }
}
