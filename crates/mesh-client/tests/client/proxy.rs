//! Through a proxy that lets through, asks, refuses, or is none.

use std::io;
use std::time::Duration;

use mesh_client::{CallError, ConnectFault, ErrorKind, Proxy, ProxyFault, ProxyLogin, TlsConfig};
use relay_testkit::connect_proxy::{ConnectProxy, Manner};
use tokio::net::TcpListener;

use crate::server::{Server, mailbox_through, say};
use crate::tls::{Authority, held, serve};

/// `user` and `canary`, as HTTP Basic has them.
const LOGIN: &str = "Basic dXNlcjpjYW5hcnk=";

fn proxy(url: String, password: Option<&str>) -> Proxy {
    let login = password.map(|password| ProxyLogin { user: "user".to_owned(), password: password.into() });
    Proxy { url, login }
}

/// A call through the proxy to a server that asks for a client certificate.
async fn call(proxy: Proxy) -> Result<(), CallError> {
    let authority = Authority::new();
    let port = serve(authority.issue("localhost", false), Some(&authority)).await;
    let identity = Some(held(&authority.issue("client", false)));
    let tls = TlsConfig { roots: vec![authority.root()], identity };
    let url = format!("https://localhost:{port}");
    mailbox_through(Some(proxy), &url, tls, Duration::from_secs(5)).handshake().await
}

fn fault(outcome: Result<(), CallError>) -> ProxyFault {
    let error = outcome.expect_err("no way through");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    match error.kind() {
        ErrorKind::Connect(ConnectFault::Proxy(fault)) => fault.clone(),
        _ => panic!("not a fault of the proxy: {error:?}"),
    }
}

#[tokio::test]
async fn mutual_tls_goes_through_a_proxy() {
    let open = ConnectProxy::start(Manner::Open).await;
    call(proxy(open.url(), None)).await.expect("a way through");
    let heads = open.heads();
    assert_eq!(heads.len(), 1);
    assert!(
        heads[0].starts_with("CONNECT localhost:") && !heads[0].contains("Authorization"),
        "{}",
        heads[0]
    );
    let guarded = ConnectProxy::start(Manner::Login(LOGIN)).await;
    call(proxy(guarded.url(), Some("canary"))).await.expect("a way through");
}

#[tokio::test]
async fn a_proxy_that_asks_for_a_login_says_so() {
    let guarded = ConnectProxy::start(Manner::Login(LOGIN)).await;
    assert_eq!(fault(call(proxy(guarded.url(), None)).await), ProxyFault::LoginWanted);
    assert_eq!(fault(call(proxy(guarded.url(), Some("not it"))).await), ProxyFault::LoginRefused);
    let ntlm = "HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\n\r\n";
    let windows = ConnectProxy::start(Manner::Say(ntlm)).await;
    assert_eq!(fault(call(proxy(windows.url(), Some("canary"))).await), ProxyFault::LoginKind);
}

#[tokio::test]
async fn a_refusal_is_told_with_its_status() {
    for (answer, expected) in [
        ("HTTP/1.1 403 Forbidden\r\n\r\n<html>No</html>", ProxyFault::Refused { status: 403 }),
        ("HTTP/1.0 502 Bad Gateway\r\n\r\n", ProxyFault::NoWay { status: 502 }),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", ProxyFault::NoWay { status: 503 }),
        ("220 mail.example.test ESMTP\r\n", ProxyFault::NotHttp),
        ("HTTP/1.1 maybe\r\n\r\n", ProxyFault::NotHttp),
        ("HTTP/1.1 200 OK\r\n", ProxyFault::Closed),
        ("", ProxyFault::Closed),
    ] {
        let refusing = ConnectProxy::start(Manner::Say(answer)).await;
        assert_eq!(fault(call(proxy(refusing.url(), Some("canary"))).await), expected, "{answer}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_or_silent_is_told() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let nobody = fault(call(proxy(format!("http://127.0.0.1:{port}"), None)).await);
    assert_eq!(nobody, ProxyFault::Unreachable(io::ErrorKind::ConnectionRefused));
    let silent = ConnectProxy::start(Manner::Silent).await;
    let tls = TlsConfig { roots: vec![Authority::new().root()], identity: None };
    let through = Some(proxy(silent.url(), None));
    let mailbox = mailbox_through(through, "https://localhost:9", tls, Duration::from_millis(200));
    assert_eq!(fault(mailbox.handshake().await), ProxyFault::Silent);
}

#[tokio::test]
async fn plain_http_on_this_machine_goes_directly() {
    let server = Server::start(vec![say("200 OK", &[], b"")]).await;
    let refusing = ConnectProxy::start(Manner::Say("HTTP/1.1 403 Forbidden\r\n\r\n")).await;
    let through = Some(proxy(refusing.url(), None));
    let mailbox = mailbox_through(through, &server.base_url(), TlsConfig::default(), Duration::from_secs(5));
    mailbox.handshake().await.expect("an answer");
    assert!(refusing.heads().is_empty());
}
