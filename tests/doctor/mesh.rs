//! Faults on the way to MESH, in certificates and in credentials.

use jiff::SignedDuration;
use relay_testkit::certificates::Authority;
use relay_testkit::connect_proxy::{ConnectProxy, Manner};

use crate::house::{CLIENT, House, free_port};
use crate::process::{ALICE, BOB, Relay};

#[tokio::test]
async fn with_everything_right_there_is_no_fault_and_nothing_changes() {
    let house = House::new().await;
    let before = house.inventory();
    let report = house.doctor().await;
    assert_eq!(report.with("fault"), Vec::<&serde_json::Value>::new(), "{:#}", report.json);
    assert_eq!(report.code, Some(0));
    for check in [
        "mesh.name",
        "mesh.connection",
        "mesh.tls",
        "mesh.certificate",
        "mesh.certificate-accepted",
        "mesh.clock",
    ] {
        assert_eq!(report.verdict(check), "ok", "{check}");
    }
    assert_eq!(house.inventory(), before);
    assert!(house.sandbox.requests().iter().all(|request| request.call == "handshake"));
}

#[tokio::test]
async fn beside_a_relay_at_work_there_is_no_fault() {
    let house = House::new().await;
    let relay = Relay::start(&house.path("relay.toml")).await;
    let report = house.doctor().await;
    assert_eq!(report.with("fault"), Vec::<&serde_json::Value>::new(), "{:#}", report.json);
    let running = |check: &str| {
        report
            .checks()
            .iter()
            .any(|found| found["check"] == check && found["found"] == "a relay is running here")
    };
    assert!(
        running("journal.lock") && running("folder.lock") && running("console.port"),
        "{:#}",
        report.json
    );
    let (status, log) = relay.stop().await;
    assert!(status.success() && !log.contains("ERROR"), "{log}");
    // And once it has stopped.
    assert_eq!(house.doctor().await.code, Some(0));
}

