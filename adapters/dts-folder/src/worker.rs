//! The work on one pair: read it, offer it to the engine, move it by its outcome.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dts_control::{ControlFile, Event};
use relay_core::{
    Clock, Deferral, DeferralCause, Ended, Happening, Outcome, Pump, RelayHandle, RelayId, Shutdown,
    SourceKey, Unsettled,
};
use thiserror::Error;
use tokio::task::{self, JoinError};
use tokio::time::Instant;

use crate::config::Config;
use crate::folders::Folders;
use crate::happening::{HasEnded, NotMoved, Withdrawn};
use crate::pair::{self, PairKey, Verdict};
use crate::pickup::ReadyPair;
use crate::report::{self, Trouble};
use crate::settle::{Settling, clear_settled, forget, settle};
use crate::transfer_log::TransferLog;

/// Pause between two tries to settle a pair whose folder does not let it.
const SETTLE_RETRY: Duration = Duration::from_secs(2);

/// How long the move of a pair may stand still: one to another volume is a copy.
const MOVE_WITHIN: Duration = Duration::from_secs(10 * 60);

/// Pause between two delay reports on a pair: the Java client wrote one for each of its looks at OUT, half an hour apart
/// (4.2, 6.4).
const DELAY_EVERY: Duration = Duration::from_secs(30 * 60);

/// Why a pair is still in OUT after it was worked on.
pub(crate) enum Kept {
    /// The engine does not have it ended yet.
    Deferred(Box<Deferral>, SourceKey),
    /// Its control file cannot be opened now: locked, or not ours to read.
    Unreadable(io::Error),
    /// It has changed since OUT was looked at: the next look waits until it is quiet.
    Changed,
    /// A report that must stand in IN before anything is sent cannot be written.
    Unreported(io::Error, SourceKey),
}

/// A pair as it was picked up; after a restart only its key is known.
struct Picked {
    key: PairKey,
    bytes: Option<Vec<u8>>,
    control_identity: Option<String>,
}

/// A pair of the last run.
pub(crate) struct Leftover {
    pub(crate) key: SourceKey,
    /// Name of its control file.
    pub(crate) control: String,
    /// Whether it has ended.
    pub(crate) ended: bool,
    /// Whether it is still in OUT.
    pub(crate) in_out: bool,
}

/// Why what the last run left is not taken up.
#[derive(Debug, Error)]
pub(crate) enum LastRunError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] DeferralCause),
    /// The pairs would be taken for taken away.
    #[error(
        "folder {out} was not there, and the journal knows {pairs} pairs in it that are not settled; mount what it is on \
         and start again, or make the folder if it is meant to be empty"
    )]
    NewFolder {
        /// The folder.
        out: String,
        /// How many.
        pairs: usize,
    },
}

/// What the work on one pair needs.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) adapter: Arc<str>,
    pub(crate) config: Arc<Config>,
    pub(crate) folders: Arc<Folders>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log: Option<Arc<TransferLog>>,
    /// Where it is said what is done with files: a share may let nothing come back.
    pub(crate) pump: Pump,
    pub(crate) relay: RelayHandle,
    pub(crate) shutdown: Shutdown,
    pub(crate) told: Arc<Mutex<Told>>,
}

/// What applications were told while pairs wait, so that they are not told again at once.
#[derive(Default)]
pub(crate) struct Told {
    /// When each waiting pair had its last delay report.
    delays: HashMap<RelayId, Instant>,
    /// What is wrong with sending from the mailbox.
    trouble: Option<Trouble>,
    /// Whether folders that were made in vain were removed.
    is_unmade: bool,
}

impl Worker {
    /// What the last run left unsettled.
    pub(crate) async fn last_run(&self) -> Result<VecDeque<Leftover>, LastRunError> {
        let unsettled = self.relay.unsettled(&self.adapter).await?;
        if self.folders.out_is_new && !unsettled.is_empty() {
            // Once: by the next look, the share may be there.
            let is_unmade = std::mem::replace(
                &mut self.told.lock().unwrap_or_else(PoisonError::into_inner).is_unmade,
                true,
            );
            if !is_unmade {
                self.folders.unmake();
            }
            let out = self.folders.out.display().to_string();
            return Err(LastRunError::NewFolder { out, pairs: unsettled.len() });
        }
        let folders = Arc::clone(&self.folders);
        let looked = task::spawn_blocking(move || {
            let still_needed: HashSet<_> = unsettled.iter().map(|left| left.relay_id).collect();
            if let Err(error) = clear_settled(&folders, |relay_id| still_needed.contains(&relay_id)) {
                tracing::warn!(%error, "empty work folders of the last run stay in TEMP");
            }
            let leftover = |Unsettled { key, ended, .. }: Unsettled| {
                let pair = PairKey::from_source_key(&key)?;
                // What cannot be looked at now is taken to be there; the next look tells.
                let in_out = pair.is_in(&folders.out).unwrap_or(true);
                Some(Leftover { key, control: pair.control, ended: ended.is_some(), in_out })
            };
            unsettled.into_iter().filter_map(leftover).collect()
        });
        Ok(looked.await.map_err(|_| DeferralCause::Stopping)?)
    }

