//! A broker behind a wire that knows where a request begins and what it asks for, and loses those of one kind, or their
//! answers. So a relay can be killed where nothing but the client library is at work: inside a transaction, or with a
//! report under way.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use relay_testkit::wait::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::broker::{Kafka, OwnBroker};

/// Bytes of the largest request or answer. One that says more is none.
const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of the length that stands before each.
const LENGTH_BYTES: usize = 4;
/// Where a request has its correlation id.
const CORRELATION_AT: usize = 4;
/// Where an answer has it.
const ANSWERED_AT: usize = 0;
/// Where a request has its client's name, behind the name's length.
const CLIENT_AT: usize = 10;

/// Kinds of requests, by their numbers in Kafka's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Produce = 0,
    /// To put partitions into a transaction.
    AddPartitions = 24,
    /// To commit a transaction, or to abort it.
    EndTransaction = 26,
}

/// What is lost of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The request does not arrive.
    Request,
    /// It does, and the client hears nothing.
    Answer,
}

/// What is lost: a kind of request of one client's, about something.
#[derive(Debug, Clone)]
pub struct Loss {
    pub client: &'static str,
    pub ask: Ask,
    /// A name that stands in the request, such as a topic's.
    pub about: String,
    pub part: Part,
}

/// What the wire loses, and how often it has.
#[derive(Default)]
struct Losing {
    loss: Option<Loss>,
    lost: usize,
}

/// The broker. Everybody gets to it by the wire.
pub struct CutBroker {
    pub kafka: Kafka,
    losing: Arc<Mutex<Losing>>,
    accepting: JoinHandle<()>,
    _own: OwnBroker,
}

impl CutBroker {
    /// Starts one. Needs threads for the wire beside the one of the test, which waits for answers that come by it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let wire = listener.local_addr().expect("an address");
        let own = OwnBroker::new();
        // Whoever asks it is told to go there.
        let properties = own.path("properties");
        let told = format!("advertised.listeners=PLAINTEXT://{wire}\n");
        File::create(&properties).and_then(|mut file| file.write_all(told.as_bytes())).expect("a file");
        assert_eq!(own.extra(&properties), "", "no further listener");
        let target = own.start().parse().expect("an address");
        let losing = Arc::<Mutex<Losing>>::default();
        let accepting = tokio::spawn(accept(listener, target, Arc::clone(&losing)));
        Self { kafka: Kafka::at(&wire.to_string()), losing, accepting, _own: own }
    }

    fn losing(&self) -> MutexGuard<'_, Losing> {
        self.losing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this is lost.
    pub fn lose(&self, loss: Loss) {
        *self.losing() = Losing { loss: Some(loss), lost: 0 };
    }

    /// From now on nothing is.
    pub fn mend(&self) {
        *self.losing() = Losing::default();
    }

    /// Waits until something was lost.
    pub async fn has_lost(&self) {
        eventually("something is lost on the wire", || self.losing().lost > 0).await;
    }
}

impl Drop for CutBroker {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, losing: Arc<Mutex<Losing>>) {
    while let Ok((near, _)) = listener.accept().await {
        let losing = Arc::clone(&losing);
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(target).await else { return };
            if near.set_nodelay(true).and(far.set_nodelay(true)).is_err() {
                return;
            }
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            // Correlation ids of this connection whose answers are lost.
            let unanswered = Arc::<Mutex<HashSet<[u8; 4]>>>::default();
            let asking = pass(near_in, far_out, |frame| match losing_of(&losing, frame) {
                Some(Part::Request) => false,
                Some(Part::Answer) => {
                    unanswered
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(four(frame, CORRELATION_AT));
                    true
                }
                None => true,
            });
            let answering = pass(far_in, near_out, |frame| {
                !unanswered.lock().unwrap_or_else(PoisonError::into_inner).contains(&four(frame, ANSWERED_AT))
            });
            // Either end closes both.
            tokio::select! {
                () = asking => {}
                () = answering => {}
            }
        });
    }
}

/// What is lost of a request, if anything is.
fn losing_of(losing: &Mutex<Losing>, request: &[u8]) -> Option<Part> {
    let mut losing = losing.lock().unwrap_or_else(PoisonError::into_inner);
    let loss = losing.loss.as_ref()?;
    let kind = u16::from_be_bytes([request[0], request[1]]);
    let is_client = request.get(CLIENT_AT..).is_some_and(|rest| rest.starts_with(loss.client.as_bytes()));
    let says = |about: &str| request.windows(about.len()).any(|window| window == about.as_bytes());
    if kind != loss.ask as u16 || !is_client || !says(&loss.about) {
        return None;
    }
    let part = loss.part;
    losing.lost += 1;
    Some(part)
}

/// Four bytes of a frame.
fn four(frame: &[u8], at: usize) -> [u8; 4] {
    frame[at..at + 4].try_into().expect("four bytes")
}

/// Passes frames on of which `may_pass` says so, until either side ends.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut may_pass: impl FnMut(&[u8]) -> bool) {
    while let Ok(length) = from.read_u32().await {
        assert!((8..=FRAME_BYTES_MAX).contains(&(length as usize)), "a frame of {length} bytes");
        let mut frame = length.to_be_bytes().to_vec();
        frame.resize(LENGTH_BYTES + length as usize, 0);
        if from.read_exact(&mut frame[LENGTH_BYTES..]).await.is_err() {
            return;
        }
        // At once: in two pieces the second waits until the first was seen.
        if may_pass(&frame[LENGTH_BYTES..]) && to.write_all(&frame).await.is_err() {
            return;
        }
    }
}
