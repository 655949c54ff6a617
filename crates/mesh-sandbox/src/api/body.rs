//! A request's body: read within a bound, or read and dropped.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use hyper::header::EXPECT;
use hyper::{HeaderMap, StatusCode};
use tokio::time::timeout;

use crate::answer::Refusal;
use crate::api::REQUEST_BODY_BYTES_MAX;
use crate::bodies::Intake;
use crate::serve::{BODY_IDLE_TIMEOUT, DRAIN_IDLE_TIMEOUT, DRAIN_TIMEOUT};

/// A body on its way in.
pub(super) struct Upload<B> {
    body: B,
    read: u64,
    broken: bool,
    /// Whether the caller waits to be told to send it.
    asks: bool,
}

impl<B: Body<Data = Bytes> + Unpin> Upload<B> {
    pub(super) fn new(body: B, headers: &HeaderMap) -> Self {
        Self { body, read: 0, broken: false, asks: headers.contains_key(EXPECT) }
    }

    /// Whether nothing was read of a body that the caller has not begun to send: reading would invite it.
    pub(super) fn is_unwanted(&self) -> bool {
        self.asks && self.read == 0 && !self.body.is_end_stream()
    }

    /// How many bytes were read so far.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// Passes the whole body on as it came: compression is the sender's and is not undone (`mesh-api.md` 5.4).
    pub(super) async fn pass_to(&mut self, intake: &mut Intake) -> Result<(), Refusal> {
        while let Some(part) = self.next(BODY_IDLE_TIMEOUT).await {
            intake.take(&part).await.map_err(|error| Refusal::unwritten(&error))?;
        }
        self.whole()
    }

    /// The same, up to a limit.
    pub(super) async fn pass_up_to(&mut self, limit: u64, intake: &mut Intake) -> Result<(), Refusal> {
        if self.body.size_hint().lower() > limit {
            return Err(too_large(limit));
        }
        while let Some(part) = self.next(BODY_IDLE_TIMEOUT).await {
            if self.read > limit {
                return Err(too_large(limit));
            }
            intake.take(&part).await.map_err(|error| Refusal::unwritten(&error))?;
        }
        self.whole()
    }

    /// A small body, whole.
    pub(super) async fn collect(&mut self, limit: u64) -> Result<Vec<u8>, Refusal> {
        let mut whole = Vec::new();
        while let Some(part) = self.next(BODY_IDLE_TIMEOUT).await {
            if self.read > limit {
                return Err(too_large(limit));
            }
            whole.extend_from_slice(&part);
        }
        self.whole().map(|()| whole)
    }

    fn whole(&self) -> Result<(), Refusal> {
        if self.broken {
            let text = "The request body ended early or stalled.".to_owned();
            return Err(Refusal::Bare { status: StatusCode::REQUEST_TIMEOUT, text });
        }
        Ok(())
    }

    /// Reads and drops until so many bytes were read, or all.
    pub(super) async fn read_past(&mut self, bytes: u64) {
        while self.read < bytes && self.next(BODY_IDLE_TIMEOUT).await.is_some() {}
    }

    /// Reads and drops what is left, as far as twice live's bound and for [`DRAIN_TIMEOUT`] at most; beyond that, or
    /// once the caller pauses, the connection ends with the answer.
    pub(super) async fn drain(&mut self) {
        let rest = async {
            while self.read <= 2 * REQUEST_BODY_BYTES_MAX && self.next(DRAIN_IDLE_TIMEOUT).await.is_some() {}
        };
        // What is left then is the connection's to end.
        let _ = timeout(DRAIN_TIMEOUT, rest).await;
    }

    async fn next(&mut self, idle: Duration) -> Option<Bytes> {
        while !self.broken {
            match timeout(idle, self.body.frame()).await {
                Ok(None) => return None,
                Ok(Some(Ok(frame))) => {
                    if let Ok(part) = frame.into_data() {
                        self.read += part.len() as u64;
                        return Some(part);
                    }
                }
                Ok(Some(Err(_))) | Err(_) => self.broken = true,
            }
        }
        None
    }
}

fn too_large(limit: u64) -> Refusal {
    let text = format!("The request body is larger than {limit} bytes.");
    Refusal::Bare { status: StatusCode::PAYLOAD_TOO_LARGE, text }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body_util::Full;
    use hyper::body::Frame;

    use super::*;
    use crate::bodies::Bodies;

    /// A body of unannounced length.
    struct Parts(Vec<Bytes>);

    impl Body for Parts {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop().map(|part| Ok(Frame::data(part))))
        }
    }

    fn status<T>(result: Result<T, Refusal>) -> Option<StatusCode> {
        match result {
            Err(Refusal::Bare { status, .. }) => Some(status),
            _ => None,
        }
    }

    async fn passed(bytes: usize, limit: u64) -> Option<StatusCode> {
        let mut intake = Bodies::count_only();
        let mut upload = Upload::new(Full::new(Bytes::from(vec![0; bytes])), &HeaderMap::new());
        status(upload.pass_up_to(limit, &mut intake).await)
    }

    #[tokio::test]
    async fn bodies_are_read_up_to_the_bound_and_no_further() {
        assert_eq!(passed(100, 100).await, None);
        assert_eq!(passed(101, 100).await, Some(StatusCode::PAYLOAD_TOO_LARGE));
        let mut upload = Upload::new(Full::new(Bytes::from(vec![0; 101])), &HeaderMap::new());
        assert_eq!(status(upload.collect(100).await), Some(StatusCode::PAYLOAD_TOO_LARGE));

        let bound = usize::try_from(REQUEST_BODY_BYTES_MAX).expect("a size");
        let part = Bytes::from(vec![0; bound / 2 + 1]);
        let mut parts = Upload::new(Parts(vec![part; 5]), &HeaderMap::new());
        let mut intake = Bodies::count_only();
        let refused = parts.pass_up_to(REQUEST_BODY_BYTES_MAX, &mut intake).await;
        assert_eq!(status(refused), Some(StatusCode::PAYLOAD_TOO_LARGE));
        parts.drain().await;
        assert_eq!(parts.body.0.len(), 1, "draining is bounded too");
        let mut parts = Upload::new(Parts(vec![Bytes::from_static(b"abc"); 5]), &HeaderMap::new());
        parts.read_past(4).await;
        assert_eq!((parts.read(), parts.body.0.len()), (6, 3));
    }
}