    /// Settles a pair that ended in the last run, unless that has been done meanwhile.
    pub(crate) async fn settle_leftover(&self, key: SourceKey) -> Result<(), Kept> {
        if let Some(ended) = self.end(&key).await? {
            tracing::info!(relay_id = %ended.relay_id(), adapter = %self.adapter, "settling a pair of the last run");
            self.settle_by_key(&key, ended).await;
        }
        Ok(())
    }

    /// Ends the message of a pair that is no longer in OUT. Says whether its files were dealt with, because MESH
    /// may have it or had answered already.
    pub(crate) async fn withdraw(&self, key: SourceKey) -> Result<bool, Kept> {
        let Some(ended) = self.end(&key).await? else { return Ok(false) };
        self.told.lock().unwrap_or_else(PoisonError::into_inner).delays.remove(&ended.relay_id());
        Withdrawn { ended: &ended, adapter: &self.adapter }.tell();
        let dealt_with = *ended.outcome() != Outcome::Cancelled { by_person: false };
        self.settle_by_key(&key, ended).await;
        Ok(dealt_with)
    }

    /// Ends a message without offering it again. `None` when it is settled already.
    async fn end(&self, key: &SourceKey) -> Result<Option<Ended>, Kept> {
        let withdrawn = self.relay.withdraw(key).await;
        withdrawn.map_err(|deferral| Kept::Deferred(Box::new(deferral), key.clone()))
    }

    async fn settle_by_key(&self, key: &SourceKey, ended: Ended) {
        if let Some(key) = PairKey::from_source_key(key) {
            self.settle(Picked { key, bytes: None, control_identity: None }, ended).await;
        }
    }

    pub(crate) async fn carry(&self, ready: &ReadyPair, previous: Option<SourceKey>) -> Result<(), Kept> {
        let pair = self.read(ready).await?;
        let key = pair.key.to_source_key(&self.adapter);
        if let Some(previous) = previous
            && previous != key
            && self.withdraw(previous).await?
        {
            // What is in OUT now is for the next look to find.
            return Ok(());
        }
        if !pair.key.control.ends_with(".ctl") {
            tracing::info!(adapter = %self.adapter, "a pair whose control file is not named in lower case is taken all the same");
        }
        let ended = match pair.verdict {
            Verdict::Send(message, control) => {
                let deferred = |deferral| Kept::Deferred(Box::new(deferral), key.clone());
                let reports = self.config.reports;
                let received = match reports.collect || reports.delay {
                    true => self.relay.receive(&message).await.map_err(deferred)?,
                    false => None,
                };
                if let Some(relay_id) = received.filter(|_| reports.collect) {
                    self.report_collected(relay_id, &control, &key).await?;
                }
                let ended = self.relay.send(*message).await;
                match &ended {
                    Ok(_) => self.sending_works(received),
                    Err(deferral) => self.report_waiting(received, &control, deferral).await,
                }
                ended
            }
            Verdict::Refuse(refused) => self.relay.refuse(*refused).await,
        };
        let ended = ended.map_err(|deferral| Kept::Deferred(Box::new(deferral), key))?;
        HasEnded { ended: &ended, adapter: &self.adapter }.tell();
        let control_identity = Some(ready.control_identity.to_key());
        self.settle(Picked { key: pair.key, bytes: Some(pair.bytes), control_identity }, ended).await;
        Ok(())
    }

    /// Tells the application that its pair was picked up. Nothing of it is sent before.
    async fn report_collected(
        &self,
        relay_id: RelayId,
        control: &ControlFile,
        key: &SourceKey,
    ) -> Result<(), Kept> {
        let (folders, mailbox) = (Arc::clone(&self.folders), self.config.mailbox.clone());
        let (control, now) = (control.clone(), self.clock.now());
        let written =
            task::spawn_blocking(move || report::collected(&folders, &mailbox, relay_id, &control, now));
        written.await.map_err(broke_off).flatten().map_err(|error| Kept::Unreported(error, key.clone()))
    }

