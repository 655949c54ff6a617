//! Identities in every form, their change while the relay runs, and a proxy on the way. The tests of `tls` say what
//! happens when they are wrong.

use mesh_sandbox::{ClientCertificates, Sandbox, SandboxConfig, Tls};
use relay_testkit::connect_proxy::{ConnectProxy, Manner};
use relay_testkit::pairs::Control;
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB, Site, command, fixture};

/// Whose identities the fixtures are.
const EC: &str = "MAILHOST7.Y99.api.mesh-client.nhs.uk";
const RSA: &str = "MAILHOST8.Y99.api.mesh-client.nhs.uk";
/// `mesh-relay` and `canary`, as HTTP Basic has them.
const LOGIN: &str = "Basic bWVzaC1yZWxheTpjYW5hcnk=";

/// A server that wants a certificate of the fixtures' authority.
async fn sandbox() -> Sandbox {
    let authorities = String::from_utf8(fixture("root.pem")).expect("PEM");
    let client = Some(ClientCertificates { authorities, required: true });
    let tls = Tls::SelfMade { client };
    Sandbox::start(SandboxConfig { tls, ..SandboxConfig::loopback() }).await.expect("a sandbox")
}

/// A place with that server's root, an identity's password, and these files.
fn site(sandbox: &Sandbox, more: &str, files: &[(&str, Vec<u8>)]) -> Site {
    let site = Site::new(&sandbox.base_url(), &format!("roots = \"roots.pem\"\n{more}\n"));
    site.write("roots.pem", sandbox.root_certificate().expect("a root"));
    site.write("keystore.pass", "changeit\n");
    for (name, content) in files {
        site.write(name, content);
    }
    site
}

fn drop_pair(site: &Site, name: &str) {
    site.alice.drop_pair(name, &Control::new(ALICE, BOB).local_id(name), name.as_bytes());
}

/// Every common name that the server saw, each once in a row, and whether it refused nothing.
fn names(sandbox: &Sandbox) -> Vec<String> {
    let requests = sandbox.requests();
    assert!(requests.iter().all(|request| request.status.is_none_or(|status| status < 400)), "{requests:?}");
    let mut names: Vec<String> =
        requests.iter().map(|request| request.client_cn.as_deref().unwrap_or("nobody").to_owned()).collect();
    names.dedup();
    names
}

#[tokio::test]
async fn a_pair_goes_with_an_identity_of_every_form() {
    let chain = [fixture("ec.pem"), fixture("intermediate.pem")].concat();
    let pem =
        "identity = { cert = \"client.pem\", key = \"client.key\", password = { file = \"keystore.pass\" } }";
    let store = "identity = { keystore = \"mesh.keystore\", password = { file = \"keystore.pass\" } }";
    let named = "identity = { keystore = \"mesh.keystore\", password = { file = \"keystore.pass\" }, alias = \"second\" }";
    for (identity, files, name) in [
        (pem, vec![("client.pem", chain), ("client.key", fixture("ec-encrypted.pem"))], EC),
        (store, vec![("mesh.keystore", fixture("ec.jks"))], EC),
        (store, vec![("mesh.keystore", fixture("keytool-rsa.p12"))], RSA),
        (named, vec![("mesh.keystore", fixture("several.jks"))], RSA),
    ] {
        let sandbox = sandbox().await;
        let site = site(&sandbox, identity, &files);
        let relay = site.run().await;
        drop_pair(&site, "pair");
        eventually("the pair arrives", || site.bob.controls("IN") == 1).await;
        let (status, log) = relay.stop().await;
        assert!(status.success() && !log.contains("ERROR"), "{log}");
        assert_eq!(names(&sandbox), [name]);
        assert!(!log.contains("changeit"), "{log}");
    }
}

#[tokio::test]
async fn an_identity_is_replaced_under_a_running_relay_and_no_message_fails() {
    let sandbox = sandbox().await;
    let more = "identity_look = \"50ms\"\n\
                identity = { keystore = \"mesh.keystore\", password = { file = \"keystore.pass\" } }";
    let site = site(&sandbox, more, &[("mesh.keystore", fixture("ec.jks"))]);
    let relay = site.run().await;
    drop_pair(&site, "first");
    eventually("the first pair arrives", || site.bob.controls("IN") == 1).await;
    let new = fixture("rsa.jks");
    // Each at once: an empty file seen in between would be one more to be told of.
    site.replace("mesh.keystore", &new[..new.len() / 2]);
    drop_pair(&site, "second");
    eventually("half a file is told", || relay.log().contains("the changed identity for MESH is not taken"))
        .await;
    eventually("the second pair arrives", || site.bob.controls("IN") == 2).await;
    assert_eq!(names(&sandbox), [EC]);
    site.replace("mesh.keystore", &new);
    drop_pair(&site, "third");
    eventually("the new certificate is shown", || names(&sandbox).last().is_some_and(|name| name == RSA))
        .await;
    drop_pair(&site, "fourth");
    eventually("all pairs arrive", || site.bob.controls("IN") == 4).await;
    let (status, log) = relay.stop().await;
    assert!(status.success() && !log.contains("ERROR"), "{log}");
    let mut received = site.bob.received();
    received.sort();
    assert_eq!(received, [b"first".to_vec(), b"fourth".to_vec(), b"second".to_vec(), b"third".to_vec()]);
    assert!(site.alice.reports().is_empty());
    let told = log.matches("the changed identity for MESH is not taken").count();
    let replaced = log.lines().find(|line| line.contains("was replaced")).unwrap_or_default();
    assert!(told == 1 && replaced.contains(RSA) && replaced.contains(EC), "{log}");
    assert!(log.contains("valid until 20"), "{log}");
}

