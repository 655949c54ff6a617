//! The work on one pair: read it, offer it to the engine, move it by its outcome.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use relay_core::{
    Clock, Deferral, DeferralCause, Ended, MailboxId, Outcome, RelayHandle, Shutdown, SourceKey,
};
use tokio::task::{self, JoinError};

use crate::folders::Folders;
use crate::pair::{self, PairKey, Verdict};
use crate::pickup::ReadyPair;
use crate::settle::{Settling, clear_settled, forget, settle};

/// Pause between two tries to settle a pair whose folder does not let it.
const SETTLE_RETRY: Duration = Duration::from_secs(2);

/// Why a pair is still in OUT after it was worked on.
pub(crate) enum Kept {
    /// The engine does not have it ended yet.
    Deferred(Box<Deferral>, SourceKey),
    /// Its control file cannot be opened now: locked, or not ours to read.
    Unreadable(io::Error),
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

/// What the work on one pair needs.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) adapter: Arc<str>,
    pub(crate) mailbox: MailboxId,
    pub(crate) folders: Arc<Folders>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) relay: RelayHandle,
    pub(crate) shutdown: Shutdown,
}

impl Worker {
    /// What the last run left unsettled.
    pub(crate) async fn last_run(&self) -> Result<VecDeque<Leftover>, DeferralCause> {
        let unsettled = self.relay.unsettled(&self.adapter).await?;
        let folders = Arc::clone(&self.folders);
        let looked = task::spawn_blocking(move || {
            let still_needed: HashSet<_> =
                unsettled.iter().filter_map(|(_, ended)| ended.as_ref()).map(Ended::relay_id).collect();
            if let Err(error) = clear_settled(&folders, |relay_id| still_needed.contains(&relay_id)) {
                tracing::warn!(%error, "empty work folders of the last run stay in TEMP");
            }
            let leftover = |(key, ended): (SourceKey, Option<Ended>)| {
                let pair = PairKey::from_source_key(&key)?;
                // What cannot be looked at now is taken to be there; the next look tells.
                let in_out = pair.is_in(&folders.out).unwrap_or(true);
                Some(Leftover { key, control: pair.control, ended: ended.is_some(), in_out })
            };
            unsettled.into_iter().filter_map(leftover).collect()
        });
        looked.await.map_err(|_| DeferralCause::Stopping)
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
        let (relay_id, state) = (ended.relay_id(), ended.outcome().name());
        tracing::warn!(%relay_id, adapter = %self.adapter, state, "a pair was taken out of OUT, or changed there, while it waited");
        let dealt_with = *ended.outcome() != Outcome::Cancelled;
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
        let key = pair.as_ref().map(|pair| pair.key.to_source_key(&self.adapter));
        if let Some(previous) = previous
            && Some(&previous) != key.as_ref()
            && self.withdraw(previous).await?
        {
            // What is in OUT now is for the next look to find.
            return Ok(());
        }
        let (Some(pair), Some(key)) = (pair, key) else { return Ok(()) };
        let ended = match pair.verdict {
            Verdict::Send(message) => self.relay.send(*message).await,
            Verdict::Refuse(refused) => self.relay.refuse(refused).await,
        };
        let ended = ended.map_err(|deferral| Kept::Deferred(Box::new(deferral), key))?;
        let (relay_id, adapter) = (ended.relay_id(), &self.adapter);
        match ended.outcome() {
            Outcome::Accepted(id) => {
                tracing::info!(%relay_id, %adapter, message_id = %id, "pair accepted by MESH");
            }
            Outcome::Rejected(rejection) => {
                let (event, code) = (&rejection.event, &rejection.code);
                tracing::warn!(%relay_id, %adapter, event, code, "pair refused; it goes to FAILED with a report in IN");
            }
            Outcome::Parked(reason) => {
                tracing::error!(%relay_id, %adapter, reason, "pair parked; it goes to FAILED with a report in IN");
            }
            Outcome::Expired => {
                tracing::error!(%relay_id, %adapter, "pair not accepted in time; it goes to FAILED with a report in IN");
            }
            Outcome::Cancelled => {}
        }
        let control_identity = Some(ready.control_identity.to_key());
        self.settle(Picked { key: pair.key, bytes: Some(pair.bytes), control_identity }, ended).await;
        Ok(())
    }

    /// Reads the pair. `None` when it is gone.
    async fn read(&self, ready: &ReadyPair) -> Result<Option<pair::Pair>, Kept> {
        let (adapter, mailbox, folders) =
            (Arc::clone(&self.adapter), self.mailbox.clone(), Arc::clone(&self.folders));
        let ready = ready.clone();
        let read = task::spawn_blocking(move || pair::read(&adapter, &mailbox, &folders.out, &ready)).await;
        match read.map_err(broke_off).flatten() {
            Ok(pair) => Ok(Some(pair)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
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
                tracing::error!(%relay_id, adapter = %self.adapter, "{what}");
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
        let (folders, mailbox, now) = (Arc::clone(&self.folders), self.mailbox.clone(), self.clock.now());
        let work = Arc::clone(settled);
        let moved = task::spawn_blocking(move || {
            let (picked, ended) = &*work;
            let settling = Settling {
                key: &picked.key,
                bytes: picked.bytes.as_deref(),
                control_identity: picked.control_identity.as_deref(),
                mailbox: &mailbox,
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
        let recorded = self.relay.settled(&settled.1).await;
        recorded.map_err(|error| format!("a pair is moved, but that cannot be recorded: {error}"))
    }
}

/// A panic's own words could hold anything, so they are not passed on.
fn broke_off(_: JoinError) -> io::Error {
    io::Error::other("the work broke off")
}