    /// Tells the application that its pair has to wait, now and then; and what is wrong with the mailbox, once.
    async fn report_waiting(&self, received: Option<RelayId>, control: &ControlFile, deferral: &Deferral) {
        let DeferralCause::Mesh(error) = &deferral.cause else { return };
        let (delayed, trouble) = {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            let trouble = match Trouble::of(error) {
                Some(trouble) => Some(trouble).filter(|trouble| *trouble != Trouble::Unreachable),
                None => told.trouble,
            };
            let is_new = told.trouble != trouble;
            told.trouble = trouble;
            let now = Instant::now();
            let due = |relay_id: &RelayId| {
                self.config.reports.delay
                    && told.delays.get(relay_id).is_none_or(|last| now >= *last + DELAY_EVERY)
            };
            let delayed = received.filter(due);
            if let Some(relay_id) = delayed {
                told.delays.insert(relay_id, now);
            }
            (delayed, trouble.filter(|_| is_new))
        };
        if delayed.is_none() && trouble.is_none() {
            return;
        }
        let (folders, mailbox) = (Arc::clone(&self.folders), self.config.mailbox.clone());
        let (control, now) = (control.clone(), self.clock.now());
        let written = task::spawn_blocking(move || {
            if let Some(trouble) = trouble {
                report::trouble(&folders, &mailbox, Event::Transfer, trouble, now)?;
            }
            delayed.map_or(Ok(()), |relay_id| report::delayed(&folders, &mailbox, relay_id, &control, now))
        });
        if let Err(error) = written.await.map_err(broke_off).flatten() {
            tracing::warn!(adapter = %self.adapter, %error, "a report on a waiting pair was not written to IN");
        }
    }

    fn sending_works(&self, received: Option<RelayId>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.trouble = None;
        if let Some(relay_id) = received {
            told.delays.remove(&relay_id);
        }
    }

    /// Reads the pair.
    async fn read(&self, ready: &ReadyPair) -> Result<pair::Pair, Kept> {
        let (adapter, config, folders) =
            (Arc::clone(&self.adapter), Arc::clone(&self.config), Arc::clone(&self.folders));
        let ready = ready.clone();
        let _step = self.pump.step("reading a pair");
        let read =
            task::spawn_blocking(move || pair::read(&adapter, &config.mailbox, &folders.out, &ready)).await;
        match read.map_err(broke_off).flatten() {
            Ok(Some(pair)) => Ok(pair),
            Ok(None) => Err(Kept::Changed),
            // Perhaps for a moment only; the looks tell.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Kept::Changed),
            Err(error) => Err(Kept::Unreadable(error)),
        }
    }

    /// Moves the pair by its outcome and records that, as often as it takes, until shutdown; the next start goes on.
    async fn settle(&self, picked: Picked, ended: Ended) {
        let relay_id = ended.relay_id();
        let settled = Arc::new((picked, ended));
        let mut told = None;
        let mut shutdown = self.shutdown.clone();
        while let Err(what) = self.try_settle(&settled).await {
            if told.as_ref() != Some(&what) {
                NotMoved { relay_id, adapter: &self.adapter, what: &what }.tell();
                told = Some(what);
            }
            tokio::select! {
                () = tokio::time::sleep(SETTLE_RETRY) => {}
                () = shutdown.requested() => return,
            }
        }
        let folders = Arc::clone(&self.folders);
        let forgotten = task::spawn_blocking(move || forget(&folders, relay_id)).await;
        if let Err(error) = forgotten.map_err(broke_off).flatten() {
            tracing::warn!(%relay_id, adapter = %self.adapter, %error, "an empty work folder stays in TEMP");
        }
    }

    async fn try_settle(&self, settled: &Arc<(Picked, Ended)>) -> Result<(), String> {
        if !self.relay.holds() {
            return Err("the lease is over; whoever holds it next moves the pair".to_owned());
        }
        let (folders, config, now) = (Arc::clone(&self.folders), Arc::clone(&self.config), self.clock.now());
        let (work, log) = (Arc::clone(settled), self.log.clone());
        let step = self.pump.step_within("moving a pair to SENT or FAILED", MOVE_WITHIN);
        let moved = task::spawn_blocking(move || {
            let (picked, ended) = &*work;
            let settling = Settling {
                key: &picked.key,
                bytes: picked.bytes.as_deref(),
                control_identity: picked.control_identity.as_deref(),
                mailbox: &config.mailbox,
                save_sent: config.save_sent,
                transfer_report: config.reports.transfer,
                two_digit_codes: config.two_digit_codes,
                log: log.as_deref(),
                now,
            };
            settle(&folders, settling, ended)
        });
        moved.await.map_err(broke_off).flatten().map_err(|error| {
            format!(
                "a pair has ended but cannot be moved to SENT or FAILED: {error}; make these folders, IN and TEMP \
                 writable"
            )
        })?;
        step.turn("recording that a pair is moved");
        let recorded = self.relay.settled(&settled.1).await;
        recorded.map_err(|error| format!("a pair is moved, but that cannot be recorded: {error}"))
    }
}

/// A panic's own words could hold anything, so they are not passed on.
fn broke_off(_: JoinError) -> io::Error {
    io::Error::other("the work broke off")
}
