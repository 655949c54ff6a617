//! Messages from MESH to IN (`dts-file-interface.md` 2.3, 3.6, 4.5, checks 33 to 42).

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use dts_control::{
    AddressType, ControlFile, Event, LineEnd, MessageType, Status, StatusRecord, codes, esmtp_address,
    file_name, from_utc_compact, texts, uk_local,
};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use relay_core::{
    Clock, DeliveryError, Download, FailureClass, Held, Inbound, MessageId, MessageKind, Owner,
    PayloadStream, ReadProgress, Receipt, Sink, SinkHealth,
};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use crate::folders::Folders;
use crate::stage::{DATA, Sealed, Stage};

const CONTROL: &str = "control";

/// What stands before the message id in a receipt.
const RECEIPT: &str = "folder:";

/// Puts messages into one mailbox's IN.
pub struct FolderSink {
    folders: Arc<Folders>,
    clock: Arc<dyn Clock>,
}

impl FolderSink {
    /// A sink for these folders.
    pub fn new(folders: Arc<Folders>, clock: Arc<dyn Clock>) -> Self {
        Self { folders, clock }
    }

    /// Writes data and control file where no reader looks, durably.
    async fn stage(&self, message: Inbound<'_>) -> io::Result<Sealed> {
        let Inbound { download, body, mailbox, held, progress, .. } = message;
        let id = download.message_id.to_string();
        let temp = self.folders.temp.clone();
        let mut stage = blocking(move || match Stage::go_on(&temp, &id, held) {
            Some(stage) => Ok(stage),
            None if held.chunks == 0 => Stage::begin(&temp, &id),
            // The next attempt begins again.
            None => Err(io::Error::other("the beginning of the message is no longer in TEMP")),
        })
        .await?;
        if download.kind == MessageKind::Data {
            stage = write_body(stage, body, held, progress).await?;
        }
        let control = control_file(download, mailbox.as_str(), self.clock.now());
        let text = control.write(LineEnd::platform());
        blocking(move || {
            stage.write(CONTROL, text.as_bytes())?;
            stage.seal()
        })
        .await
    }

    /// Whether every file is still in the stage or was moved to IN: the data before the control file.
    fn is_whole(&self, sealed: &Sealed, id: &str, kind: MessageKind) -> bool {
        kind == MessageKind::Report
            || sealed.holds(DATA)
            || !sealed.holds(CONTROL)
            || self.folders.inbox.join(file_name::data_name(id)).exists()
    }

    async fn put(&self, message: Inbound<'_>) -> io::Result<Receipt> {
        let id = message.download.message_id.to_string();
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
        blocking(move || {
            // The control file goes last: readers take its arrival as "the data is complete".
            sealed.release(DATA, &inbox.join(file_name::data_name(&id)))?;
            sealed.release(CONTROL, &inbox.join(file_name::control_name(&id)))?;
            Ok(Receipt(format!("{RECEIPT}{id}")))
        })
        .await
    }
}

#[async_trait]
impl Sink for FolderSink {
    async fn held(&self, message_id: &MessageId) -> Held {
        let (temp, id) = (self.folders.temp.clone(), message_id.to_string());
        // What cannot be read is not held: the message is fetched from its beginning.
        blocking(move || Ok(Stage::held(&temp, &id))).await.unwrap_or_default()
    }

    async fn deliver(&self, message: Inbound<'_>) -> Result<Receipt, DeliveryError> {
        let folder = self.folders.inbox.clone();
        self.put(message).await.map_err(|error| DeliveryError {
            what: format!(
                "folder {}: writing a received message failed: {error}; make room or give the relay's account \
                 the right to write there and in TEMP",
                folder.display()
            ),
            class: FailureClass::Transient,
            owner: Owner::Operator,
        })
    }

    async fn recorded(&self, receipt: &Receipt) {
        let Some(id) = receipt.0.strip_prefix(RECEIPT) else {
            return;
        };
        let Some(sealed) = Sealed::find(&self.folders.temp, id) else {
            return;
        };
        if let Err(error) = blocking(move || sealed.clear()).await {
            tracing::warn!(folder = %self.folders.temp.display(), %error, "an empty work folder stays behind");
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
) -> io::Result<Stage> {
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
    while let Some(bytes) = body.try_next().await? {
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

/// The control file of a received message (3.6 and example D) or report (4.5 and example H).
fn control_file(download: &Download, mailbox: &str, now: Timestamp) -> ControlFile {
    let report = download.kind == MessageKind::Report;
    let given = |text: &str| Some(text.to_owned());
    let to = if download.to.is_empty() { mailbox } else { &download.to };
    let esmtp = |given: &str, mailbox: &str| match given {
        "" if mailbox.is_empty() => String::new(),
        "" => esmtp_address(mailbox),
        given => given.to_owned(),
    };
    ControlFile {
        address_type: AddressType::All,
        message_type: if report { MessageType::Report } else { MessageType::Data },
        from_dts: download.from.clone(),
        to_dts: to.to_owned(),
        from_esmtp: Some(esmtp(&download.from_smtp, &download.from)),
        to_esmtp: Some(esmtp(&download.to_smtp, to)),
        subject: given(&download.subject),
        local_id: given(&download.local_id),
        dts_id: Some(download.message_id.to_string()),
        // An element that is otherwise empty, so a site can find the message that a report is about (4.5).
        partner_id: given(if report { &download.linked_message_id } else { &download.partner_id }),
        compress: Some(false),
        encrypted: Some(download.encrypted),
        workflow_id: given(&download.workflow),
        process_id: given(&download.process_id),
        data_checksum: given(&download.checksum),
        is_compressed: Some(false),
        status: Some(status(download, report, now)),
        ..ControlFile::default()
    }
}

/// The status as MESH gave it. Where MESH gave none, a message that is here was delivered.
fn status(download: &Download, report: bool, now: Timestamp) -> StatusRecord {
    let given = &download.status;
    let or = |given: &str, usual: &str| {
        if given.is_empty() { usual.to_owned() } else { given.to_owned() }
    };
    let (event, code, success, text) = if report {
        (Event::Send, codes::NOT_DELIVERED, Status::Error, "")
    } else {
        (Event::Transfer, codes::SUCCESS, Status::Success, texts::RECEIVED)
    };
    let Ok(event) = or(&given.event, event.as_str()).parse();
    let Ok(status) = or(&given.success, success.as_str()).parse();
    StatusRecord {
        date_time: from_utc_compact(&given.timestamp).unwrap_or_else(|_| uk_local(now)),
        event,
        status,
        code: or(&given.code, code),
        description: or(&given.description, text),
    }
}
