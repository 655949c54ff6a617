//! Messages from MESH to IN (`dts-file-interface.md` 2.3, 3.6, 4.5, checks 33 to 42).

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use dts_control::{Event, file_name};
use futures_util::TryStreamExt;
use relay_core::{
    Clock, DeliveryError, FailureClass, Held, Inbound, MessageId, MessageKind, Owner, PayloadStream, Polled,
    ReadProgress, Receipt, Sink, SinkHealth,
};
use thiserror::Error;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use crate::config::Config;
use crate::control_files;
use crate::folders::Folders;
use crate::report::{self, Trouble};
use crate::stage::{DATA, Sealed, Stage};
use crate::transfer_log::{Line, TransferLog};

const CONTROL: &str = "control";

/// What stands before the message id in a receipt.
const RECEIPT: &str = "folder:";

/// Puts messages into one mailbox's IN.
pub struct FolderSink {
    config: Config,
    folders: Arc<Folders>,
    clock: Arc<dyn Clock>,
    log: Option<Arc<TransferLog>>,
    /// What was wrong with the mailbox at the last look, so that it is reported once.
    trouble: Mutex<Option<Trouble>>,
}

impl FolderSink {
    /// A sink for these folders.
    pub fn new(
        config: Config,
        folders: Arc<Folders>,
        clock: Arc<dyn Clock>,
        log: Option<Arc<TransferLog>>,
    ) -> Self {
        Self { config, folders, clock, log, trouble: Mutex::default() }
    }

    /// Writes data and control file where no reader looks, durably.
    async fn stage(&self, message: Inbound<'_>) -> Result<Sealed, PutError> {
        let Inbound { mailbox, download, body, held, progress, reported_recipient, .. } = message;
        // A route may lead messages of another mailbox here.
        let config = Config { mailbox: mailbox.clone(), ..self.config.clone() };
        let id = download.message_id.to_string();
        let folders = Arc::clone(&self.folders);
        let mut stage = blocking(move || match Stage::go_on(&folders.temp, &id, held, folders.access) {
            Some(stage) => Ok(stage),
            None if held.chunks == 0 => Stage::begin(&folders.temp, &id, folders.access),
            // The next attempt begins again.
            None => Err(io::Error::other("the beginning of the message is no longer in TEMP")),
        })
        .await?;
        if download.kind == MessageKind::Data {
            stage = write_body(stage, body, held, progress).await?;
        }
        let recipient = reported_recipient.as_deref();
        let text = control_files::received_text(&config, download, recipient, self.clock.now());
        let sealed = blocking(move || {
            stage.write(CONTROL, text.as_bytes())?;
            stage.seal()
        });
        Ok(sealed.await?)
    }

    /// Whether every file is still in the stage or was moved to IN: the data before the control file.
    fn is_whole(&self, sealed: &Sealed, id: &str, kind: MessageKind) -> bool {
        match (sealed.holds(DATA), sealed.holds(CONTROL)) {
            // Never data alone: the control file is written before the seal and moved last.
            (true, control) => control,
            (false, false) => true,
            (false, true) => {
                kind == MessageKind::Report || self.folders.inbox.join(file_name::data_name(id)).exists()
            }
        }
    }

    async fn put(&self, message: Inbound<'_>) -> Result<Receipt, PutError> {
        let id = message.download.message_id.to_string();
        let line = Line::received(message.mailbox, message.download);
        let sealed = match Sealed::find(&self.folders.temp, &id) {
            // An earlier attempt got this far: what is still in the stage is all that is missing, even if
            // the application has taken the pair from IN meanwhile (check 40).
            Some(sealed) if self.is_whole(&sealed, &id, message.download.kind) => sealed,
            Some(damaged) => {
                blocking(move || damaged.discard()).await?;
                self.stage(message).await?
            }
            None => self.stage(message).await?,
        };
        let inbox = self.folders.inbox.clone();
        let (log, now) = (self.log.clone(), self.clock.now());
        let released = blocking(move || {
            // The control file goes last: readers take its arrival as "the data is complete".
            sealed.release(DATA, &inbox.join(file_name::data_name(&id)))?;
            sealed.release(CONTROL, &inbox.join(file_name::control_name(&id)))?;
            if let Some(log) = log {
                log.write(&line, now);
            }
            Ok(Receipt(format!("{RECEIPT}{id}")))
        });
        Ok(released.await?)
    }
}

