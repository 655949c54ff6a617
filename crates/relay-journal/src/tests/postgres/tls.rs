//! Connections that are encrypted.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use relay_core::Records;
use rustls::{ClientConfig, RootCertStore};

use super::server::Server;
use super::{Database, connect};
use crate::tests::promises::{begin, outbound};
use crate::{PostgresJournal, PostgresOpenError};

/// A certificate for loopback and its key.
fn certificate() -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate, key)
}

/// What trusts this certificate alone.
fn trusting(certificate: &rcgen::Certificate) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Has the server use this certificate. It writes the files itself, so that they are its own.
async fn serve(server: &Server, certificate: &rcgen::Certificate, key: &KeyPair) {
    let client = connect(&server.url).await;
    for (name, text) in [("server.crt", certificate.pem()), ("server.key", key.serialize_pem())] {
        let file = format!(
            "COPY (SELECT unnest(string_to_array($pem${text}$pem$, E'\\n'))) TO PROGRAM 'umask 077; cat > {name}'"
        );
        client.batch_execute(&file.replace('\r', "")).await.unwrap();
    }
    client.batch_execute("ALTER SYSTEM SET ssl = on").await.unwrap();
    client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connection_is_encrypted_and_only_a_trusted_server_is_talked_to() {
    let server = Server::start().await;
    let (served, key) = certificate();
    serve(&server, &served, &key).await;
    let database = Database::on(&server.url).await;

    // The server takes up its certificate a moment after it was told to.
    let mut tries = 0;
    let journal = loop {
        match PostgresJournal::open_over_tls(&database.url, "one", trusting(&served)).await {
            Ok(journal) => break journal,
            Err(error) if tries == 500 => panic!("{error}"),
            Err(_) => tries += 1,
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    begin(&journal, outbound(1, "a.ctl")).await;
    journal.counts().await.unwrap();
    let sql =
        "SELECT count(*), count(*) FILTER (WHERE ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'mesh-relay'";
    let row = database.client().await.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (2, 2));

    let (another, _) = certificate();
    let refused = PostgresJournal::open_over_tls(&database.url, "two", trusting(&another)).await;
    let error = refused.map(drop).unwrap_err().to_string();
    assert!(error.contains("TLS with the database failed"), "{error}");
}

#[tokio::test]
async fn whoever_asks_for_tls_gets_it_or_an_error() {
    let database = Database::new().await;
    let asked = format!("{}?sslmode=require", database.url);
    let refused = PostgresJournal::open(&asked, "one").await.map(drop);
    assert!(matches!(refused, Err(PostgresOpenError::NoTls)));
    // This server has none.
    let (certificate, _) = certificate();
    let refused = PostgresJournal::open_over_tls(&database.url, "one", trusting(&certificate)).await;
    assert!(matches!(refused.map(drop), Err(PostgresOpenError::Storage { .. })));
}
