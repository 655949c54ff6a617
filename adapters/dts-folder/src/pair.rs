//! A pair in OUT as a message: control file to envelope, data file to payload (`dts-file-interface.md` 3.5).

use std::fs::{self, File};
use std::io::{self, Read, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use dts_control::{ControlFile, Fault, SIZE_MAX};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream;
use relay_core::{
    Envelope, HeaderText, MailboxId, OpenPayload, Payload, PayloadStream, Refused, Rejection, SourceKey,
    SourceMessage, checksum,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::pickup::{Identity, ReadyPair};

/// How much of a data file is read at a time.
const READ_BYTES: usize = 64 * 1024;

/// A pair, read: what the control file says, where that can be told, and what follows.
#[derive(Debug)]
pub struct Pair {
    /// The control file as data; absent when it cannot be read.
    pub control: Option<ControlFile>,
    /// What to do with it.
    pub verdict: Verdict,
}

/// What to do with a pair.
#[derive(Debug)]
pub enum Verdict {
    /// It can be sent.
    Send(Box<SourceMessage>),
    /// It can never be sent.
    Refuse(Refused),
}

/// The source key of a control file: its name and which file of that name it is.
pub fn key(adapter: &str, control: &str, identity: &Identity) -> SourceKey {
    SourceKey { adapter: adapter.to_owned(), message: format!("{control}|{}", identity.to_key()) }
}

/// The control file's name in a source key, and the identity it had.
pub fn of_key(key: &SourceKey) -> Option<(&str, &str)> {
    key.message.rsplit_once('|')
}

/// Reads a ready pair. Never fails: whatever is wrong becomes a refusal, except that a file which the system
/// will not let us read now is an error, to be tried again.
///
/// # Errors
/// When the control file cannot be opened or read.
pub fn read(adapter: &str, mailbox: &MailboxId, out: &Path, ready: &ReadyPair) -> io::Result<Pair> {
    let key = key(adapter, &ready.control, &ready.control_identity);
    let refuse = |control, fault: Fault| {
        let rejection = Rejection {
            event: fault.event.to_string(),
            code: fault.code.to_owned(),
            description: fault.description,
            message_id: None,
        };
        let verdict = Verdict::Refuse(Refused { key: key.clone(), mailbox: mailbox.clone(), rejection });
        Ok(Pair { control, verdict })
    };
    // One byte more than allowed shows that the file is too large without reading all of it.
    let mut bytes = Vec::new();
    File::open(out.join(&ready.control))?.take(SIZE_MAX as u64 + 1).read_to_end(&mut bytes)?;
    let mut control = match ControlFile::read(&bytes) {
        Ok(control) => control,
        Err(error) => {
            let mut fault = Fault::unreadable_control_file();
            // Readers may put the text between single quotes (Q11).
            let reason = error.to_string().replace('\'', "");
            fault.description = format!("Control file {} cannot be read: {reason}", ready.control);
            return refuse(None, fault);
        }
    };
    if let Err(fault) = control.check(mailbox.as_str()) {
        return refuse(Some(control), fault);
    }
    if control.from_dts.trim().is_empty() {
        control.from_dts = mailbox.to_string();
    }
    let data = match &ready.data {
        Some((name, identity)) if identity.length() > 0 => (name, identity),
        _ => return refuse(Some(control), Fault::unreadable_data_file()),
    };
    match message(key.clone(), mailbox, out, &control, data) {
        Ok(message) => Ok(Pair { control: Some(control), verdict: Verdict::Send(Box::new(message)) }),
        Err(reason) => {
            let mut fault = Fault::unreadable_control_file();
            fault.event = dts_control::Event::Transfer;
            fault.code = dts_control::codes::TRANSFER_FAILED;
            fault.description = reason.replace('\'', "");
            refuse(Some(control), fault)
        }
    }
}

fn message(
    key: SourceKey,
    mailbox: &MailboxId,
    out: &Path,
    control: &ControlFile,
    (data, identity): (&String, &Identity),
) -> Result<SourceMessage, String> {
    let element = |name: &'static str| move |error: &dyn std::fmt::Display| format!("{name}: {error}");
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let to = control.to_dts.parse().map_err(|e| element("To_DTS")(&e))?;
    let workflow = text(&control.workflow_id).parse().map_err(|e| element("WorkflowId")(&e))?;
    let mut envelope = Envelope::new(mailbox.clone(), to, workflow);
    let local_id = text(&control.local_id);
    if !local_id.trim().is_empty() {
        envelope.local_id = Some(local_id.parse().map_err(|e| element("LocalId")(&e))?);
    }
    envelope.subject = optional("Subject", control.subject.as_deref())?;
    envelope.file_name = optional("name of the data file", Some(data))?;
    envelope.partner_id = optional("PartnerId", control.partner_id.as_deref())?;
    envelope.process_id = optional("ProcessId", control.process_id.as_deref())?;
    envelope.checksum = checksum(&text(&control.data_checksum)).map_err(|e| element("DataChecksum")(&e))?;
    envelope.encrypted = control.encrypted.unwrap_or(false);
    let file = DataFile { path: out.join(data), identity: identity.clone() };
    Ok(SourceMessage {
        key,
        envelope,
        payload: Payload::new(identity.length(), Arc::new(file)),
        gzip: control.compress.unwrap_or(false),
        allow_chunking: control.allow_chunking.unwrap_or(false),
    })
}

fn optional<const CHARS_MAX: usize>(
    kind: &'static str,
    text: Option<&str>,
) -> Result<Option<HeaderText<CHARS_MAX>>, String> {
    HeaderText::optional(kind, text.unwrap_or_default()).map_err(|error| error.to_string())
}

/// A data file in OUT. Yields its bytes only as long as it is the file that was picked up.
#[derive(Debug)]
struct DataFile {
    path: PathBuf,
    identity: Identity,
}

impl DataFile {
    fn unchanged(&self, metadata: &fs::Metadata) -> io::Result<()> {
        if Identity::of(metadata).as_ref() == Some(&self.identity) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "the data file was changed while it was being sent"))
    }
}

impl OpenPayload for DataFile {
    fn open(&self, range: Range<u64>) -> BoxFuture<'_, io::Result<PayloadStream>> {
        let (path, identity) = (self.path.clone(), self.identity.clone());
        async move {
            let file = DataFile { path, identity };
            let mut handle = tokio::fs::File::open(&file.path).await?;
            file.unchanged(&handle.metadata().await?)?;
            handle.seek(SeekFrom::Start(range.start)).await?;
            let left = range.end - range.start;
            let read = stream::try_unfold((handle, left, file), |(mut handle, left, file)| async move {
                if left == 0 {
                    // The last look: bytes that changed behind the reader must not count as sent.
                    file.unchanged(&handle.metadata().await?)?;
                    return Ok(None);
                }
                let wanted = usize::try_from(left).unwrap_or(READ_BYTES).min(READ_BYTES);
                let mut buffer = vec![0; wanted];
                let got = handle.read(&mut buffer).await?;
                if got == 0 {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the data file became shorter"));
                }
                buffer.truncate(got);
                Ok(Some((Bytes::from(buffer), (handle, left - got as u64, file))))
            });
            let stream: PayloadStream = Box::pin(read);
            Ok(stream)
        }
        .boxed()
    }
}
