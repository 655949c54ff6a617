//! A pair in OUT as a message: control file to envelope, data file to payload (`dts-file-interface.md` 3.5).

use std::fs::{self, File};
use std::io::{self, Read, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use dts_control::{ControlFile, DataFile, Fault, SIZE_MAX, file_name};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream;
use relay_core::{
    Envelope, HeaderText, MailboxId, OpenPayload, Payload, PayloadStream, Refused, Rejection, SourceKey,
    SourceMessage, Trace, checksum,
};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::pickup::{Identity, Presence, ReadyPair};

/// How much of a data file is read at a time.
const READ_BYTES: usize = 64 * 1024;

/// A pair, read, and what follows from it.
pub struct Pair {
    /// How it is recognised.
    pub key: PairKey,
    /// The control file as it was read.
    pub bytes: Vec<u8>,
    /// What to do with it.
    pub verdict: Verdict,
}

/// What to do with a pair.
pub enum Verdict {
    /// It can be sent. With the control file as it stood in OUT, for reports on it.
    Send(Box<SourceMessage>, Box<ControlFile>),
    /// It can never be sent.
    Refuse(Box<Refused>),
}

/// What makes a pair recognisable: the control file's name and content, and which file its data is. A control file
/// that is only touched stays the same pair; one with other data does not.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PairKey {
    /// Name of the control file.
    pub control: String,
    /// SHA-256 of its content, in hex.
    pub content: String,
    /// Name of the data file and its identity, as [`Identity::to_key`] writes it.
    pub data: Option<(String, String)>,
}

/// What separates the parts of a key: the one character that no file name holds.
const SEPARATOR: char = '/';

impl PairKey {
    fn of(ready: &ReadyPair, bytes: &[u8]) -> Self {
        Self {
            control: ready.control.clone(),
            content: digest(bytes),
            data: ready.data.as_ref().map(|(name, identity)| (name.clone(), identity.to_key())),
        }
    }

    /// As the engine keeps it.
    pub fn to_source_key(&self, adapter: &str) -> SourceKey {
        let mut message = format!("{}{SEPARATOR}{}", self.control, self.content);
        if let Some((name, identity)) = &self.data {
            message += &format!("{SEPARATOR}{name}{SEPARATOR}{identity}");
        }
        SourceKey { adapter: adapter.to_owned(), message }
    }

    /// From what the engine kept. `None` when it is not of this adapter's making.
    pub fn from_source_key(key: &SourceKey) -> Option<Self> {
        let mut parts = key.message.split(SEPARATOR).map(str::to_owned);
        let (control, content) = (parts.next()?, parts.next()?);
        let data = match (parts.next(), parts.next()) {
            (Some(name), Some(identity)) => Some((name, identity)),
            _ => None,
        };
        Some(Self { control, content, data })
    }

    /// Whether what is at `path` has the content of this pair's control file.
    ///
    /// # Errors
    /// When the system does not let it be read; that it is not there is an answer.
    pub fn control_at(&self, path: &Path) -> io::Result<Presence> {
        match read_control(path) {
            Ok(bytes) if digest(&bytes) == self.content => Ok(Presence::Same),
            Ok(_) => Ok(Presence::Other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Presence::Absent),
            Err(error) => Err(error),
        }
    }

    /// Whether the data file in OUT is this pair's. A pair that was taken without data has none but another's.
    ///
    /// # Errors
    /// When the system does not let it be looked at.
    pub fn data_in(&self, out: &Path) -> io::Result<Presence> {
        match &self.data {
            Some((name, identity)) => Identity::presence(identity, &out.join(name)),
            None => {
                let mut found = Presence::Absent;
                for name in file_name::data_name_candidates(&self.control) {
                    match Identity::presence("", &out.join(name))? {
                        Presence::Absent => {}
                        _ => found = Presence::Other,
                    }
                }
                Ok(found)
            }
        }
    }

