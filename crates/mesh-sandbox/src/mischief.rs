//! Bodies of answers that a fault spoils: shortened, cut off, or trickling.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Either};
use hyper::body::{Body as _, Frame, SizeHint};
use hyper::header::{CONTENT_LENGTH, HeaderValue};
use tokio::time::{Sleep, sleep};

use crate::answer::{Answer, Body};

/// Parts a second that a trickling body comes in, if it is not slower than that many bytes.
const PARTS_A_SECOND: u64 = 10;

/// What is done to an answer's body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mischief {
    /// Leave out what follows, and say so in the length.
    pub(crate) truncate: Option<u64>,
    /// End the connection after so many bytes.
    pub(crate) cut: Option<u64>,
    pub(crate) bytes_per_second: Option<u64>,
}

impl Mischief {
    /// The spoilt answer; `None` when the connection is to end instead, because there is no body to cut.
    pub(crate) fn spoil(self, answer: Answer) -> Option<Answer> {
        if self == Self::default() {
            return Some(answer);
        }
        let (mut parts, body) = answer.into_parts();
        let announced =
            parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        // Told in full: a cut is a cut only if more was announced.
        let length = body.size_hint().exact().filter(|length| *length > 0).or(announced);
        let length = length.map(|length: u64| self.truncate.unwrap_or(length).min(length));
        if self.cut.is_some() && length.unwrap_or_default() == 0 && body.is_end_stream() {
            return None;
        }
        if let Some(length) = length {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        // A body shorter than the place of the cut is cut at its last byte.
        let until_cut = self.cut.map(|cut| length.map_or(cut, |length| cut.min(length.saturating_sub(1))));
        let per_part = self.bytes_per_second.map(|rate| (rate, rate.div_ceil(PARTS_A_SECOND).max(1)));
        let spoilt = Spoilt {
            body,
            waiting: None,
            left_over: Bytes::new(),
            until_end: self.truncate.unwrap_or(u64::MAX),
            until_cut,
            flushed: false,
            per_part,
            length,
        };
        Some(Answer::from_parts(parts, Either::Right(spoilt.boxed_unsync())))
    }
}

struct Spoilt {
    body: Body,
    waiting: Option<Pin<Box<Sleep>>>,
    left_over: Bytes,
    until_end: u64,
    until_cut: Option<u64>,
    flushed: bool,
    /// Bytes a second, and bytes a part.
    per_part: Option<(u64, u64)>,
    length: Option<u64>,
}

impl Spoilt {
    /// The next bytes of the true body.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if !self.left_over.is_empty() {
                return Poll::Ready(Some(Ok(std::mem::take(&mut self.left_over))));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                Some(Ok(frame)) => self.left_over = frame.into_data().unwrap_or_default(),
            }
        }
    }
}

impl hyper::body::Body for Spoilt {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        if let Some(waiting) = &mut this.waiting {
            ready!(waiting.as_mut().poll(cx));
            this.waiting = None;
        }
        if this.until_end == 0 {
            return Poll::Ready(None);
        }
        if this.until_cut == Some(0) {
            // What was given so far goes out first: a body that pauses is flushed.
            if !this.flushed {
                this.flushed = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
        }
        let mut part = match ready!(this.poll_bytes(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            Some(Ok(part)) => part,
        };
        let most = this
            .until_end
            .min(this.until_cut.unwrap_or(u64::MAX))
            .min(this.per_part.map_or(u64::MAX, |(_, bytes)| bytes));
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if part.len() > most {
            this.left_over = part.split_off(most);
        }
        let given = part.len() as u64;
        this.until_end -= given;
        this.until_cut = this.until_cut.map(|left| left - given);
        if let Some((rate, _)) = this.per_part {
            this.waiting = Some(Box::pin(sleep(time_for(given, rate))));
        }
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}

/// How long so many bytes take at this rate.
fn time_for(bytes: u64, rate: u64) -> Duration {
    Duration::from_millis(bytes.saturating_mul(1000) / rate.max(1))
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;
    use crate::answer;

    fn spoilt(mischief: Mischief) -> Answer {
        let mut answer = answer::empty(StatusCode::OK);
        *answer.body_mut() = answer::whole("0123456789");
        mischief.spoil(answer).expect("an answer")
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_are_shortened_cut_and_slowed() {
        let answer = spoilt(Mischief { truncate: Some(4), ..Mischief::default() });
        assert_eq!(answer.headers()["content-length"], "4");
        assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "0123");

        let answer = spoilt(Mischief { cut: Some(4), ..Mischief::default() });
        assert_eq!(answer.headers()["content-length"], "10");
        let mut body = answer.into_body();
        let first = body.frame().await.expect("a part").expect("no cut yet").into_data();
        assert_eq!(first.ok(), Some(Bytes::from("0123")));
        assert!(body.frame().await.expect("an end").is_err());

        let long = spoilt(Mischief { cut: Some(1000), ..Mischief::default() });
        assert!(long.into_body().collect().await.is_err(), "a short body is cut at its last byte");
        let cut = Mischief { cut: Some(0), ..Mischief::default() };
        assert!(cut.spoil(answer::empty(StatusCode::OK)).is_none(), "no body to cut");

        let slow = Mischief { bytes_per_second: Some(20), ..Mischief::default() };
        let began = tokio::time::Instant::now();
        let body = spoilt(slow).into_body().collect().await.expect("a body").to_bytes();
        assert_eq!((body.as_ref(), began.elapsed().as_millis()), (&b"0123456789"[..], 500));
        let began = tokio::time::Instant::now();
        let slow = Mischief { bytes_per_second: Some(1), ..Mischief::default() };
        spoilt(slow).into_body().collect().await.expect("a body");
        assert_eq!(began.elapsed().as_secs(), 10);
    }
}
