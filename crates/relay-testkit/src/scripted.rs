//! A MESH port that does what a test says: it keeps what it was sent, and loses, refuses or repeats on purpose.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use mesh_api::path::WorkflowFilter;
use mesh_api::{
    Download, Effect, Endpoint, FailureClass, LocalId, MailboxId, MessageId, Owner, Tracking, TrackingStatus,
    WorkflowId,
};
use relay_core::{
    Clock, DeliveryRecorded, Found, Held, Incoming, MeshAnswer, MeshError, MeshMailbox, Outgoing, Rejection,
};

/// What the port does with the next send or chunk. With none left it does as asked.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The request never arrives.
    NotSent,
    /// The request takes effect, the answer is lost.
    AnswerLost,
    /// MESH refuses the message.
    Refuse(Rejection),
    /// The upload is unknown.
    UploadLost,
    /// Nothing can be asked: a probe fails.
    ProbeFails,
    /// The request is lost on the way, and that cannot be told.
    LostUnseen,
    /// None: this call goes well.
    Well,
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// The first request of a send.
    Begin,
    /// A later chunk.
    Chunk(u32),
    /// A probe.
    Probe,
    /// Tracking of a message.
    Track,
    /// A look at the inbox.
    List,
}

/// A message as it arrived.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// Its id.
    pub id: MessageId,
    /// The sender's reference.
    pub local_id: Option<LocalId>,
    /// Its chunks so far, joined.
    pub body: Vec<u8>,
    /// Chunks so far.
    pub taken: u32,
    /// Chunks announced.
    pub of: u32,
    /// When it came.
    pub uploaded: Option<Timestamp>,
}

#[derive(Default)]
struct Inner {
    unreachable: bool,
    unaskable: bool,
    on_begin: Option<Box<dyn Fn() + Send + Sync>>,
    faults: VecDeque<Fault>,
    made: Vec<Made>,
    arrived: Vec<Arrived>,
    /// Where in `arrived` the messages of a local id are, so that many messages can be asked about quickly.
    by_local_id: HashMap<String, Vec<usize>>,
    by_id: HashMap<MessageId, usize>,
}

/// The port.
pub struct ScriptedMesh {
    mailbox: MailboxId,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

impl ScriptedMesh {
    /// A port for this mailbox, which takes the time from this clock.
    pub fn new(mailbox: &MailboxId, clock: Arc<dyn Clock>) -> Self {
        Self { mailbox: mailbox.clone(), clock, inner: Mutex::default() }
    }

    /// Adds a fault for a call to come.
    pub fn then(&self, fault: Fault) {
        self.inner().faults.push_back(fault);
    }

    /// Lets this many calls go well before the next fault.
    pub fn then_well(&self, calls: usize) {
        (0..calls).for_each(|_| self.then(Fault::Well));
    }

    /// Calls this at every first request, before anything else.
    pub fn on_begin(&self, look: impl Fn() + Send + Sync + 'static) {
        self.inner().on_begin = Some(Box::new(look));
    }

    /// Lets handshakes fail, or go well again.
    pub fn set_reachable(&self, reachable: bool) {
        self.inner().unreachable = !reachable;
    }

    /// Lets questions about a local id fail, or go well again.
    pub fn set_askable(&self, askable: bool) {
        self.inner().unaskable = !askable;
    }

    /// The calls so far.
    pub fn made(&self) -> Vec<Made> {
        self.inner().made.clone()
    }

    /// The messages that could be delivered: all their chunks are here.
    pub fn delivered(&self) -> Vec<Arrived> {
        self.inner().arrived.iter().filter(|message| message.taken == message.of).cloned().collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, made: Made) -> Option<Fault> {
        let mut inner = self.inner();
        if let (Made::Begin, Some(look)) = (&made, &inner.on_begin) {
            look();
        }
        inner.made.push(made);
        inner.faults.pop_front().filter(|fault| !matches!(fault, Fault::Well))
    }
}

/// The error that a fault shows.
fn error(fault: &Fault) -> MeshError {
    let (class, effect, owner, answer) = match fault {
        Fault::NotSent | Fault::ProbeFails => {
            (FailureClass::Transient, Effect::NotApplied, Owner::Mesh, MeshAnswer::Nothing)
        }
        Fault::AnswerLost | Fault::LostUnseen | Fault::Well => {
            (FailureClass::Transient, Effect::Unknown, Owner::Mesh, MeshAnswer::Nothing)
        }
        Fault::Refuse(rejection) => (
            FailureClass::Permanent,
            Effect::NotApplied,
            Owner::Organisation,
            MeshAnswer::Refused(Box::new(rejection.clone())),
        ),
        Fault::UploadLost => {
            (FailureClass::Permanent, Effect::NotApplied, Owner::Mesh, MeshAnswer::NoSuchMessage)
        }
    };
    MeshError {
        what: format!("scripted: {fault:?}"),
        class,
        effect,
        owner,
        answer,
        mailbox_wide: matches!(fault, Fault::NotSent),
    }
}

/// The bytes of a chunk. Where they do not come, the request is broken off and takes no effect, as with the client.
async fn read(outgoing: Outgoing<'_>, index: u32) -> Result<Vec<u8>, MeshError> {
    let read = async {
        let stream = outgoing.payload.open(outgoing.plan.bytes(index)).await?;
        stream.map_ok(|bytes| bytes.to_vec()).try_concat().await
    };
    read.await.map_err(|broken: io::Error| MeshError {
        what: format!("scripted: the data to send could not be read ({})", broken.kind()),
        class: match broken.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                FailureClass::Permanent
            }
            _ => FailureClass::Transient,
        },
        owner: Owner::Organisation,
        mailbox_wide: false,
        ..error(&Fault::NotSent)
    })
}