#[tokio::test]
async fn a_host_that_nobody_knows_is_named() {
    let house = House::new().await;
    house.reword("https://localhost:", "https://mesh.nowhere.invalid:");
    let report = house.doctor().await;
    report.blames("mesh.name", &["mesh.nowhere.invalid", "environment"]);
    assert_eq!(report.verdict("mesh.connection"), "not checked");
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_named() {
    let house = House::new().await;
    let port = free_port();
    house.reword(&format!("localhost:{}", house.sandbox.address().port()), &format!("localhost:{port}"));
    house.doctor().await.blames("mesh.connection", &[&format!("localhost:{port}"), "nothing listens"]);
}

#[tokio::test]
async fn roots_of_another_environment_are_named_with_what_the_server_presents() {
    let house = House::new().await;
    house.write("roots.pem", Authority::new("Another environment").pem());
    house
        .doctor()
        .await
        .blames("mesh.tls", &["Another environment", "Server authority", "localhost", "roots.pem"]);
}

#[tokio::test]
async fn a_server_certificate_that_has_expired_is_named() {
    let servers = Authority::new("Server authority");
    let server = servers.server_between("localhost", 2001, 2002);
    let house = House::serving(servers, server).await;
    house.doctor().await.blames("mesh.tls", &["has expired", "2002-01-01", "Server authority"]);
}

#[tokio::test]
async fn a_server_certificate_for_another_name_is_named() {
    let servers = Authority::new("Server authority");
    let server = servers.server("mesh.example.nhs.uk");
    let house = House::serving(servers, server).await;
    house.doctor().await.blames("mesh.tls", &["another name than localhost", "mesh.example.nhs.uk"]);
}

#[tokio::test]
async fn our_certificate_that_has_expired_is_named() {
    let house = House::new().await;
    house.show(&house.clients.client_between(CLIENT, 2001, 2002));
    let report = house.doctor().await;
    report.blames("mesh.certificate", &["client.pem", "expired", "2002-01-01"]);
    assert_eq!(report.verdict("mesh.tls"), "ok", "the server's side is looked at all the same");
}

#[tokio::test]
async fn our_certificate_that_is_not_valid_yet_is_named() {
    let house = House::new().await;
    house.show(&house.clients.client_between(CLIENT, 2090, 2095));
    house.doctor().await.blames("mesh.certificate", &["client.pem", "not valid before 2090"]);
}

#[tokio::test]
async fn a_key_of_another_certificate_is_named() {
    let house = House::new().await;
    house.secret("client.key", &house.clients.client(CLIENT).key);
    house
        .doctor()
        .await
        .blames("mesh.certificate", &["client.key", "does not belong to the client certificate"]);
}

#[tokio::test]
async fn our_certificate_of_an_issuer_that_mesh_does_not_know_is_named() {
    let house = House::new().await;
    house.show(&Authority::new("Somebody").client(CLIENT));
    house.doctor().await.blames("mesh.certificate-accepted", &["client.pem", "does not trust the issuer"]);
}

#[tokio::test]
async fn no_certificate_where_mesh_asks_for_one_is_named() {
    let house = House::new().await;
    house.reword("identity = { cert = \"client.pem\", key = \"client.key\" }\n", "");
    house.doctor().await.blames("mesh.certificate", &["asks for a client certificate", "none is configured"]);
}

#[tokio::test]
async fn a_mailbox_with_a_wrong_password_is_named_and_no_other() {
    let house = House::new().await;
    house.secret("bob.pass", "forgotten\n");
    let report = house.doctor().await;
    report.blames("mesh.mailbox", &[BOB, "bob.pass"]);
    assert!(!String::from_utf8_lossy(&report.output.stdout).contains("forgotten"));
}

#[tokio::test]
async fn a_mailbox_that_mesh_does_not_know_is_named() {
    let house = House::new().await;
    house.reword(BOB, "X26NONE1");
    std::fs::create_dir(house.path("X26NONE1")).expect("a folder");
    house.doctor().await.blames("mesh.mailbox", &["X26NONE1", "knows no mailbox"]);
}

#[tokio::test]
async fn a_wrong_shared_key_is_named_and_no_mailbox() {
    let house = House::new().await;
    house.secret("shared.key", "of another environment\n");
    let report = house.doctor().await;
    report.blames("mesh.shared-key", &["shared.key"]);
    assert!(
        report
            .with("not checked")
            .iter()
            .any(|check| check["item"].as_str().is_some_and(|item| item.contains(ALICE)))
    );
}

#[tokio::test]
async fn a_clock_that_is_three_hours_late_is_named_and_no_password() {
    let house = House::new().await;
    house.sandbox.advance(SignedDuration::from_hours(3)).expect("another time");
    house.doctor().await.blames("mesh.clock", &["behind", "two hours"]);
}

#[tokio::test]
async fn a_clock_that_is_some_minutes_late_is_a_warning() {
    let house = House::new().await;
    house.sandbox.advance(SignedDuration::from_mins(5)).expect("another time");
    let report = house.doctor().await;
    assert_eq!((report.code, report.verdict("mesh.clock")), (Some(0), "warning"), "{:#}", report.json);
}

#[tokio::test]
async fn a_proxy_that_is_down_is_named() {
    let house = House::new().await;
    let port = free_port();
    house.reword(
        "roots = \"roots.pem\"\n",
        &format!("roots = \"roots.pem\"\nproxy = {{ url = \"http://127.0.0.1:{port}\" }}\n"),
    );
    house.doctor().await.blames("mesh.proxy", &[&format!("127.0.0.1:{port}"), "nothing listens"]);
}

#[tokio::test]
async fn a_proxy_that_refuses_our_login_is_named() {
    let house = House::new().await;
    let proxy = ConnectProxy::start(Manner::Login("Basic nobody")).await;
    house.secret("proxy.pass", "wrong\n");
    let says = format!(
        "proxy = {{ url = \"{}\", user = \"mesh\", password = {{ file = \"proxy.pass\" }} }}\n",
        proxy.url()
    );
    house.reword("roots = \"roots.pem\"\n", &format!("roots = \"roots.pem\"\n{says}"));
    house.doctor().await.blames("mesh.proxy", &[&proxy.url(), "refuses the configured user and password"]);
}

#[tokio::test]
async fn through_a_proxy_that_leads_to_mesh_all_is_well() {
    let house = House::new().await;
    let proxy = ConnectProxy::start(Manner::Open).await;
    house.reword(
        "roots = \"roots.pem\"\n",
        &format!("roots = \"roots.pem\"\nproxy = {{ url = \"{}\" }}\n", proxy.url()),
    );
    let report = house.doctor().await;
    assert_eq!((report.code, report.verdict("mesh.proxy")), (Some(0), "ok"), "{:#}", report.json);
}
