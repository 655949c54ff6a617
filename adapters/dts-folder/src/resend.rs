//! From SENT or FAILED to OUT once more: what people did by copying files back, with the checks that they left out.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use dts_control::{ControlFile, file_name};
use relay_core::{KeepsSent, MessageSummary, NotKept, SourceKey};

use crate::control_files;
use crate::folders::Folders;
use crate::pair::{PairKey, read_control};
use crate::pickup::{Identity, Presence};
use crate::stage::{DATA, Stage, move_durably, sync_folder};

/// The control file, inside a stage.
const CONTROL: &str = "control";

/// What SENT and FAILED of one mailbox keep.
pub struct KeptPairs {
    folders: Arc<Folders>,
}

impl KeptPairs {
    /// Of these folders.
    pub fn new(folders: Arc<Folders>) -> Self {
        Self { folders }
    }
}

#[async_trait]
impl KeepsSent for KeptPairs {
    async fn offer_again(&self, key: &SourceKey, message: &MessageSummary) -> Result<String, NotKept> {
        let Some(key) = PairKey::from_source_key(key) else {
            return Err(NotKept("its record is none that this folder's adapter made".to_owned()));
        };
        let (folders, message) = (Arc::clone(&self.folders), message.clone());
        let copied = tokio::task::spawn_blocking(move || copy_back(&folders, &key, &message)).await;
        copied.unwrap_or_else(|_| Err(NotKept("copying the pair broke off; OUT has none of it".to_owned())))
    }
}

/// Copies a pair back, data first, so that nobody takes a control file without its data.
fn copy_back(folders: &Folders, key: &PairKey, message: &MessageSummary) -> Result<String, NotKept> {
    let failed = |what: &str, path: &Path, error: &io::Error| {
        NotKept(format!("{what} {} failed: {error}; OUT has none of the pair", path.display()))
    };
    let Some((data_name, _)) = &key.data else {
        return Err(NotKept("the pair had no data file".to_owned()));
    };
    let (folder, control) = find(folders, key, message)?;
    for name in file_name::data_name_candidates(&key.control).iter().chain([&key.control, data_name]) {
        let there = folders.out.join(name);
        if there.symlink_metadata().is_ok() {
            let what = format!("{} is in OUT; wait until it has gone", there.display());
            return Err(NotKept(what));
        }
    }
    let kept = folder.join(data_name);
    let id = format!("resend-{}", message.relay_id);
    let stage = Stage::begin(&folders.temp, &id, folders.access)
        .map_err(|error| failed("preparing it in", &folders.temp, &error))?;
    let staged = (|| {
        fs::copy(&kept, stage.path(DATA))?;
        fs::File::open(stage.path(DATA))?.sync_all()?;
        stage.write(CONTROL, control_files::text(&again(control)).as_bytes())?;
        folders.access.grant(&stage.path(DATA))?;
        folders.access.grant(&stage.path(CONTROL))
    })();
    staged.map_err(|error: io::Error| failed("copying", &kept, &error))?;
    let (data, control) = (folders.out.join(data_name), folders.out.join(&key.control));
    put(&stage.path(DATA), &data).map_err(|error| failed("writing", &data, &error))?;
    if let Err(error) = put(&stage.path(CONTROL), &control) {
        // Without its control file nobody takes the data; a later try would find it in the way. By now it may be the
        // application's own.
        let removed = is_same_file(&stage.path(DATA), &data) && fs::remove_file(&data).is_ok();
        let left = if removed { String::new() } else { format!("; {} may be left there", data.display()) };
        return Err(NotKept(format!("writing {} failed: {error}{left}", control.display())));
    }
    Ok(format!("{} and {data_name} were put into OUT once more", key.control))
}

/// Whether the two names are of one file, as far as length and time show.
fn is_same_file(ours: &Path, there: &Path) -> bool {
    let facts = |path: &Path| path.metadata().ok().map(|found| (found.len(), found.modified().ok()));
    facts(ours).is_some_and(|ours| facts(there) == Some(ours))
}

/// Puts a file where there must be none: an application that writes one of the same name this moment loses nothing.
fn put(staged: &Path, target: &Path) -> io::Result<()> {
    match fs::hard_link(staged, target) {
        Ok(()) => sync_folder(target.parent().unwrap_or(target)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // Another volume, or a share without links.
        Err(_) if target.symlink_metadata().is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => move_durably(staged, target),
    }
}

/// The folder that keeps the pair, and its control file. What was sent or failed under the same name later is another
/// message.
fn find<'a>(
    folders: &'a Folders,
    key: &PairKey,
    message: &MessageSummary,
) -> Result<(&'a Path, ControlFile), NotKept> {
    let message_id = message.message_id.as_ref().map(|id| id.as_str());
    let mut other = false;
    for folder in [&folders.sent, &folders.failed] {
        let Ok(bytes) = read_control(&folder.join(&key.control)) else { continue };
        let Ok(control) = ControlFile::read(&bytes) else { continue };
        let text = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(str::to_owned);
        let data = key.data.as_ref().and_then(|(name, _)| folder.join(name).metadata().ok());
        let by_id = message_id.is_some_and(|id| text(&control.dts_id).as_deref() == Some(id));
        // MESH gave none: then it is the very file that was offered.
        let by_file = || match &key.data {
            Some((name, identity)) if message_id.is_none() => {
                matches!(Identity::presence(identity, &folder.join(name)), Ok(Presence::Same))
            }
            _ => false,
        };
        let is_own = (by_id || by_file())
            && text(&control.local_id) == message.local_id
            && data.is_some_and(|data| data.is_file() && Some(data.len()) == message.length);
        if is_own {
            return Ok((folder, control));
        }
        other = true;
    }
    Err(NotKept(if other {
        "SENT and FAILED have another pair of the same name by now".to_owned()
    } else {
        "SENT and FAILED do not have the pair (any more); `save_sent` says whether pairs are kept".to_owned()
    }))
}

