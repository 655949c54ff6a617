//! Messages in IN beside what the relay would have put there.

use dts_control::{ControlFile, esmtp_address};
use relay_core::{Download, MessageId};

use super::{Found, Shadow, Verdict};
use crate::control_files;

/// Stands for the id of a message whose control file has none.
const AN_ID: &str = "20260101000000000000_000000";

impl Shadow {
    /// A message.
    pub(super) fn received(&self, found: &Found) -> Verdict {
        // MESH's usual status is taken for granted, so that what a client made of it is seen.
        let id = found.control.dts_id.as_deref();
        let Some(id) = [id, Some(found.stem()), Some(AN_ID)].into_iter().find_map(message_id) else {
            return Verdict::NotDerivable;
        };
        let Some(download) = download(&id, &found.control) else { return Verdict::NotDerivable };
        found.compare(&control_files::received_text(&self.config, &download, None, found.at))
    }
}

/// The id of a message, when it is one.
pub(super) fn message_id(text: Option<&str>) -> Option<MessageId> {
    text?.parse().ok()
}

/// What MESH said of the message in a control file in IN, but for the status (3.6).
pub(super) fn download(id: &MessageId, control: &ControlFile) -> Option<Download> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    // An e-mail form that can be built was perhaps not given.
    let given = |value: &Option<String>, mailbox: &str| {
        let given = text(value);
        if given == esmtp_address(mailbox) { String::new() } else { given }
    };
    let mut download = Download::read(id, |_| None).ok()?;
    download.from.clone_from(&control.from_dts);
    download.to.clone_from(&control.to_dts);
    download.from_smtp = given(&control.from_esmtp, &control.from_dts);
    download.to_smtp = given(&control.to_esmtp, &control.to_dts);
    download.subject = text(&control.subject);
    download.local_id = text(&control.local_id);
    download.partner_id = text(&control.partner_id);
    download.process_id = text(&control.process_id);
    download.workflow = text(&control.workflow_id);
    download.checksum = text(&control.data_checksum);
    download.encrypted = control.encrypted.unwrap_or(false);
    Some(download)
}
