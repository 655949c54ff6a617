//! A real TLS server sees the swapped identity on new connections, and the old one on those that stand.

#![expect(clippy::unwrap_used, reason = "a test ends at what it cannot go on from")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{JoinHandle, spawn};

use keystore::{Facts, SwappableIdentity, certified_key, read, read_authorities, read_pem};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use secrecy::SecretString;

/// The name in the server's certificate, which is one of the fixtures too.
const SERVER: &str = "MAILHOST8.Y99.api.mesh-client.nhs.uk";
const EC: &str = "MAILHOST7.Y99.api.mesh-client.nhs.uk";
const RSA: &str = "MAILHOST8.Y99.api.mesh-client.nhs.uk";
const CONNECTIONS: usize = 4;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn roots() -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for root in read_authorities(&fixture("root.pem"), None).unwrap() {
        roots.add(root).unwrap();
    }
    Arc::new(roots)
}

/// Answers every byte with the common name of the client certificate and a line break, each connection on a thread.
fn serve(listener: TcpListener) -> JoinHandle<()> {
    let pem = [fixture("rsa.pem"), fixture("intermediate.pem")].concat();
    let own = read_pem(&pem, &fixture("rsa-pkcs8.pem"), None).unwrap();
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(), provider.clone()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(own.chain, own.key.clone_key())
        .unwrap();
    let config = Arc::new(config);
    spawn(move || {
        let connections: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let (tcp, _) = listener.accept().unwrap();
                let config = config.clone();
                spawn(move || {
                    let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), tcp);
                    let mut byte = [0];
                    while tls.read_exact(&mut byte).is_ok() {
                        let leaf = tls.conn.peer_certificates().unwrap()[0].clone();
                        let name = Facts::read(&leaf).unwrap().subject_cn.unwrap();
                        tls.write_all(format!("{name}\n").as_bytes()).unwrap();
                    }
                })
            })
            .collect();
        for connection in connections {
            connection.join().unwrap();
        }
    })
}

type Connection = StreamOwned<ClientConnection, TcpStream>;

/// How the server calls us on this connection; nothing if it wants no more of us.
fn asked(connection: &mut Connection) -> Option<String> {
    connection.write_all(b"?").ok()?;
    let mut name = Vec::new();
    let mut byte = [0];
    loop {
        connection.read_exact(&mut byte).ok()?;
        match byte {
            [b'\n'] => return String::from_utf8(name).ok(),
            [other] => name.push(other),
        }
    }
}

#[test]
fn a_swap_reaches_new_connections_only() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = serve(listener);
    let pass = SecretString::from("changeit");
    let opened = |name: &str| certified_key(&read(&fixture(name), Some(&pass)).unwrap()).unwrap();

    let identity = Arc::new(SwappableIdentity::new(Some(opened("ec.jks"))));
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots())
        .with_client_cert_resolver(identity.clone());
    config.resumption = Resumption::disabled();
    let config = Arc::new(config);
    let connect = || {
        let name = ServerName::try_from(SERVER).unwrap();
        let tls = ClientConnection::new(config.clone(), name).unwrap();
        StreamOwned::new(tls, TcpStream::connect(address).unwrap())
    };

    let mut old = connect();
    assert_eq!(asked(&mut old).as_deref(), Some(EC));
    identity.swap(Some(opened("openssl-legacy.p12")));
    let mut new = connect();
    assert_eq!(asked(&mut new).as_deref(), Some(RSA));
    assert_eq!(asked(&mut old).as_deref(), Some(EC), "the old connection still works, as whom it began");

    identity.swap(None);
    assert_eq!(asked(&mut connect()), None, "the server requires a certificate");
    assert_eq!(asked(&mut new).as_deref(), Some(RSA));
    identity.swap(Some(opened("keytool-ec.p12")));
    assert_eq!(asked(&mut connect()).as_deref(), Some(EC));

    drop((old, new));
    server.join().unwrap();
}
