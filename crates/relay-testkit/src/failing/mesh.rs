//! A mailbox at MESH with a fate.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};
use mesh_api::path::WorkflowFilter;
use mesh_api::{
    Download, Endpoint, LocalId, MailboxId, MessageId, OpenPayload, Payload, PayloadStream, Tracking,
    WorkflowId,
};
use relay_core::{DeliveryRecorded, Found, Held, Incoming, MeshError, MeshMailbox, Outgoing, ReadProgress};

use super::Fate;

/// A real mailbox, but for its fate.
pub struct FailingMesh {
    inner: Arc<dyn MeshMailbox>,
    fate: Arc<Fate>,
}

impl FailingMesh {
    /// This mailbox with this fate.
    pub fn new(inner: Arc<dyn MeshMailbox>, fate: &Arc<Fate>) -> Self {
        Self { inner, fate: Arc::clone(fate) }
    }
}

#[async_trait]
impl MeshMailbox for FailingMesh {
    fn mailbox(&self) -> &MailboxId {
        self.inner.mailbox()
    }

    async fn handshake(&self) -> Result<(), MeshError> {
        self.inner.handshake().await
    }

    async fn begin_send(&self, outgoing: Outgoing<'_>) -> Result<MessageId, MeshError> {
        self.fate.reach("before post").await;
        let holder = Halfway { payload: outgoing.payload.clone(), fate: Arc::clone(&self.fate) };
        let payload = Payload::new(outgoing.payload.length(), Arc::new(holder));
        let answer = self.inner.begin_send(Outgoing { payload: &payload, ..outgoing }).await;
        self.fate.reach("after post").await;
        answer
    }

    async fn continue_send(
        &self,
        outgoing: Outgoing<'_>,
        id: &MessageId,
        index: u32,
    ) -> Result<(), MeshError> {
        self.fate.reach(&format!("before chunk {index}")).await;
        let answer = self.inner.continue_send(outgoing, id, index).await;
        self.fate.reach(&format!("after chunk {index}")).await;
        answer
    }

    async fn find_by_local_id(&self, local_id: &LocalId) -> Result<Found, MeshError> {
        self.inner.find_by_local_id(local_id).await
    }

    async fn track(&self, id: &MessageId) -> Result<Tracking, MeshError> {
        self.inner.track(id).await
    }

    async fn list(&self, filter: Option<&WorkflowFilter>) -> Result<Vec<MessageId>, MeshError> {
        self.inner.list(filter).await
    }

    async fn head(&self, id: &MessageId) -> Result<Download, MeshError> {
        self.inner.head(id).await
    }

    async fn lookup(
        &self,
        ods_code: Option<&str>,
        workflow: &WorkflowId,
    ) -> Result<Vec<Endpoint>, MeshError> {
        self.inner.lookup(ods_code, workflow).await
    }

    async fn open(&self, id: &MessageId, held: Held) -> Result<Incoming, MeshError> {
        let Incoming { download, body, progress } = self.inner.open(id, held).await?;
        let progress: Arc<ReadProgress> = Arc::new(progress);
        let body = watched(body, Arc::clone(&progress), Arc::clone(&self.fate));
        Ok(Incoming { download, body, progress: Box::new(move || progress()) })
    }

    async fn acknowledge(&self, delivered: &DeliveryRecorded) -> Result<(), MeshError> {
        self.fate.reach("before acknowledge").await;
        let answer = self.inner.acknowledge(delivered).await;
        self.fate.reach("after acknowledge").await;
        answer
    }
}

/// A payload that meets its fate once half of what is asked for was read.
struct Halfway {
    payload: Payload,
    fate: Arc<Fate>,
}

impl OpenPayload for Halfway {
    fn open(&self, range: Range<u64>) -> BoxFuture<'_, io::Result<PayloadStream>> {
        Box::pin(async move {
            let half = (range.end - range.start) / 2;
            let bytes = self.payload.open(range).await?;
            let read = stream::try_unfold(
                (bytes, 0, Arc::clone(&self.fate)),
                move |(mut bytes, read, fate)| async move {
                    if read >= half {
                        fate.reach("inside post").await;
                    }
                    let Some(next) = bytes.try_next().await? else { return Ok(None) };
                    let read = read + next.len() as u64;
                    Ok(Some((next, (bytes, read, fate))))
                },
            );
            Ok(read.boxed())
        })
    }
}

/// A body that meets its fate between two of its pieces. The end of a chunk is a piece without bytes.
fn watched(body: PayloadStream, progress: Arc<ReadProgress>, fate: Arc<Fate>) -> PayloadStream {
    let read = stream::try_unfold(
        (body, progress, fate, None::<String>),
        |(mut body, progress, fate, reached)| async move {
            if let Some(point) = reached {
                fate.reach(&point).await;
            }
            let Some(next) = body.try_next().await? else { return Ok(None) };
            let whole = progress().chunks;
            let point = if next.is_empty() {
                format!("behind chunk {whole} of the download")
            } else {
                format!("inside chunk {} of the download", whole + 1)
            };
            Ok(Some((next, (body, progress, fate, Some(point)))))
        },
    );
    read.boxed()
}
