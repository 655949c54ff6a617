//! What orchestrators ask, and what they are told.

use std::sync::Arc;

use mesh_sandbox::{Call, Effect, Page};
use relay_testkit::certificates::Authority;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::scene::{Scene, VIEWER, until};

/// Waits until the relay says that it is ready.
pub async fn ready(running: &crate::scene::Running) {
    until("the relay is ready", async || running.nobody().get("/readyz").await.status == 200).await;
}

/// TLS that trusts an authority.
pub fn trusting(authority: &Authority) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("a certificate");
    roots.add(root).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

#[tokio::test]
async fn a_relay_that_works_is_alive_and_ready_and_says_what_each_part_does() {
    let (scene, running) = Scene::running().await;
    assert_eq!(running.nobody().get("/healthz").await.text(), "ok\n");
    ready(&running).await;
    scene.carries("L1").await;
    let told = running.nobody().ask("/readyz").await;
    assert_eq!((&told["ready"], &told["journal"]), (&true.into(), &"takes commits".into()), "{told}");
    let pumps = told["pumps"].as_array().expect("pumps");
    for (kind, of) in [("inbox", "X26ABC1"), ("inbox", "X26ABC2"), ("source", "alice"), ("journal", "")] {
        assert!(pumps.iter().any(|pump| pump["kind"] == kind && pump["of"] == of), "{kind} {of}: {told}");
    }
    assert!(pumps.iter().all(|pump| pump["stalled"] == false), "{told}");
    running.ends_well().await;
}

#[tokio::test]
async fn mesh_being_away_makes_nobody_cut_the_relay_off() {
    let (scene, running) = Scene::running().await;
    ready(&running).await;
    let trouble = Effect::Status { status: 503, retry_after_seconds: None, body: Page::Html };
    scene.fail("away", vec![Call::Handshake, Call::List, Call::Send], trouble, None);
    scene.drop_pair("L1", b"payload");
    until("people see it", async || {
        let troubles = running.nobody().ask("/v1/overview").await["troubles"].to_string();
        troubles.contains("cannot be read") || troubles.contains("cannot be sent from")
    })
    .await;
    assert_eq!(running.nobody().get("/readyz").await.status, 200);
    assert_eq!(running.nobody().get("/healthz").await.status, 200);
    scene.mend("away");
    running.ends_well().await;
}

#[tokio::test]
async fn strangers_learn_nothing_but_the_answer() {
    let scene = Scene::with("read_without_sign_in = false", "").await;
    let running = scene.run().await;
    ready(&running).await;
    let answer = running.nobody().get("/readyz").await;
    assert_eq!(answer.text(), "ok\n");
    assert_eq!(running.as_("lab-system").get("/readyz").await.text(), "ok\n", "a sender may not look");
    let told = running.as_(VIEWER).ask("/readyz").await;
    assert_eq!(told["ready"], true);
    running.ends_well().await;
}

#[tokio::test]
async fn a_journal_that_takes_no_commits_makes_the_relay_unready_and_not_dead() {
    let (scene, running) = Scene::running().await;
    ready(&running).await;
    let journal = rusqlite::Connection::open(scene.site.path("journal.db")).expect("the journal");
    journal.execute_batch("BEGIN IMMEDIATE").expect("a lock that nobody else gets");
    until("it is not ready", async || running.nobody().get("/readyz").await.status == 503).await;
    let told: serde_json::Value =
        serde_json::from_slice(&running.nobody().get("/readyz").await.body).expect("JSON");
    assert_eq!(told["journal"], "takes no commits; the relay's log says why", "{told}");
    assert_eq!(running.nobody().get("/healthz").await.status, 200, "a restart would not help");
    journal.execute_batch("ROLLBACK").expect("the lock is let go");
    ready(&running).await;
    scene.carries("L1").await;
    running.ends_well().await;
}