/// Why a message did not get into IN.
#[derive(Debug, Error)]
enum PutError {
    /// Its bytes did not come.
    #[error(transparent)]
    Body(io::Error),
    /// A folder did not take it.
    #[error(transparent)]
    Folder(#[from] io::Error),
}

impl PutError {
    fn told(self, folder: &Path) -> DeliveryError {
        let folder = folder.display();
        match self {
            // As `PayloadStream` says: fetched again, it would fail in the same way.
            Self::Body(error) if error.kind() == io::ErrorKind::InvalidData => DeliveryError {
                what: format!("folder {folder}: the message cannot be received: {error}"),
                class: FailureClass::Permanent,
                owner: Owner::Organisation,
            },
            Self::Body(error) => DeliveryError {
                what: format!(
                    "folder {folder}: the message did not come whole and is fetched again: {error}"
                ),
                class: FailureClass::Transient,
                owner: Owner::Mesh,
            },
            Self::Folder(error) => DeliveryError {
                what: format!(
                    "folder {folder}: writing a received message failed: {error}; make room or give the relay's \
                     account the right to write there and in TEMP"
                ),
                class: FailureClass::Transient,
                owner: Owner::Operator,
            },
        }
    }
}

#[async_trait]
impl Sink for FolderSink {
    async fn held(&self, message_id: &MessageId) -> Held {
        let (temp, id) = (self.folders.temp.clone(), message_id.to_string());
        // What cannot be read is not held: the message is fetched from its beginning.
        blocking(move || Ok(Stage::held(&temp, &id))).await.unwrap_or_default()
    }

    async fn has_begun(&self, message_id: &MessageId) -> bool {
        let (temp, id) = (self.folders.temp.clone(), message_id.to_string());
        let begun = move || Ok(Sealed::find(&temp, &id).is_some() || Stage::held(&temp, &id).chunks > 0);
        blocking(begun).await.unwrap_or_default()
    }

    async fn deliver(&self, message: Inbound<'_>) -> Result<Receipt, DeliveryError> {
        self.put(message).await.map_err(|error| error.told(&self.folders.inbox))
    }

    async fn recorded(&self, receipt: &Receipt) {
        let Some(id) = receipt.split().1.strip_prefix(RECEIPT) else {
            return;
        };
        let Some(sealed) = Sealed::find(&self.folders.temp, id) else {
            return;
        };
        if let Err(error) = blocking(move || sealed.clear()).await {
            tracing::warn!(folder = %self.folders.temp.display(), %error, "an empty work folder stays behind");
        }
    }

    async fn polled(&self, polled: Polled<'_>) {
        let (trouble, before) = {
            let mut last = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            let trouble = match polled {
                Polled::Listed(_) => None,
                Polled::Failed(error) => Trouble::of(error).or(*last).or(Some(Trouble::Unreachable)),
            };
            (trouble, std::mem::replace(&mut *last, trouble))
        };
        let (folders, mailbox, now) =
            (Arc::clone(&self.folders), self.config.mailbox.clone(), self.clock.now());
        let (poll_reports, log) = (self.config.reports.poll, self.log.clone());
        let told = blocking(move || {
            if let Some(log) = log {
                log.write(&Line::polled(&mailbox, trouble), now);
            }
            match trouble {
                Some(trouble) if before != Some(trouble) => {
                    report::trouble(&folders, &mailbox, Event::Receive, trouble, now)
                }
                None if poll_reports => report::polled(&folders, &mailbox, now),
                _ => Ok(()),
            }
        });
        if let Err(error) = told.await {
            let folder = self.folders.inbox.display();
            tracing::warn!(%folder, %error, "a report on a look at the inbox was not written");
        }
    }