#[tokio::test]
async fn a_pair_goes_through_a_proxy_with_a_login() {
    let sandbox = sandbox().await;
    let proxy = ConnectProxy::start(Manner::Login(LOGIN)).await;
    let more = |password: &str| {
        format!(
            "identity = {{ keystore = \"mesh.keystore\", password = {{ file = \"keystore.pass\" }} }}\n\
             proxy = {{ url = \"{}\", user = \"mesh-relay\", password = {{ file = \"{password}\" }} }}",
            proxy.url()
        )
    };
    let site_with = |password: &str| {
        let files = [
            ("mesh.keystore", fixture("ec.jks")),
            ("proxy.pass", b"canary\n".to_vec()),
            ("wrong.pass", b"x".to_vec()),
        ];
        site(&sandbox, &more(password), &files)
    };
    let site = site_with("wrong.pass");
    let relay = site.run().await;
    drop_pair(&site, "pair");
    let refused = "the proxy refuses the configured user and password";
    eventually("the refusal is told", || relay.log().contains(refused)).await;
    assert!(relay.stop().await.0.success());
    assert!(sandbox.requests().is_empty() && site.alice.names("OUT").len() == 2);

    let site = site_with("proxy.pass");
    let relay = site.run().await;
    drop_pair(&site, "pair");
    eventually("the pair arrives", || site.bob.controls("IN") == 1).await;
    let (status, log) = relay.stop().await;
    assert!(status.success() && !log.contains("ERROR"), "{log}");
    assert!(!log.contains("canary") && !log.contains("Basic"), "{log}");
    assert_eq!(names(&sandbox), [EC]);
    assert!(proxy.heads().iter().all(|head| head.starts_with("CONNECT 127.0.0.1:")));
}

/// Runs `check` or `run` on a site and gives its exit code and all that it said.
fn says(site: &Site, arguments: &[&str]) -> (Option<i32>, String) {
    let path = site.path("relay.toml");
    let arguments = [arguments, &["--config", path.to_str().expect("a path")]].concat();
    let output = command(&arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn what_will_go_wrong_is_told_before_it_does() {
    let sandbox = sandbox().await;
    let pem = "identity = { cert = \"client.pem\", key = \"client.key\" }";
    let bare = [("client.pem", fixture("ec.pem")), ("client.key", fixture("ec-pkcs8.pem"))];
    let alone = site(&sandbox, pem, &bare);
    let (code, text) = says(&alone, &["check"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("warning: the client certificate was signed by NHS Test Authentication G2"),
        "{text}"
    );
    assert!(text.contains("add that intermediate behind the client certificate"), "{text}");
    let (code, text) = says(&alone, &["check", "--json"]);
    let notes: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, notes.as_array().map(Vec::len)), (Some(0), Some(1)), "{text}");
    assert_eq!((&notes[0]["severity"], notes[0]["line"].is_u64()), (&"warning".into(), true), "{text}");
    let relay = alone.run().await;
    let (_, log) = relay.stop().await;
    assert_eq!(log.matches("whose certificate is in neither the chain nor the roots").count(), 1, "{log}");

    let foreign = [("client.pem", fixture("ec.pem")), ("client.key", fixture("rsa-pkcs8.pem"))];
    let store = "identity = { keystore = \"mesh.keystore\", password = { file = \"wrong.pass\" } }";
    for (more, files, word) in [
        (pem, foreign.to_vec(), "the private key does not belong to the client certificate"),
        (
            store,
            vec![("mesh.keystore", fixture("ec.jks")), ("wrong.pass", b"x".to_vec())],
            "the passphrase does not open",
        ),
        (
            store,
            vec![("mesh.keystore", fixture("ec.jceks")), ("wrong.pass", b"x".to_vec())],
            "keytool -importkeystore",
        ),
        (store, vec![("mesh.keystore", fixture("ec.jks"))], "wrong.pass cannot be read"),
        (
            "identity = { keystore = \"mesh.keystore\" }",
            vec![("mesh.keystore", fixture("ec.jks"))],
            "no passphrase",
        ),
    ] {
        let site = site(&sandbox, more, &files);
        for command in ["check", "run"] {
            let (code, text) = says(&site, &[command]);
            assert_eq!(code, Some(2), "{text}");
            assert!(text.contains(word) && text.contains("relay.toml:"), "{word}: {text}");
        }
    }
}
