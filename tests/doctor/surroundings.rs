//! Faults on this machine: secrets, folders, volumes, ports, and a configuration that cannot be read.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;

use relay_testkit::certificates::Authority;
use tokio::net::TcpListener as AsyncListener;
use tokio_rustls::TlsAcceptor;

use crate::house::House;
use crate::process::{ALICE, BOB, command};

/// A small volume in a folder, gone with this.
struct Volume(PathBuf);

impl Volume {
    fn mount(place: PathBuf, options: &str) -> Self {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&place).status();
        assert!(mounted.expect("mount").success(), "only root can run this test");
        Self(place)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named() {
    let house = House::new().await;
    fs::remove_file(house.path("bob.pass")).expect("removed");
    house.doctor().await.blames("secret.readable", &[BOB, "bob.pass"]);
}

#[tokio::test]
async fn an_out_that_may_not_be_written_is_named() {
    let house = House::new().await;
    assert_eq!(house.doctor_of_nobody().await.code, Some(0));
    let out = house.path(ALICE).join("OUT");
    chown(&out, Some(0), Some(0)).expect("another owner");
    fs::set_permissions(&out, fs::Permissions::from_mode(0o755)).expect("rights");
    house
        .doctor_as_nobody()
        .await
        .blames("folder.writable", &[&format!("{ALICE}/OUT"), "account write there"]);
}

#[tokio::test]
async fn a_root_that_is_not_there_is_named() {
    let house = House::new().await;
    house.reword(&format!("root = \"{BOB}\""), "root = \"share\"");
    house.doctor().await.blames("folder.exists", &["share", "mount"]);
    assert!(!house.path("share").exists());
}

#[tokio::test]
async fn a_sent_on_a_full_volume_is_named() {
    let house = House::new().await;
    let sent = house.path(ALICE).join("SENT");
    let _volume = Volume::mount(sent.clone(), "size=64k,mode=0700");
    let all = vec![0; 64 * 1024];
    house.write(&format!("{ALICE}/SENT/full"), &all);
    house.doctor().await.blames("folder.writable", &[&format!("{ALICE}/SENT"), "make room"]);
}

#[tokio::test]
async fn a_port_of_the_console_that_is_taken_is_named() {
    let house = House::new().await;
    let _other = TcpListener::bind(("127.0.0.1", house.console)).expect("the port");
    house.doctor().await.blames("console.port", &[&house.console.to_string(), "another program"]);
}

#[tokio::test]
async fn a_webhook_with_a_certificate_that_nobody_signed_for_us_is_named() {
    let house = House::new().await;
    let stranger = Authority::new("Receiver authority");
    let port = serve(&stranger).await;
    house.write("hook-roots.pem", Authority::new("Trusted authority").pem());
    house.secret("hook.secret", "at least sixteen bytes\n");
    let hook = |roots: &str| {
        format!(
            "[[adapter]]\nname = \"bob\"\nkind = \"http\"\nmailbox = \"{BOB}\"\nroots = \"{roots}\"\n\
             inbound = {{ url = \"https://localhost:{port}/in\", secret = {{ file = \"hook.secret\" }} }}\n"
        )
    };
    house.bobs_adapter(&hook("hook-roots.pem"));
    let names = ["adapter bob", &port.to_string(), "Receiver authority", "Trusted authority"];
    house.doctor().await.blames("webhook.tls", &names);
    house.write("hook-roots.pem", stranger.pem());
    let report = house.doctor().await;
    assert_eq!((report.code, report.verdict("webhook.tls")), (Some(0), "ok"), "{:#}", report.json);
}

/// Takes connections over TLS for `localhost`, and says nothing.
async fn serve(authority: &Authority) -> u16 {
    let identity = authority.server("localhost");
    let certificate = rustls::pki_types::pem::PemObject::from_pem_slice(identity.certificate.as_bytes());
    let key = rustls::pki_types::pem::PemObject::from_pem_slice(identity.key.as_bytes());
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.expect("a certificate")], key.expect("a key"))
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = AsyncListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { drop(acceptor.accept(stream).await) });
        }
    });
    port
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_is_another_exit_code() {
    let house = House::new().await;
    house.reword("[journal]", "[jurnal]");
    let report = house.doctor().await;
    assert_eq!(report.code, Some(2), "{:#}", report.json);
    assert_eq!(report.json["read"], false);
    assert!(report.checks().iter().all(|check| check["check"] == "configuration"));
}

#[tokio::test]
async fn people_get_lines_of_text() {
    let house = House::new().await;
    fs::remove_file(house.path("bob.pass")).expect("removed");
    let config = house.path("relay.toml");
    let ran = tokio::task::spawn_blocking(move || {
        command(&["doctor", "--config", config.to_str().expect("a path")])
    });
    let output = ran.await.expect("a thread");
    let text = String::from_utf8(output.stdout).expect("text");
    let fault = text.lines().position(|line| line.starts_with("FAULT ")).expect("a fault");
    assert!(
        text.lines()
            .nth(fault)
            .is_some_and(|line| line.contains("secret.readable") && line.contains("bob.pass"))
    );
    assert!(text.lines().nth(fault + 1).is_some_and(|line| line.contains("-> ")), "{text}");
    assert!(text.lines().last().is_some_and(|line| line.contains("1 fault(s)")), "{text}");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
