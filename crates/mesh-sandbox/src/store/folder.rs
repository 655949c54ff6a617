//! A store's folder, laid out as the official emulator's (`mesh-api.md` 11.2):
//! `<mailbox>/in/<message>.json` and `<mailbox>/in/<message>/<chunk>`.
//!
//! Each file appears whole or not at all, so a server that is killed leaves no half of one. Nothing is synced to the
//! disk: a machine that loses power may lose messages of a sandbox.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use mesh_api::MailboxId;
use thiserror::Error;

use crate::bodies::Payload;
use crate::store::message::Message;
use crate::store::record::Record;

/// Folder of messages that could be routed to no mailbox. Hidden, so that no server takes it for a mailbox.
const UNROUTED: &str = ".unrouted";

/// Why a store's folder cannot be used.
#[derive(Debug, Error)]
pub enum FolderError {
    /// The folder cannot be read or made.
    #[error("the store's folder {folder} cannot be used: {source}; name one that can be written")]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder in it is no mailbox.
    #[error("{folder} is not named as a mailbox, in upper case: rename or move it")]
    NoMailbox {
        /// The folder.
        folder: PathBuf,
    },
    /// A message's file is damaged.
    #[error("{file} is not a message's metadata: mend or move it")]
    NoMessage {
        /// The file.
        file: PathBuf,
    },
}

/// What a folder holds.
pub(super) struct Found {
    pub(super) mailboxes: Vec<MailboxId>,
    pub(super) messages: Vec<Message>,
}

/// Where a chunk of a message stands under the store's folder.
pub(crate) fn chunk_path(root: &Path, recipient: Option<&MailboxId>, id: &str, index: u32) -> PathBuf {
    inbox(root, recipient).join(id).join(index.to_string())
}

fn inbox(root: &Path, recipient: Option<&MailboxId>) -> PathBuf {
    root.join(recipient.map_or(UNROUTED, MailboxId::as_str)).join("in")
}

/// Reads everything. A file that is being written is passed over.
pub(super) fn load(root: &Path) -> Result<Found, FolderError> {
    let unusable = |source| FolderError::Unusable { folder: root.to_owned(), source };
    fs::create_dir_all(root).map_err(unusable)?;
    let mut found = Found { mailboxes: Vec::new(), messages: Vec::new() };
    for (name, folder) in entries(root).map_err(unusable)? {
        if name.starts_with('.') && name != UNROUTED || !folder.is_dir() {
            continue;
        }
        if name != UNROUTED {
            match name.parse::<MailboxId>() {
                Ok(mailbox) if mailbox.as_str() == name => found.mailboxes.push(mailbox),
                _ => return Err(FolderError::NoMailbox { folder }),
            }
        }
        let inbox = folder.join("in");
        if !inbox.is_dir() {
            continue;
        }
        for (name, file) in entries(&inbox).map_err(unusable)? {
            if name.ends_with(".json") && !name.starts_with('.') {
                found.messages.push(read(&file)?);
            }
        }
    }
    Ok(found)
}

fn entries(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())))
        .collect()
}

fn read(file: &Path) -> Result<Message, FolderError> {
    let no_message = || FolderError::NoMessage { file: file.to_owned() };
    let unusable = |source| FolderError::Unusable { folder: file.to_owned(), source };
    let text = fs::read(file).map_err(unusable)?;
    let record: Record = serde_json::from_slice(&text).map_err(|_| no_message())?;
    let mut message = record.message().ok_or_else(no_message)?;
    let folder = file.with_extension("");
    if folder.is_dir() {
        for (name, path) in entries(&folder).map_err(unusable)? {
            if let Ok(index) = name.parse::<u32>() {
                message.chunks.insert(index, Payload::in_file(path).map_err(unusable)?);
            }
        }
    }
    Ok(message)
}

/// Writes a message's metadata; its chunks stand in their files already.
pub(super) fn save(root: &Path, message: &Message) -> io::Result<()> {
    let folder = inbox(root, message.recipient());
    fs::create_dir_all(&folder)?;
    let mut file = tempfile::Builder::new().prefix(".part-").tempfile_in(&folder)?;
    file.write_all(&serde_json::to_vec(&Record::of(message))?)?;
    file.persist(folder.join(format!("{}.json", message.id))).map_err(|failed| failed.error)?;
    Ok(())
}

/// Removes a message, metadata first: chunks without metadata are nothing.
pub(super) fn delete(root: &Path, message: &Message) -> io::Result<()> {
    let base = inbox(root, message.recipient()).join(message.id.as_str());
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    let mut metadata = base.clone().into_os_string();
    metadata.push(".json");
    gone(fs::remove_file(metadata))?;
    gone(fs::remove_dir_all(base))
}
