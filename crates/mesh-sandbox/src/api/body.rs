//! A request's body: read within a bound, or read and dropped.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Body;
use tokio::time::timeout;

use crate::answer::Refusal;
use crate::api::REQUEST_BODY_BYTES_MAX;
use crate::serve::{BODY_IDLE_TIMEOUT, DRAIN_IDLE_TIMEOUT};

/// A body on its way in.
pub(super) struct Upload<B> {
    body: B,
    read: u64,
    broken: bool,
}

impl<B: Body<Data = Bytes> + Unpin> Upload<B> {
    pub(super) fn new(body: B) -> Self {
        Self { body, read: 0, broken: false }
    }

    /// The whole body, as it came: compression is the sender's and is not undone (`mesh-api.md` 5.4).
    pub(super) async fn collect(&mut self) -> Result<Bytes, Refusal> {
        let too_large = || Refusal::Bare {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            text: format!("The request body is larger than {REQUEST_BODY_BYTES_MAX} bytes."),
        };
        let announced = self.body.size_hint().lower();
        if announced > REQUEST_BODY_BYTES_MAX {
            return Err(too_large());
        }
        let mut whole = Vec::with_capacity(usize::try_from(announced).unwrap_or_default());
        while let Some(part) = self.next(BODY_IDLE_TIMEOUT).await {
            if self.read > REQUEST_BODY_BYTES_MAX {
                return Err(too_large());
            }
            whole.extend_from_slice(&part);
        }
        if self.broken {
            let text = "The request body ended early or stalled.".to_owned();
            return Err(Refusal::Bare { status: StatusCode::REQUEST_TIMEOUT, text });
        }
        Ok(whole.into())
    }

    /// Reads and drops what is left, as far as twice the bound; beyond that, or once the caller pauses, the
    /// connection ends with the answer.
    pub(super) async fn drain(&mut self) {
        while self.read <= 2 * REQUEST_BODY_BYTES_MAX && self.next(DRAIN_IDLE_TIMEOUT).await.is_some() {}
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body_util::Full;
    use hyper::body::Frame;

    use super::*;

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

    #[tokio::test]
    async fn bodies_are_read_up_to_the_bound_and_no_further() {
        let bound = usize::try_from(REQUEST_BODY_BYTES_MAX).expect("a size");
        let announced = |length| Upload::new(Full::new(Bytes::from(vec![0; length])));
        let whole = announced(bound).collect().await.ok().expect("a body of the bound");
        assert_eq!(whole.len(), bound);
        let refused = announced(bound + 1).collect().await;
        assert_eq!(status(refused), Some(StatusCode::PAYLOAD_TOO_LARGE));

        let part = Bytes::from(vec![0; bound / 2 + 1]);
        let mut parts = Upload::new(Parts(vec![part; 5]));
        assert_eq!(status(parts.collect().await), Some(StatusCode::PAYLOAD_TOO_LARGE));
        parts.drain().await;
        assert_eq!(parts.body.0.len(), 1, "draining is bounded too");
    }
}