    /// Whether the whole pair is in OUT.
    ///
    /// # Errors
    /// When the system does not let it be looked at.
    pub fn is_in(&self, out: &Path) -> io::Result<bool> {
        let data = self.data_in(out)?;
        let whole = if self.data.is_some() { data == Presence::Same } else { data == Presence::Absent };
        Ok(whole && self.control_at(&out.join(&self.control))? == Presence::Same)
    }
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Reads a control file: one byte more than allowed shows that it is too large without reading all of it.
pub fn read_control(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(SIZE_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a ready pair. Never fails: whatever is wrong becomes a refusal, except that a file which the system
/// will not let us read now is an error, to be tried again. `None`: it has changed since it was looked at.
///
/// # Errors
/// When the control file cannot be opened or read.
pub fn read(adapter: &str, mailbox: &MailboxId, out: &Path, ready: &ReadyPair) -> io::Result<Option<Pair>> {
    let control = out.join(&ready.control);
    let bytes = read_control(&control)?;
    // It was ready when OUT was looked at, and may have been begun anew since: the next look tells.
    let data = ready.data.as_ref();
    let is_same = Identity::at(&control).as_ref() == Some(&ready.control_identity)
        && data.is_none_or(|(name, identity)| Identity::at(&out.join(name)).as_ref() == Some(identity));
    // Its data may have come since.
    let has_come = || {
        let candidates = file_name::data_name_candidates(&ready.control);
        candidates.into_iter().any(|name| Identity::at(&out.join(name)).is_some())
    };
    if !is_same || data.is_none() && has_come() {
        return Ok(None);
    }
    let pair_key = PairKey::of(ready, &bytes);
    let key = pair_key.to_source_key(adapter);
    let verdict = judge(mailbox, out, ready, &bytes, key);
    Ok(Some(Pair { key: pair_key, bytes, verdict }))
}

fn judge(mailbox: &MailboxId, out: &Path, ready: &ReadyPair, bytes: &[u8], key: SourceKey) -> Verdict {
    let refuse = |fault: Fault| {
        let rejection = Rejection {
            event: fault.event.to_string(),
            code: fault.code.to_owned(),
            description: fault.description,
            message_id: None,
        };
        let (key, mailbox) = (key.clone(), mailbox.clone());
        Verdict::Refuse(Box::new(Refused { key, mailbox, rejection, reply: None, trace: Trace::default() }))
    };
    let data = match &ready.data {
        Some((name, identity)) => DataFile::Here { name, length: identity.length() },
        None => DataFile::Missing,
    };
    let judged = ControlFile::judge(bytes, &ready.control, mailbox.as_str(), data);
    let (mut control, data) = match (judged, &ready.data) {
        (Ok(control), Some(data)) => (control, data),
        (Ok(_), None) => return refuse(Fault::no_data()),
        (Err(fault), _) => return refuse(fault),
    };
    if control.from_dts.trim().is_empty() {
        control.from_dts = mailbox.to_string();
    }
    match message(key.clone(), mailbox, out, &control, data) {
        Ok(message) => Verdict::Send(Box::new(message), Box::new(control)),
        // `judge` knows the same limits; should the two ever differ, the types of MESH win.
        Err(reason) => refuse(Fault::unsendable(reason)),
    }
}

fn message(
    key: SourceKey,
    mailbox: &MailboxId,
    out: &Path,
    control: &ControlFile,
    (data, identity): &(String, Identity),
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
    let file = PairData { path: out.join(data), identity: identity.clone() };
    Ok(SourceMessage {
        // The key stands for content and data file.
        key,
        fingerprint: None,
        reply: None,
        trace: Trace::default(),
        not_after: None,
        order_key: None,
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
struct PairData {
    path: PathBuf,
    identity: Identity,
}

impl PairData {
    fn unchanged(&self, metadata: &fs::Metadata) -> io::Result<()> {
        if Identity::of(metadata).as_ref() == Some(&self.identity) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "the data file was changed while it was being sent"))
    }
}

impl OpenPayload for PairData {
    fn open(&self, range: Range<u64>) -> BoxFuture<'_, io::Result<PayloadStream>> {
        let (path, identity) = (self.path.clone(), self.identity.clone());
        async move {
            let file = PairData { path, identity };
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `dts-control` may not know the types of MESH, so here the two sides are held against each other.
    #[test]
    fn what_is_judged_sendable_is_what_mesh_can_take() {
        let folder = tempfile::tempdir().expect("a folder");
        let mailbox: MailboxId = "ZZZHC001".parse().expect("a mailbox");
        File::create(folder.path().join("x.dat")).expect("a file");
        let identity = Identity::at(&folder.path().join("x.dat")).expect("a file");
        let key = || SourceKey { adapter: String::new(), message: String::new() };
        let limits = [32, 33, 100, 101, 255, 256, 300, 301, 500, 501];
        let values: Vec<String> = limits
            .map(|chars| "é".repeat(chars))
            .into_iter()
            .chain(limits.map(|chars| "x".repeat(chars)))
            .chain(
                [
                    "",
                    " ",
                    "\u{85}",
                    "\u{85}x",
                    "x\u{85}",
                    "x\u{a0}",
                    "a\u{85}b",
                    "a\nb",
                    "a\tb",
                    "a\u{7f}",
                    "http://x",
                    "HTTPS://x",
                    "\u{a0}http://x",
                    "x http://x",
                    "http:/",
                    "a+b",
                    "md5: 0a-1b/2c",
                    "é",
                    "GPPROVIDER_9990548609_19550109_O'Example",
                    "a:b",
                    "'",
                ]
                .map(str::to_owned),
            )
            .collect();
        type Set = fn(&mut ControlFile, String);
        let elements: [Set; 7] = [
            |control, value| control.to_dts = value,
            |control, value| control.workflow_id = Some(value),
            |control, value| control.subject = Some(value),
            |control, value| control.local_id = Some(value),
            |control, value| control.partner_id = Some(value),
            |control, value| control.process_id = Some(value),
            |control, value| control.data_checksum = Some(value),
        ];
        let mut sendable = 0;
        for (element, set) in elements.into_iter().enumerate() {
            for value in &values {
                let mut control = ControlFile {
                    to_dts: "QQQHC002".to_owned(),
                    workflow_id: Some("EXAMPLE_REPORT_V1".to_owned()),
                    ..ControlFile::default()
                };
                set(&mut control, value.clone());
                let checked = control.check(mailbox.as_str());
                let data = ("x.dat".to_owned(), identity.clone());
                let made = message(key(), &mailbox, folder.path(), &control, &data);
                assert_eq!(
                    checked.is_ok(),
                    made.is_ok(),
                    "element {element}, {value:?}: {checked:?} {:?}",
                    made.err()
                );
                sendable += usize::from(made.is_ok());
            }
        }
        assert!(sendable > 50, "{sendable}");
        for name in
            ["x.dat", "é.dat", " x.dat", "a\nb.dat", "a\u{85}.dat", &"x".repeat(300), &"x".repeat(301)]
        {
            let control = "<DTSControl><MessageType>Data</MessageType><To_DTS>QQQHC002</To_DTS>\
                           <WorkflowId>W</WorkflowId></DTSControl>";
            let found = DataFile::Here { name, length: 1 };
            let judged = ControlFile::judge(control.as_bytes(), "x.ctl", mailbox.as_str(), found);
            let data = (name.to_owned(), identity.clone());
            let read = ControlFile::read(control.as_bytes()).expect("a control file");
            let made = message(key(), &mailbox, folder.path(), &read, &data);
            assert_eq!(judged.is_ok(), made.is_ok(), "{name:?}");
        }
    }
}
