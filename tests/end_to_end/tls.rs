//! Mutual TLS end to end, and connections that must not come about.

use mesh_sandbox::{ClientCertificates, Sandbox, SandboxConfig, Tls};
use relay_testkit::certificates::{Authority, Identity};
use relay_testkit::pairs::Control;
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB, Relay, Site};

struct Secured {
    sandbox: Sandbox,
    authority: Authority,
}

impl Secured {
    async fn start() -> Self {
        let authority = Authority::new("Test client authority");
        let client = ClientCertificates { authorities: authority.pem().to_owned(), required: true };
        let tls = Tls::SelfMade { client: Some(client) };
        let config = SandboxConfig { tls, ..SandboxConfig::loopback() };
        Self { sandbox: Sandbox::start(config).await.expect("a sandbox"), authority }
    }

    fn site(&self, roots: &str, identity: Option<&Identity>) -> Site {
        let mut more = "roots = \"roots.pem\"\n".to_owned();
        if identity.is_some() {
            more += "identity = { cert = \"client.pem\", key = \"client.key\" }\n";
        }
        let site = Site::new(&self.sandbox.base_url(), &more);
        site.write("roots.pem", roots);
        if let Some(identity) = identity {
            site.write("client.pem", &identity.certificate);
            site.write("client.key", &identity.key);
        }
        site
    }

    fn root(&self) -> &str {
        self.sandbox.root_certificate().expect("a root")
    }
}

#[tokio::test]
async fn a_pair_goes_through_mutual_tls() {
    let secured = Secured::start().await;
    let identity = secured.authority.client("MAILHOST1.X26.api.mesh-client.nhs.uk");
    let site = secured.site(secured.root(), Some(&identity));
    let relay = site.run().await;
    site.alice.drop_pair("pair", &Control::new(ALICE, BOB).local_id("L1"), b"payload");
    eventually("the pair arrives", || site.bob.controls("IN") == 1).await;
    assert_eq!(site.bob.received(), [b"payload".to_vec()]);
    let (status, log) = relay.stop().await;
    assert!(status.success() && !log.contains("ERROR"), "{log}");
}

/// The relay stays up, nothing is sent, and the log says what is wrong.
async fn refused(site: Site, words: &[&str]) {
    site.alice.drop_pair("pair", &Control::new(ALICE, BOB).local_id("L1"), b"payload");
    let relay: Relay = site.run().await;
    eventually("it is told", || relay.log().contains("pairs stay in OUT")).await;
    // A server that closes at once may cut its own reason off; the next try tells it.
    for word in words {
        eventually(&format!("{word:?} is said"), || relay.log().contains(word)).await;
    }
    assert_eq!(site.alice.names("OUT").len(), 2);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_server_under_another_root_is_refused() {
    let secured = Secured::start().await;
    let identity = secured.authority.client("MAILHOST1.X26.api.mesh-client.nhs.uk");
    let other = Authority::new("Another authority");
    refused(secured.site(other.pem(), Some(&identity)), &["certificate", "roots"]).await;
}

#[tokio::test]
async fn without_a_client_certificate_the_need_for_one_is_told() {
    let secured = Secured::start().await;
    refused(
        secured.site(secured.root(), None),
        &["the server asks for a client certificate", "configure the certificate and key"],
    )
    .await;
}

#[tokio::test]
async fn a_client_certificate_of_another_authority_is_told() {
    let secured = Secured::start().await;
    let stranger = Authority::new("Another authority").client("STRANGER.X26.api.mesh-client.nhs.uk");
    refused(secured.site(secured.root(), Some(&stranger)), &["client certificate"]).await;
}

#[test]
fn an_identity_that_cannot_be_read_is_a_fault_of_the_configuration() {
    let more = "roots = \"roots.pem\"\nidentity = { cert = \"client.pem\", key = \"client.key\" }\n";
    let site = Site::new("https://127.0.0.1:9", more);
    site.write("roots.pem", Authority::new("An authority").pem());
    site.write("client.pem", "no certificate");
    site.write("client.key", "no key");
    let path = site.path("relay.toml");
    let output = crate::process::command(&["check", "--config", path.to_str().expect("a path")]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("client.pem") && error.contains("neither PEM"), "{error}");
}
