//! The MESH client as the core's port: translation, no decisions.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use mesh_api::path::WorkflowFilter;
use mesh_api::{
    Classify, Download, Endpoint, Held, LocalId, MailboxId, MessageId, Tracking, TrackingStatus, WorkflowId,
};
use mesh_client::{CallError, ConnectFault, ErrorKind, LocalIdMatch, Mailbox, OpenMessage};
use relay_core::metric::MESH_REQUEST;
use relay_core::{
    DeliveryRecorded, Found, Incoming, MeshAnswer, MeshError, MeshMailbox, Outgoing, Rejection,
};

/// One mailbox over HTTPS, whose client and password can change while it is used.
pub struct MeshPort {
    id: MailboxId,
    mailbox: Mutex<Mailbox>,
}

impl MeshPort {
    /// A port on a client's mailbox.
    pub fn new(mailbox: Mailbox) -> Self {
        Self { id: mailbox.id().clone(), mailbox: Mutex::new(mailbox) }
    }

    /// Puts another client, or another password, in place. Calls under way end as they began.
    pub fn replace(&self, mailbox: Mailbox) {
        *self.mailbox.lock().unwrap_or_else(PoisonError::into_inner) = mailbox;
    }

    fn now(&self) -> Mailbox {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl MeshMailbox for MeshPort {
    fn mailbox(&self) -> &MailboxId {
        &self.id
    }

    async fn handshake(&self) -> Result<(), MeshError> {
        timed("handshake", self.now().handshake()).await.map_err(translate)
    }

    async fn begin_send(&self, outgoing: Outgoing<'_>) -> Result<MessageId, MeshError> {
        let Outgoing { envelope, payload, plan, gzip } = outgoing;
        timed("send", self.now().send(envelope, payload, plan, gzip)).await.map_err(translate)
    }

    async fn continue_send(
        &self,
        outgoing: Outgoing<'_>,
        id: &MessageId,
        index: u32,
    ) -> Result<(), MeshError> {
        let Outgoing { payload, plan, gzip, .. } = outgoing;
        timed("chunk", self.now().send_chunk(id, payload, plan, gzip, index)).await.map_err(translate)
    }

    async fn find_by_local_id(&self, local_id: &LocalId) -> Result<Found, MeshError> {
        Ok(match timed("find", self.now().track_by_local_id(local_id)).await.map_err(translate)? {
            LocalIdMatch::Nothing => Found::Nothing,
            // Chunks without the last one: never delivered, so the message is not at MESH.
            LocalIdMatch::One(tracking) if tracking.status == TrackingStatus::Uploading => Found::Nothing,
            LocalIdMatch::One(tracking) => {
                Found::One { id: tracking.message_id, uploaded: tracking.uploaded }
            }
            LocalIdMatch::Several => Found::Several,
        })
    }

    async fn track(&self, id: &MessageId) -> Result<Tracking, MeshError> {
        timed("track", self.now().track(id)).await.map_err(translate)
    }

    async fn list(&self, filter: Option<&WorkflowFilter>) -> Result<Vec<MessageId>, MeshError> {
        match filter {
            Some(filter) => timed("list", self.now().list_filtered(filter)).await,
            None => timed("list", self.now().list()).await,
        }
        .map_err(translate)
    }

    async fn head(&self, id: &MessageId) -> Result<Download, MeshError> {
        timed("head", self.now().head(id)).await.map_err(translate)
    }

    async fn lookup(
        &self,
        ods_code: Option<&str>,
        workflow: &WorkflowId,
    ) -> Result<Vec<Endpoint>, MeshError> {
        match ods_code {
            Some(ods_code) => timed("lookup", self.now().lookup(ods_code, workflow)).await,
            None => timed("lookup", self.now().workflow_search(workflow)).await,
        }
        .map_err(translate)
    }

    async fn open(&self, id: &MessageId, held: Held) -> Result<Incoming, MeshError> {
        let OpenMessage { download, body, progress } =
            timed("open", self.now().open_behind(id, held)).await.map_err(translate)?;
        Ok(Incoming { download, body, progress: Box::new(move || progress.held()) })
    }

    async fn acknowledge(&self, delivered: &DeliveryRecorded) -> Result<(), MeshError> {
        timed("acknowledge", self.now().acknowledge(delivered.message_id())).await.map_err(translate)
    }
}

/// A call, with how long it took and how it ended among the metrics.
async fn timed<T>(
    call: &'static str,
    calling: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let begun = Instant::now();
    let answer = calling.await;
    let status = answer.as_ref().map_or_else(|error| status(error.kind()), |_| "ok");
    MESH_REQUEST.record([call.into(), status.into()], begun.elapsed().as_secs_f64());
    answer
}

/// One word for how a call failed.
fn status(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Refused | ErrorKind::Unsendable(_) => "refused",
        ErrorKind::CredentialsRefused => "credentials",
        ErrorKind::NoSuchMessage => "not-found",
        ErrorKind::NoLongerAvailable => "gone",
        ErrorKind::AlreadyComplete => "complete",
        ErrorKind::Throttled { .. } => "throttled",
        ErrorKind::Connect(ConnectFault::Tls(_)) => "not-trusted",
        ErrorKind::Connect(_) => "unreachable",
        _ => "failed",
    }
}

fn translate(error: CallError) -> MeshError {
    let answer = match error.kind() {
        ErrorKind::Refused | ErrorKind::Unsendable(_) => MeshAnswer::Refused(Box::new(rejection(&error))),
        ErrorKind::CredentialsRefused => MeshAnswer::CredentialsRefused,
        ErrorKind::Connect(ConnectFault::Tls(_)) => MeshAnswer::NotTrusted,
        ErrorKind::NoSuchMessage => MeshAnswer::NoSuchMessage,
        ErrorKind::NoLongerAvailable => MeshAnswer::NoLongerAvailable,
        ErrorKind::AlreadyComplete => MeshAnswer::AlreadyComplete,
        _ => MeshAnswer::Nothing,
    };
    let mailbox_wide = matches!(
        error.kind(),
        ErrorKind::CredentialsRefused
            | ErrorKind::Connect(_)
            | ErrorKind::Throttled { .. }
            | ErrorKind::ServerTrouble { .. }
            | ErrorKind::Resting { .. }
            | ErrorKind::NotMesh(_)
    );
    MeshError {
        what: error.to_string(),
        class: error.class(),
        effect: error.effect(),
        owner: error.owner(),
        answer,
        mailbox_wide,
    }
}

/// MESH's own words; where it gave none, what is known of the call.
fn rejection(error: &CallError) -> Rejection {
    use mesh_api::code::{MALFORMED, StatusEvent};
    let service = error.service().cloned().unwrap_or_default();
    let or = |given: String, usual: &str| if given.is_empty() { usual.to_owned() } else { given };
    let described = if service.description.is_empty() { error.to_string() } else { service.description };
    Rejection {
        event: or(service.event, StatusEvent::Transfer.as_str()),
        code: or(service.code, MALFORMED),
        description: described,
        message_id: service.message_id,
    }
}
