//! Sending: a message or its first chunk, then the further chunks (`mesh-api.md` 4.8, 4.9 and 5.2).

use hyper::Method;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use mesh_api::body::sent_message_id;
use mesh_api::chunk::chunk_bytes_max;
use mesh_api::{ChunkPlan, ChunkRange, Effect, Envelope, MessageId, Payload, header, path};

use crate::call::{Outline, Part};
use crate::client::Mailbox;
use crate::error::{Call, CallError, ErrorKind};

impl Mailbox {
    /// Sends a whole message, or the first chunk of one, and returns the id that MESH gave it (`mesh-api.md`
    /// 4.8). One attempt, whatever happens.
    ///
    /// # Errors
    /// [`ErrorKind::Unsendable`] when a chunk that is to be gzipped has more than [`chunk_bytes_max`] bytes.
    /// [`mesh_api::Effect::Unknown`] when MESH may have taken the message and no usable answer came back; never
    /// send again before that is settled. [`mesh_api::Effect::NotApplied`] only when it certainly did not.
    pub async fn send(
        &self,
        envelope: &Envelope,
        payload: &Payload,
        plan: &ChunkPlan,
        gzip: bool,
    ) -> Result<MessageId, CallError> {
        const CALL: Call = Call::Send;
        // MESH answers a sender other than the caller with a refusal of its own (code 07), after the upload.
        if envelope.from != self.id {
            return Err(self.unsendable(CALL, header::FROM));
        }
        let mut outline = self.outline(CALL, path::outbox(&self.id), plan, gzip, 1)?;
        for (name, value) in envelope.headers() {
            // Text outside ASCII goes out as it is (section 14): MESH's handling is not established.
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| self.unsendable(CALL, name))?;
            outline = outline.header(HeaderName::from_static(name), value);
        }
        let part = self.part(CALL, payload, plan, gzip, 1)?;
        let response = self.once(&outline, Some(&part)).await?;
        let body = self.read_small(CALL, response).await?;
        sent_message_id(&body).ok_or_else(|| self.unusable(CALL, "it holds no message id"))
    }

    /// Sends chunk `index`, from 2, of the message that [`Mailbox::send`] began (`mesh-api.md` 4.9). The last
    /// one completes it. May be repeated, also by itself.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyComplete`] when MESH has the whole message, also where an attempt before this one
    /// brought that about.
    pub async fn send_chunk(
        &self,
        id: &MessageId,
        payload: &Payload,
        plan: &ChunkPlan,
        gzip: bool,
        index: u32,
    ) -> Result<(), CallError> {
        const CALL: Call = Call::SendChunk;
        let outline = self.outline(CALL, path::outbox_chunk(&self.id, id, index), plan, gzip, index)?;
        let part = self.part(CALL, payload, plan, gzip, index)?;
        let response = self.repeat(&outline, Some(&part)).await?;
        self.drain(CALL, response).await;
        Ok(())
    }

    fn outline(
        &self,
        call: Call,
        path: String,
        plan: &ChunkPlan,
        gzip: bool,
        index: u32,
    ) -> Result<Outline, CallError> {
        let range = ChunkRange { index, of: plan.of() }.to_string();
        let range = HeaderValue::from_str(&range).map_err(|_| self.unsendable(call, header::CHUNK_RANGE))?;
        let outline = Outline::new(call, Method::POST, path)
            .header(HeaderName::from_static(header::CHUNK_RANGE), range)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        Ok(if gzip { outline.header(CONTENT_ENCODING, HeaderValue::from_static("gzip")) } else { outline })
    }

    /// The bytes of a chunk. The plan must be one of this payload, and the chunk one of the plan.
    fn part<'a>(
        &self,
        call: Call,
        payload: &'a Payload,
        plan: &ChunkPlan,
        gzip: bool,
        index: u32,
    ) -> Result<Part<'a>, CallError> {
        let range = plan.bytes(index);
        if range.is_empty() || plan.bytes(plan.of()).end != payload.length() {
            return Err(self.unsendable(call, "chunk, which is not one of this payload,"));
        }
        if gzip && range.end - range.start > chunk_bytes_max(true) {
            return Err(self.unsendable(call, "chunk, which could outgrow a request when it is compressed,"));
        }
        Ok(Part { payload, range, gzip })
    }

    fn unsendable(&self, call: Call, what: &'static str) -> CallError {
        self.fail(call, ErrorKind::Unsendable(what), Effect::NotApplied)
    }
}
