//! A partition's records: worked on side by side, those of one key one after the other.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::Sender;

use relay_core::Shutdown;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use crate::desk::Desk;
use crate::hold::Command;
use crate::offer::order_key;
use crate::record::Record;

/// Which partition, in which of its assignments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stint {
    pub(crate) partition: i32,
    /// Counts assignments of all partitions.
    pub(crate) epoch: u64,
}

/// How the work on a record came out.
struct Done {
    lane: Option<Vec<u8>>,
    has_ended: bool,
}

/// Records of one key that wait for the one in work.
type Lanes = HashMap<Vec<u8>, VecDeque<Record>>;

/// Works on what comes until `stop`, and returns once nothing is in work. What has not ended by then comes again, here or at
/// another instance.
pub(crate) async fn work(
    stint: Stint,
    desk: Desk,
    mut records: UnboundedReceiver<Record>,
    group: Sender<Command>,
    mut stop: Shutdown,
) {
    let mut lanes = Lanes::new();
    let mut tasks: JoinSet<Done> = JoinSet::new();
    loop {
        tokio::select! {
            record = records.recv() => {
                let Some(record) = record else { break };
                let lane = order_key(&record, desk.outbound.order);
                if let Some(waiting) = lane.as_ref().and_then(|lane| lanes.get_mut(lane)) {
                    record.waits();
                    waiting.push_back(record);
                } else {
                    if let Some(lane) = &lane {
                        lanes.insert(lane.clone(), VecDeque::new());
                    }
                    start(&mut tasks, &desk, lane, record);
                }
            }
            Some(done) = tasks.join_next() => match done {
                Ok(Done { lane, has_ended: true }) => next(&mut tasks, &desk, &mut lanes, lane),
                // A stop was asked for.
                Ok(Done { has_ended: false, .. }) => {}
                Err(_) => {
                    tracing::error!(adapter = %desk.shared.name, partition = stint.partition,
                        "work on a record broke off; its partition is read again");
                    let _ = group.send(Command::Again(stint));
                    break;
                }
            },
            () = stop.requested() => break,
        }
    }
    drop((lanes, records));
    while tasks.join_next().await.is_some() {}
}

fn start(tasks: &mut JoinSet<Done>, desk: &Desk, lane: Option<Vec<u8>>, record: Record) {
    record.is_at_work();
    let desk = desk.clone();
    tasks.spawn(async move {
        let has_ended = desk.carry(&record).await;
        Done { lane, has_ended }
    });
}

/// The one in work of a key has ended: the next has its turn.
fn next(tasks: &mut JoinSet<Done>, desk: &Desk, lanes: &mut Lanes, lane: Option<Vec<u8>>) {
    let Some(lane) = lane else { return };
    match lanes.get_mut(&lane).and_then(VecDeque::pop_front) {
        Some(record) => start(tasks, desk, Some(lane), record),
        None => {
            lanes.remove(&lane);
        }
    }
}