/// The control file as an application would write it: what the relay completed is taken off.
fn again(control: ControlFile) -> ControlFile {
    ControlFile { dts_id: None, status: None, is_compressed: None, ..control }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folders::Use;
    use crate::stage::Access;
    use relay_core::{Direction, RelayId};

    const CONTROL_FILE: &str = "<DTSControl><Version>1.0</Version><AddressType>DTS</AddressType>\
        <MessageType>Data</MessageType><From_DTS>X26ABC1</From_DTS><To_DTS>X26ABC2</To_DTS>\
        <LocalId>L1</LocalId><DTSId>20260329234512345678_0A1B2C</DTSId><WorkflowId>W</WorkflowId>\
        <IsCompressed>N</IsCompressed><StatusRecord><DateTime>20260329234512</DateTime><Event>TRANSFER</Event>\
        <Status>SUCCESS</Status><StatusCode>00</StatusCode><Description>Sent</Description></StatusRecord></DTSControl>";

    fn message() -> MessageSummary {
        let now = jiff::Timestamp::UNIX_EPOCH;
        MessageSummary {
            direction: Direction::Outbound,
            relay_id: RelayId(uuid::Uuid::from_u128(1)),
            message_id: "20260329234512345678_0A1B2C".parse().ok(),
            mailbox: "X26ABC1".parse().expect("a mailbox"),
            partner: Some("X26ABC2".to_owned()),
            workflow: Some("W".to_owned()),
            local_id: Some("L1".to_owned()),
            file_name: None,
            length: Some(4),
            adapter: Some("folder".to_owned()),
            state: "accepted".to_owned(),
            received_at: now,
            updated_at: now,
            settled_at: Some(now),
        }
    }

    fn key() -> SourceKey {
        SourceKey { adapter: "folder".to_owned(), message: "a.ctl/00/a.dat/1-2-3".to_owned() }
    }

    #[expect(clippy::disallowed_methods, reason = "what was put there long ago")]
    fn scene() -> (tempfile::TempDir, Arc<Folders>) {
        let root = tempfile::tempdir().expect("a folder");
        let folders = Folders::open(root.path(), Use::Alone, Access::Usual).expect("folders");
        fs::write(folders.sent.join("a.ctl"), CONTROL_FILE).expect("a file");
        fs::write(folders.sent.join("a.dat"), "data").expect("a file");
        (root, Arc::new(folders))
    }

    #[tokio::test]
    async fn a_sent_pair_goes_to_out_as_its_application_wrote_it_and_stays_in_sent() {
        let (_root, folders) = scene();
        let kept = KeptPairs::new(Arc::clone(&folders));
        kept.offer_again(&key(), &message()).await.expect("put back");
        assert_eq!(fs::read(folders.out.join("a.dat")).expect("data"), b"data");
        let control = ControlFile::read(&fs::read(folders.out.join("a.ctl")).expect("control"));
        let control = control.expect("a control file");
        assert_eq!(control.local_id.as_deref(), Some("L1"));
        assert!(control.status.is_none() && control.dts_id.is_none() && control.is_compressed.is_none());
        assert!(folders.sent.join("a.ctl").exists() && folders.sent.join("a.dat").exists());
        let again = kept.offer_again(&key(), &message()).await.expect_err("it is in OUT");
        assert!(again.0.contains("is in OUT"), "{again}");
        let left: Vec<_> = fs::read_dir(&folders.temp).expect("TEMP").flatten().collect();
        assert!(left.iter().all(|entry| !entry.path().is_dir()), "{left:?}");
    }

    #[tokio::test]
    async fn another_pair_of_the_same_name_is_not_taken_for_it() {
        let (_root, folders) = scene();
        let kept = KeptPairs::new(Arc::clone(&folders));
        let message_id = "20260329234512345679_0A1B2C".parse().ok();
        for other in [
            MessageSummary { message_id, ..message() },
            MessageSummary { local_id: Some("L2".to_owned()), ..message() },
            MessageSummary { length: Some(5), ..message() },
        ] {
            let refused = kept.offer_again(&key(), &other).await.expect_err("another one");
            assert!(refused.0.contains("another pair"), "{refused}");
        }
        fs::remove_file(folders.sent.join("a.ctl")).expect("removed");
        let gone = kept.offer_again(&key(), &message()).await.expect_err("gone");
        assert!(gone.0.contains("do not have the pair"), "{gone}");
        assert_eq!(fs::read_dir(&folders.out).expect("OUT").count(), 0);
    }
}