    async fn check(&self) -> SinkHealth {
        match tokio::fs::metadata(&self.folders.inbox).await {
            Ok(found) if found.is_dir() => SinkHealth::Ready,
            Ok(_) => SinkHealth::Failing(format!("{} is not a folder", self.folders.inbox.display())),
            Err(error) => SinkHealth::Failing(format!("folder {}: {error}", self.folders.inbox.display())),
        }
    }
}

/// Writes the data behind what is held of it. At the end of each chunk, what is there is synced and recorded, so that
/// an attempt after a crash goes on there.
async fn write_body(
    mut stage: Stage,
    mut body: PayloadStream,
    held: Held,
    progress: ReadProgress,
) -> Result<Stage, PutError> {
    let path = stage.path(DATA);
    let mut file = match held.chunks {
        0 => tokio::fs::File::create(&path).await?,
        _ => {
            let mut file = tokio::fs::OpenOptions::new().write(true).open(&path).await?;
            file.set_len(held.bytes).await?;
            file.seek(io::SeekFrom::End(0)).await?;
            file
        }
    };
    let mut recorded = held;
    loop {
        let bytes = match body.try_next().await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => break,
            Err(error) => {
                if error.kind() == io::ErrorKind::InvalidData {
                    // No attempt will go on with what came so far.
                    stage.forget();
                }
                return Err(PutError::Body(error));
            }
        };
        let whole = progress();
        if whole.chunks > recorded.chunks {
            file.flush().await?;
            file.sync_data().await?;
            stage = blocking(move || stage.record(whole).map(|()| stage)).await?;
            recorded = whole;
        }
        file.write_all(&bytes).await?;
    }
    file.flush().await?;
    file.sync_all().await?;
    Ok(stage)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::{StreamExt, stream};
    use jiff::Timestamp;
    use relay_core::{Download, RelayId};
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }
    }

    /// Delivers a message of two chunks whose second one fails with an error of this kind.
    async fn broken(sink: &FolderSink, kind: io::ErrorKind) -> DeliveryError {
        let id: MessageId = "ID1".parse().expect("an id");
        let download = Download::read(&id, |_| None).expect("metadata");
        let whole = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&whole);
        let pieces = [
            Ok(Bytes::from_static(b"first")),
            Ok(Bytes::new()),
            Err(io::Error::new(kind, "as MESH gave it")),
        ];
        let body = stream::iter(pieces).inspect(move |piece| {
            if piece.as_ref().is_ok_and(Bytes::is_empty) {
                counted.store(1, Ordering::Relaxed);
            }
        });
        let message = Inbound {
            relay_id: RelayId(uuid::Uuid::nil()),
            mailbox: &"X26ABC1".parse().expect("a mailbox"),
            download: &download,
            reported_recipient: None,
            reported_adapter: None,
            body: body.boxed(),
            held: Held::default(),
            progress: Box::new(move || match whole.load(Ordering::Relaxed) {
                0 => Held::default(),
                chunks => Held { chunks, bytes: 5 },
            }),
            trace: None,
            attempt: 1,
        };
        sink.deliver(message).await.expect_err("a failure")
    }

    #[tokio::test]
    async fn bytes_at_fault_are_refused_for_good_and_leave_nothing() {
        let root = tempfile::tempdir().expect("a folder");
        let config = Config::new("X26ABC1".parse().expect("a mailbox"), root.path());
        let folders = Folders::open(root.path(), crate::folders::Use::Alone, crate::stage::Access::Usual);
        let sink = FolderSink::new(config, Arc::new(folders.expect("folders")), Arc::new(Still), None);
        let id = "ID1".parse().expect("an id");

        let error = broken(&sink, io::ErrorKind::ConnectionReset).await;
        assert_eq!((error.class, error.owner), (FailureClass::Transient, Owner::Mesh), "{error}");
        assert_eq!(sink.held(&id).await, Held { chunks: 1, bytes: 5 }, "the next attempt goes on");

        let error = broken(&sink, io::ErrorKind::InvalidData).await;
        assert_eq!((error.class, error.owner), (FailureClass::Permanent, Owner::Organisation), "{error}");
        assert!(error.what.contains("as MESH gave it") && !error.what.contains("make room"), "{error}");
        let beginning = sink.folders.temp.join("ID1.relay-new");
        assert!(!beginning.exists(), "the beginning of a parked message takes up room");
    }
}