#[async_trait]
impl MeshMailbox for ScriptedMesh {
    fn mailbox(&self) -> &MailboxId {
        &self.mailbox
    }

    async fn handshake(&self) -> Result<(), MeshError> {
        if self.inner().unreachable { Err(error(&Fault::NotSent)) } else { Ok(()) }
    }

    async fn begin_send(&self, outgoing: Outgoing<'_>) -> Result<MessageId, MeshError> {
        let fault = self.next(Made::Begin);
        if let Some(fault) = fault.as_ref().filter(|fault| !matches!(fault, Fault::AnswerLost)) {
            return Err(error(fault));
        }
        let body = read(outgoing, 1).await?;
        let mut inner = self.inner();
        let place = inner.arrived.len();
        let id: MessageId = format!("SCRIPTED_{}", place + 1).parse().expect("an id");
        inner.by_id.insert(id.clone(), place);
        if let Some(local_id) = &outgoing.envelope.local_id {
            inner.by_local_id.entry(local_id.as_str().to_owned()).or_default().push(place);
        }
        inner.arrived.push(Arrived {
            id: id.clone(),
            local_id: outgoing.envelope.local_id.clone(),
            body,
            taken: 1,
            of: outgoing.plan.of(),
            uploaded: Some(self.clock.now()),
        });
        fault.map_or(Ok(id), |fault| Err(error(&fault)))
    }

    async fn continue_send(
        &self,
        outgoing: Outgoing<'_>,
        id: &MessageId,
        index: u32,
    ) -> Result<(), MeshError> {
        let fault = self.next(Made::Chunk(index));
        if let Some(fault) = fault.as_ref().filter(|fault| !matches!(fault, Fault::AnswerLost)) {
            return Err(error(fault));
        }
        let body = read(outgoing, index).await?;
        let mut inner = self.inner();
        let place = *inner.by_id.get(id).expect("an upload");
        let message = &mut inner.arrived[place];
        if message.taken == message.of {
            let mut complete = error(&Fault::UploadLost);
            complete.answer = MeshAnswer::AlreadyComplete;
            return Err(complete);
        }
        if index == message.taken + 1 {
            message.body.extend(body);
            message.taken = index;
        }
        fault.map_or(Ok(()), |fault| Err(error(&fault)))
    }

    async fn find_by_local_id(&self, local_id: &LocalId) -> Result<Found, MeshError> {
        if let Some(fault @ Fault::ProbeFails) = self.next(Made::Probe) {
            return Err(error(&fault));
        }
        let inner = self.inner();
        if inner.unaskable {
            return Err(error(&Fault::ProbeFails));
        }
        let found = inner.by_local_id.get(local_id.as_str()).map_or(&[][..], Vec::as_slice);
        Ok(match *found {
            [] => Found::Nothing,
            [place] => {
                let Arrived { id, uploaded, .. } = &inner.arrived[place];
                Found::One { id: id.clone(), uploaded: *uploaded }
            }
            _ => Found::Several,
        })
    }

    async fn track(&self, id: &MessageId) -> Result<Tracking, MeshError> {
        self.inner().made.push(Made::Track);
        Ok(Tracking {
            message_id: id.clone(),
            status: TrackingStatus::Accepted,
            status_code: String::new(),
            status_description: String::new(),
            recipient: None,
            workflow: None,
            local_id: None,
            uploaded: None,
        })
    }

    async fn list(&self, _: Option<&WorkflowFilter>) -> Result<Vec<MessageId>, MeshError> {
        self.inner().made.push(Made::List);
        Ok(Vec::new())
    }

    async fn head(&self, _: &MessageId) -> Result<Download, MeshError> {
        Err(error(&Fault::UploadLost))
    }

    async fn lookup(&self, _: Option<&str>, _: &WorkflowId) -> Result<Vec<Endpoint>, MeshError> {
        Ok(Vec::new())
    }

    async fn open(&self, _: &MessageId, _: Held) -> Result<Incoming, MeshError> {
        Err(error(&Fault::UploadLost))
    }

    async fn acknowledge(&self, _: &DeliveryRecorded) -> Result<(), MeshError> {
        Ok(())
    }
}
