//! A store's folder, laid out as the official emulator's (`mesh-api.md` 11.2):
//! `<mailbox>/in/<message>.json` and `<mailbox>/in/<message>/<chunk>`.
//!
//! Each file appears whole or not at all: it is written under another name, which the next start removes if the
//! server was killed meanwhile. Nothing is synced to the disk: a machine that loses power may lose messages of a
//! sandbox.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use mesh_api::MailboxId;
use thiserror::Error;

use crate::bodies::{PART_PREFIX, Payload, new_file_in};
use crate::store::message::Message;
use crate::store::record::Record;

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
    /// A mailbox cannot have a folder: a name that begins with a dot is hidden, or leads out of the store.
    #[error("mailbox {mailbox} cannot be kept in a folder, because its id begins with a dot: rename it")]
    Hidden {
        /// The mailbox.
        mailbox: MailboxId,
    },
}

/// What a folder holds.
pub(super) struct Found {
    pub(super) mailboxes: Vec<MailboxId>,
    pub(super) messages: Vec<Message>,
}

/// Where a chunk of a message stands under the store's folder.
pub(crate) fn chunk_path(root: &Path, recipient: &MailboxId, id: &str, index: u32) -> PathBuf {
    inbox(root, recipient).join(id).join(index.to_string())
}

fn inbox(root: &Path, mailbox: &MailboxId) -> PathBuf {
    root.join(mailbox.as_str()).join("in")
}

/// Reads everything. What is no mailbox's folder or no message is passed over with a warning, as a file system has
/// folders of its own; what a killed server left unfinished is removed.
pub(super) fn load(root: &Path) -> Result<Found, FolderError> {
    let unusable = |source| FolderError::Unusable { folder: root.to_owned(), source };
    fs::create_dir_all(root).map_err(unusable)?;
    let mut found = Found { mailboxes: Vec::new(), messages: Vec::new() };
    for (name, folder) in entries(root).map_err(unusable)? {
        let mailbox = name.parse::<MailboxId>().ok();
        let Some(mailbox) = mailbox.filter(|id| id.as_str() == name && !name.starts_with('.')) else {
            tracing::warn!(folder = %folder.display(), "not named as a mailbox, in upper case; it is passed over");
            continue;
        };
        let inbox = folder.join("in");
        if inbox.is_dir() {
            load_inbox(&mailbox, &inbox, &mut found.messages).map_err(unusable)?;
        }
        found.mailboxes.push(mailbox);
    }
    Ok(found)
}

fn load_inbox(mailbox: &MailboxId, inbox: &Path, messages: &mut Vec<Message>) -> io::Result<()> {
    let (files, folders): (Vec<_>, Vec<_>) =
        entries(inbox)?.into_iter().partition(|(_, path)| path.is_file());
    let mut ids = HashSet::new();
    for (name, file) in files {
        if name.starts_with(PART_PREFIX) {
            fs::remove_file(file)?;
        } else if let Some(id) = name.strip_suffix(".json") {
            match read(mailbox, id, &file)? {
                Some(message) => {
                    ids.insert(id.to_owned());
                    messages.push(message);
                }
                None => tracing::warn!(
                    mailbox = %mailbox,
                    "a file is not the metadata of a message of this mailbox; it is passed over"
                ),
            }
        }
    }
    for (name, folder) in folders {
        // Chunks come before their metadata. Only what this server can have left is removed.
        if !ids.contains(&name) && !inbox.join(format!("{name}.json")).exists() && holds_chunks_only(&folder)?
        {
            fs::remove_dir_all(folder)?;
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())))
        .collect()
}

fn holds_chunks_only(folder: &Path) -> io::Result<bool> {
    Ok(entries(folder)?.iter().all(|(name, path)| chunk_number(name, path).is_some()))
}

fn chunk_number(name: &str, path: &Path) -> Option<u32> {
    let number = name.parse::<u32>().ok()?;
    (number.to_string() == name && path.is_file()).then_some(number)
}

/// `None` for a file that is not the metadata of this message.
fn read(mailbox: &MailboxId, id: &str, file: &Path) -> io::Result<Option<Message>> {
    let record = serde_json::from_slice::<Record>(&fs::read(file)?).ok();
    let message = record.and_then(Record::message);
    let Some(mut message) =
        message.filter(|message| message.recipient() == Some(mailbox) && message.id.as_str() == id)
    else {
        return Ok(None);
    };
    let folder = file.with_file_name(id);
    if folder.is_dir() {
        for (name, path) in entries(&folder)? {
            if let Some(number) = chunk_number(&name, &path) {
                message.chunks.insert(number, Payload::in_file(path)?);
            }
        }
    }
    Ok(Some(message))
}

/// Writes a message's metadata; its chunks stand in their files already.
pub(super) fn save(root: &Path, message: &Message) -> io::Result<()> {
    let Some(recipient) = message.recipient() else { return Ok(()) };
    let path = inbox(root, recipient).join(format!("{}.json", message.id));
    let mut file = new_file_in(&inbox(root, recipient))?;
    file.write_all(&serde_json::to_vec(&Record::of(message))?)?;
    file.persist(path).map_err(|failed| failed.error)?;
    Ok(())
}

/// Removes a message, metadata first: chunks without metadata are nothing.
pub(super) fn delete(root: &Path, message: &Message) -> io::Result<()> {
    let Some(recipient) = message.recipient() else { return Ok(()) };
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    let inbox = inbox(root, recipient);
    let metadata = gone(fs::remove_file(inbox.join(format!("{}.json", message.id))));
    metadata.and(gone(fs::remove_dir_all(inbox.join(message.id.as_str()))))
}
