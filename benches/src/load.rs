//! The client that makes the load: bare HTTP/1.1 over a kept-alive connection, so that little of what is measured
//! is its own work.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::http::request::Builder;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use mesh_api::{ApiVersion, Authorization, InboxPage, MailboxId, MessageId, SharedKey};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::now;
use crate::servers::{Maker, Server};

/// Longest wait for one answer.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// How many bytes a message has, unless a caller brings its own.
pub const MESSAGE_BYTES: usize = 1024;

/// Sends.
pub const ALICE: &str = "X26ABC1";
/// Receives.
pub const BOB: &str = "X26ABC2";
/// Of both, and of every stock mailbox.
pub const PASSWORD: &str = "password";
/// Of the environment.
pub const SHARED_KEY: &str = "TestKey";

/// One connection to a server, one call at a time. Each call has a token of its own and ends the program when the
/// status is not what it should be.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    maker: Maker,
    host: String,
    key: SharedKey,
    alice: MailboxId,
    bob: MailboxId,
    message: Bytes,
    /// Makes each token's nonce another one.
    calls: u64,
}

impl Connection {
    /// Connects.
    pub async fn open(server: &Server) -> Self {
        Self::open_at(server.maker, server.address).await
    }

    /// Connects to a server that another process started.
    pub async fn open_at(maker: Maker, address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        // Ends with the connection; whoever waits for an answer then hears of it.
        tokio::spawn(connection);
        let mailbox = |id: &str| id.parse().expect("a mailbox id");
        Self {
            sender,
            maker,
            host: address.to_string(),
            key: SharedKey::new(SHARED_KEY),
            alice: mailbox(ALICE),
            bob: mailbox(BOB),
            message: Bytes::from(vec![b'm'; MESSAGE_BYTES]),
            calls: 0,
        }
    }

    /// Whose server it leads to.
    pub fn maker(&self) -> Maker {
        self.maker
    }

    /// The receiver's handshake.
    pub async fn handshake(&mut self) {
        let request = self.token(Request::get(format!("/messageexchange/{BOB}")), &self.bob);
        let request = request
            .header("mex-clientversion", "bench==1")
            .header("mex-osname", "Linux")
            .header("mex-osversion", "1");
        self.answer(request, Bytes::new(), StatusCode::OK).await;
    }

    /// Sends a message of one chunk and gives its id.
    pub async fn send(&mut self) -> MessageId {
        self.send_body(self.message.clone()).await
    }

    /// Sends a message of one chunk, which is `body`, and gives its id.
    pub async fn send_body(&mut self, body: Bytes) -> MessageId {
        let request = self.token(Request::post(format!("/messageexchange/{ALICE}/outbox")), &self.alice);
        let request = request
            .header(CONTENT_TYPE, "application/octet-stream")
            .header("mex-to", BOB)
            .header("mex-workflowid", "TEST_WORKFLOW")
            .header("mex-filename", "bench.dat");
        let answer = self.answer(request, body, StatusCode::ACCEPTED).await;
        mesh_api::body::sent_message_id(&answer).expect("an id")
    }

    /// The ids on the first page of the receiver's inbox.
    pub async fn list(&mut self, page: usize) -> Vec<MessageId> {
        let path = format!("/messageexchange/{BOB}/inbox?max_results={page}");
        let request = self.token(Request::get(path), &self.bob);
        let answer = self.answer(request, Bytes::new(), StatusCode::OK).await;
        InboxPage::read(&answer).expect("a page").messages
    }

    /// The ids of all that is in the receiver's inbox, page after page, the oldest first.
    pub async fn list_all(&mut self) -> Vec<MessageId> {
        let mut path = mesh_api::path::inbox(&self.bob, mesh_api::path::PAGE_DEFAULT);
        let mut ids = Vec::new();
        loop {
            let request = self.token(Request::get(path), &self.bob);
            let answer = self.answer(request, Bytes::new(), StatusCode::OK).await;
            let page = InboxPage::read(&answer).expect("a page");
            ids.extend(page.messages);
            match page.next {
                Some(next) => path = next,
                None => return ids,
            }
        }
    }

    /// How many messages are in the receiver's inbox.
    pub async fn waiting(&mut self) -> usize {
        #[derive(Deserialize)]
        struct Count {
            count: usize,
        }
        let request = self.token(Request::get(mesh_api::path::count(&self.bob)), &self.bob);
        let answer = self.answer(request, Bytes::new(), StatusCode::OK).await;
        serde_json::from_slice::<Count>(&answer).expect("a count").count
    }

    /// Downloads a message and checks that it is whole.
    pub async fn download(&mut self, id: &MessageId) {
        let body = self.download_body(id).await;
        assert!(body == self.message, "{:?} gave another message than was sent", self.maker);
    }

    /// Downloads a message.
    pub async fn download_body(&mut self, id: &MessageId) -> Bytes {
        let request = self.token(Request::get(format!("/messageexchange/{BOB}/inbox/{id}")), &self.bob);
        let request = request.header(ACCEPT_ENCODING, "identity");
        self.answer(request, Bytes::new(), StatusCode::OK).await
    }

    /// Acknowledges a message.
    pub async fn acknowledge(&mut self, id: &MessageId) {
        let path = format!("/messageexchange/{BOB}/inbox/{id}/status/acknowledged");
        let request = self.token(Request::put(path), &self.bob);
        self.answer(request, Bytes::new(), StatusCode::OK).await;
    }

    /// What our server was asked last, as it tells in JSON: the last `most` requests, the newest last.
    pub async fn requests(&mut self, most: usize) -> Bytes {
        let request = Request::get(format!("/sandbox/requests?limit={most}"));
        self.answer(request, Bytes::new(), StatusCode::OK).await
    }

    fn token(&self, request: Builder, mailbox: &MailboxId) -> Builder {
        let nonce = format!("00000000-0000-4000-8000-{:012}", self.calls);
        let token = Authorization::new(mailbox, PASSWORD, &self.key, &nonce, now());
        request.header(AUTHORIZATION, token.to_string()).header(ACCEPT, ApiVersion::ACCEPT_V2)
    }

    async fn answer(&mut self, request: Builder, body: Bytes, expected: StatusCode) -> Bytes {
        self.calls += 1;
        let request = request.header(HOST, &self.host).body(Full::new(body)).expect("a request");
        let what = format!("{} {}", request.method(), request.uri().path());
        let call = async {
            self.sender.ready().await?;
            let (parts, body) = self.sender.send_request(request).await?.into_parts();
            Ok::<_, hyper::Error>((parts.status, body.collect().await?.to_bytes()))
        };
        let (status, body) = match timeout(ANSWER_WAIT, call).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => panic!("{:?} broke off at {what}: {error}", self.maker),
            Err(_) => panic!("{:?} left {what} without an answer for {ANSWER_WAIT:?}", self.maker),
        };
        assert!(
            status == expected,
            "{:?} answered {what} with {status} instead of {expected}: {}",
            self.maker,
            String::from_utf8_lossy(&body)
        );
        body
    }
}
