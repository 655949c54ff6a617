//! The same requests without the client: bare HTTP/1.1 over one connection.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use http_body_util::{BodyExt, StreamBody};
use hyper::Request;
use hyper::body::Frame;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use mesh_api::{
    ApiVersion, Authorization, ChunkPlan, ChunkRange, MailboxId, MessageId, SharedKey, header, path,
};
use mesh_relay_benches::load::{ALICE, BOB, PASSWORD, SHARED_KEY};
use mesh_relay_benches::now;
use tokio::net::TcpStream;

use crate::text::Text;

type Pieces = StreamBody<BoxStream<'static, Result<Frame<Bytes>, std::io::Error>>>;

/// Uploads as much text as the plan has.
pub(crate) async fn upload(server: SocketAddr, text: &Text, plan: &ChunkPlan) {
    let stream = TcpStream::connect(server).await.expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    // Ends with the connection; whoever waits for an answer then hears of it.
    tokio::spawn(connection);
    let mailbox: MailboxId = ALICE.parse().expect("a mailbox");
    let mut id: Option<MessageId> = None;
    for index in 1..=plan.of() {
        let request = chunk(server, text, plan, index, &mailbox, id.as_ref());
        sender.ready().await.expect("a connection that is kept");
        let (head, body) = sender.send_request(request).await.expect("an answer").into_parts();
        let body = body.collect().await.expect("the answer's body").to_bytes();
        assert!(head.status.is_success(), "{}: {}", head.status, String::from_utf8_lossy(&body));
        id = id.or_else(|| mesh_api::body::sent_message_id(&body));
        assert!(id.is_some(), "no id in the answer to the first chunk");
    }
}

/// The request for a chunk: of a new message, or of one that was begun.
fn chunk(
    server: SocketAddr,
    text: &Text,
    plan: &ChunkPlan,
    index: u32,
    mailbox: &MailboxId,
    id: Option<&MessageId>,
) -> Request<Pieces> {
    let range = plan.bytes(index);
    let length = range.end - range.start;
    let nonce = format!("00000000-0000-4000-8000-{index:012}");
    let token = Authorization::new(mailbox, PASSWORD, &SharedKey::new(SHARED_KEY), &nonce, now());
    let request = match id {
        None => Request::post(path::outbox(mailbox))
            .header(header::TO, BOB)
            .header(header::WORKFLOW_ID, "TEST_WORKFLOW"),
        Some(id) => Request::post(path::outbox_chunk(mailbox, id, index)),
    };
    let pieces = stream::iter(text.pieces(range).map(Ok)).map_ok(Frame::data).boxed();
    request
        .header(HOST, server.to_string())
        .header(AUTHORIZATION, token.to_string())
        .header(ACCEPT, ApiVersion::ACCEPT_V2)
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(CONTENT_LENGTH, length)
        .header(header::CHUNK_RANGE, ChunkRange { index, of: plan.of() }.to_string())
        .body(StreamBody::new(pieces))
        .expect("a request")
}
