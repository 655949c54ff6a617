//! TLS: certificates instead of a password, replaced while the relay runs; and what is told of those that do not do.

use std::fs::File;
use std::io::Write;

use relay_testkit::certificates::{Authority, Identity};
use relay_testkit::wait::eventually;
use tempfile::TempDir;

use crate::broker::{Broker, OwnBroker};
use crate::process::{Relay, command};
use crate::scene::Scene;

/// A broker that lets in who shows a certificate of the authority.
struct Guarded {
    authority: Authority,
    own: OwnBroker,
    /// Holds what the broker reads.
    _files: TempDir,
}

impl Guarded {
    fn new() -> Self {
        let authority = Authority::new("Test authority");
        let files = tempfile::tempdir().expect("a folder");
        let server = authority.server("localhost");
        let write = |name: &str, content: &str| {
            let path = files.path().join(name);
            File::create(&path).expect("a file").write_all(content.as_bytes()).expect("written");
            path.display().to_string()
        };
        let settings = format!(
            "listeners.ssl.default = 127.0.0.1:@tls@\nssl_options.cacertfile = {}\nssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\nssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n\
             auth_mechanisms.1 = EXTERNAL\nauth_mechanisms.2 = PLAIN\nssl_cert_login_from = common_name\n",
            write("authority.pem", authority.pem()),
            write("server.pem", &server.certificate),
            write("server.key", &server.key),
        );
        let own = OwnBroker::with(settings, "rabbitmq_auth_mechanism_ssl");
        Self { authority, own, _files: files }
    }

    /// A user without a password.
    fn user(&self, name: &str) -> Identity {
        self.own.ctl(&["add_user", name, "not used"]);
        self.own.ctl(&["clear_password", name]);
        self.own.ctl(&["set_permissions", name, ".*", ".*", ".*"]);
        self.authority.client(name)
    }

    /// A scene whose relay shows `identity` and trusts `roots`.
    async fn scene(&self, url: &str, identity: &Identity, roots: &str) -> Scene {
        let scene = Scene::on(Broker::connect(url).await).await;
        scene.make().await;
        show(&scene, identity);
        scene.site.write("roots.pem", roots);
        let tls = "url = { file = \"broker.url\" }\nroots = \"roots.pem\"\nidentity_look = \"200ms\"\n\
                   identity = { cert = \"broker.pem\", key = \"broker.key\" }";
        scene.reword(&[("url = { file = \"broker.url\" }", tls)]);
        scene.site.write("broker.url", format!("{}?auth_mechanism=external", self.own.tls()));
        scene
    }

    fn connected(&self) -> Vec<String> {
        let mut users: Vec<String> =
            self.own.ctl(&["list_connections", "user"]).lines().map(str::to_owned).collect();
        users.retain(|user| user != "guest" && user != "user");
        users.dedup();
        users
    }
}

fn show(scene: &Scene, identity: &Identity) {
    scene.site.write("broker.pem", &identity.certificate);
    scene.site.write("broker.key", &identity.key);
}

async fn carried(scene: &Scene, id: &str) {
    scene.put(id, b"payload").await;
    let came = scene.broker.take_all(&scene.inbound, 1).await.remove(0);
    assert_eq!(came.header("mesh_local_id"), id);
}

async fn told(relay: &Relay, what: &str) {
    eventually("it is told", || relay.log().contains(what)).await;
}

#[tokio::test]
async fn a_certificate_is_the_login_and_is_replaced_while_the_relay_runs() {
    let guarded = Guarded::new();
    let url = guarded.own.start();
    let first = guarded.user("relay-one");
    let second = guarded.user("relay-two");
    let scene = guarded.scene(&url, &first, guarded.authority.pem()).await;
    let relay = scene.site.run().await;
    told(&relay, "consuming").await;
    carried(&scene, "A").await;
    assert_eq!(guarded.connected(), ["relay-one"]);
    show(&scene, &second);
    told(&relay, "the certificate was replaced").await;
    carried(&scene, "B").await;
    eventually("all connections are new", || guarded.connected() == ["relay-two"]).await;
    let log = relay.log();
    assert!(!log.contains("messages stay in the queue"), "nothing was amiss: {log}");
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn what_does_not_do_is_named() {
    let guarded = Guarded::new();
    let url = guarded.own.start();
    let known = guarded.user("relay-one");
    let stranger = Authority::new("Another authority");
    // Whom we do not trust.
    let scene = guarded.scene(&url, &known, stranger.pem()).await;
    let relay = scene.site.run().await;
    told(&relay, "is not signed by the configured `roots`").await;
    assert!(relay.stop().await.0.success());
    // Who does not trust us, and takes us once we show another one.
    let scene = guarded.scene(&url, &stranger.client("relay-one"), guarded.authority.pem()).await;
    let relay = scene.site.run().await;
    told(&relay, "it wants a certificate and takes none or not ours").await;
    show(&scene, &known);
    carried(&scene, "A").await;
    assert!(relay.stop().await.0.success());
    // Who has no such user.
    let scene = guarded.scene(&url, &guarded.authority.client("nobody"), guarded.authority.pem()).await;
    let relay = scene.site.run().await;
    told(&relay, "it refuses the login").await;
    assert!(relay.stop().await.0.success());
    // Who is reached without TLS at that port, and the other way round.
    let plain = guarded.own.tls().replace("amqps://", "amqp://");
    scene.site.write("broker.url", &plain);
    let tls = "\nroots = \"roots.pem\"\nidentity_look = \"200ms\"\nidentity = { cert = \"broker.pem\", key = \"broker.key\" }";
    scene.reword(&[(tls, "")]);
    let relay = scene.site.run().await;
    told(&relay, "messages stay in the queue").await;
    assert!(relay.stop().await.0.success());
    scene.reword(&[("url = { file = \"broker.url\" }", &format!("url = {{ file = \"broker.url\" }}{tls}"))]);
    scene.site.write("broker.url", url.replace("amqp://", "amqps://"));
    let relay = scene.site.run().await;
    told(&relay, "messages stay in the queue").await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn tls_without_anyone_to_trust_is_refused_before_anything_starts() {
    let scene = Scene::new().await;
    scene.site.write("broker.url", "amqps://guest:guest@localhost:5671/%2f");
    let config = scene.site.path("relay.toml").display().to_string();
    let checked = command(&["check", "--config", &config]);
    let said = String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(2), "{said}");
    assert!(said.contains("an amqps broker needs `roots`") && said.contains("relay.toml:"), "{said}");
    assert!(!said.contains("guest:guest"), "{said}");
}
