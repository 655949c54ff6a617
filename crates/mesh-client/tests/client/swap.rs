//! An identity that is swapped while connections stand.

use std::sync::{Arc, Mutex};

use mesh_client::TlsConfig;
use mesh_client::keystore::{Facts, certified_key};
use tokio::net::TcpListener;

use crate::server::mailbox;
use crate::tls::{Authority, acceptor, held, say_yes};

/// Answers every request, and notes whose certificate it came with and on which connection.
async fn serve(authority: &Authority) -> (u16, Arc<Mutex<Vec<(String, usize)>>>) {
    let acceptor = acceptor(authority.issue("localhost", false), Some(authority));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&seen);
    tokio::spawn(async move {
        for connection in 0.. {
            let (stream, _) = listener.accept().await.expect("a connection");
            let (acceptor, heard) = (acceptor.clone(), Arc::clone(&heard));
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await.expect("a handshake");
                let leaf = stream.get_ref().1.peer_certificates().expect("a certificate")[0].clone();
                let name = Facts::read(&leaf).expect("facts").subject_cn.expect("a name");
                while say_yes(&mut stream).await {
                    heard.lock().expect("a lock").push((name.clone(), connection));
                }
            });
        }
    });
    (port, seen)
}

#[tokio::test]
async fn a_pooled_connection_shows_the_old_identity_once_more_and_no_call_fails() {
    let authority = Authority::new();
    let (port, seen) = serve(&authority).await;
    let identity = held(&authority.issue("before", false));
    let tls = TlsConfig { roots: vec![authority.root()], identity: Some(Arc::clone(&identity)) };
    let mailbox = mailbox(&format!("https://localhost:{port}"), tls);
    for _ in 0..2 {
        mailbox.handshake().await.expect("an answer");
    }
    identity.swap(Some(certified_key(&authority.issue("after", false)).expect("an identity")));
    for _ in 0..3 {
        mailbox.handshake().await.expect("an answer");
    }
    let seen = seen.lock().expect("a lock").clone();
    let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names.len(), names.first(), names.last()), (5, Some(&"before"), Some(&"after")), "{seen:?}");
    assert!(names.is_sorted_by_key(|name| *name == "after"), "{seen:?}");
    for (name, connection) in &seen[2..] {
        let again = seen[2..].iter().filter(|(_, other)| other == connection).count();
        assert!(name == "after" || again == 1, "{seen:?}");
    }
}
