use std::path::Path;
use std::time::Duration;

use super::*;
use crate::{
    Environment, IDENTITY_LOOK, Identity, InDoubt, JournalPlace, Proxy, ProxyLogin, SendRouteSection, Size,
    UrlError,
};

/// The good file with another identity.
fn with_identity(identity: &str) -> String {
    with("{ cert = \"client.pem\", key = \"client.key\" }", identity)
}

#[test]
fn a_good_file_is_read_with_its_defaults() {
    let config = Config::new(GOOD);
    let loaded = config.load().expect("no faults");
    let folder = config.folder.path();
    assert_eq!(loaded.secrets.folder(), folder);
    assert_eq!(loaded.mesh.environment, Environment::Integration);
    assert_eq!(loaded.mesh.environment.base_url(), "https://msg.intspineservices.nhs.uk");
    let (cert, key) = (folder.join("client.pem"), folder.join("client.key"));
    assert_eq!(loaded.mesh.identity, Some(Identity::Pem { cert, key, password: None }));
    assert_eq!((loaded.mesh.identity_look, loaded.mesh.proxy), (IDENTITY_LOOK, None));
    assert_eq!(loaded.mesh.shared_key, SecretRef::Env("MESH_SHARED_KEY".to_owned()));
    assert_eq!(loaded.mesh.roots, Some(folder.join("nhs-int.pem")));
    assert_eq!(loaded.mesh.chunk_bytes, 20_000_000);
    assert!(
        matches!(&loaded.journal.place, JournalPlace::File(path) if path == Path::new("/var/lib/mesh-relay/journal.db"))
    );
    assert_eq!(loaded.send, crate::SendSection::default());
    assert_eq!(loaded.mailboxes.len(), 1);
    assert_eq!(loaded.mailboxes[0].id.as_str(), "X26HC005");
    assert_eq!(loaded.mailboxes[0].poll, Duration::from_secs(300));
    let adapter = &loaded.adapters[0];
    assert_eq!(
        (adapter.mailbox.as_str(), adapter.root.as_path()),
        ("X26HC005", Path::new("/var/mesh/X26HC005"))
    );
    assert_eq!(adapter.grace.map(Interval::get), Some(Duration::from_secs(2)));
    assert!(adapter.outbound.is_none() && adapter.token.is_none() && adapter.queues.is_empty());
}

#[test]
fn a_transfer_log_and_a_stop_signal_may_be_named() {
    let config = Config::new(format!(
        "{GOOD}[log]\ntransfers = \"log/mesh.log\"\n[stop]\nsignal = \"/sig/mexclient.sig\"\n"
    ));
    let loaded = config.load().expect("no faults");
    assert_eq!(loaded.log.transfers, Some(config.folder.path().join("log/mesh.log")));
    assert_eq!(loaded.stop.signal.as_deref(), Some(Path::new("/sig/mexclient.sig")));
    let plain = Config::new(GOOD).load().expect("no faults");
    assert_eq!((plain.log.transfers, plain.stop.signal), (None, None));
    for (section, said) in [
        ("[log]\ntransfers = \"\"", "names no file"),
        ("[log]\ntransfer = \"x\"", "unknown key `transfer`"),
        ("[stop]\nsignal = \"..\"", "names no file"),
    ] {
        let faults = Config::new(format!("{GOOD}{section}\n")).faults().to_string();
        assert!(faults.contains(said), "{faults}");
    }
}

#[test]
fn a_journal_may_be_a_database_that_instances_share() {
    let journal = |text: &str| Config::new(with("path = \"/var/lib/mesh-relay/journal.db\"", text)).load();
    let loaded = journal("url = { env = \"JOURNAL_URL\" }\ninstance = \"relay-a\"\nroots = \"db.pem\"")
        .expect("no faults");
    let JournalPlace::Postgres { url, instance, roots, .. } = loaded.journal.place else {
        panic!("a database")
    };
    assert_eq!((url, instance.as_str()), (SecretRef::Env("JOURNAL_URL".to_owned()), "relay-a"));
    assert!(roots.expect("roots").ends_with("db.pem"));
    for (bad, said) in [
        ("url = { env = \"U\" }", "missing key `instance`"),
        ("url = { env = \"U\" }\ninstance = \"a\"\npath = \"j.db\"", "both say where"),
        ("path = \"j.db\"\ninstance = \"a\"", "belongs to a journal on PostgreSQL"),
        ("path = \"j.db\"\nkeep = \"3d\"", "`keep` is too short"),
        ("url = \"postgresql://u:hunter2@h/d\"\ninstance = \"a\"", "url"),
    ] {
        let faults = journal(bad).expect_err("faults").to_string();
        assert!(faults.contains(said) && !faults.contains("hunter2"), "{bad}: {faults}");
    }
}

#[test]
fn a_route_says_what_is_done_in_doubt() {
    let routes = |text: &str| Config::new(format!("{GOOD}\n[send]\nin_doubt = \"park\"\n{text}")).load();
    let text =
        "[[send.route]]\nmatch = { from = \"X26HC005\", workflow = \"PATH_*\" }\nin_doubt = \"two-step\"\n";
    let loaded = routes(text).expect("no faults");
    assert_eq!(loaded.send.in_doubt, InDoubt::Park);
    let (from, workflow) = (Some("X26HC005".to_owned()), Some("PATH_*".to_owned()));
    assert_eq!(
        loaded.send.routes,
        [SendRouteSection { from, to: None, workflow, in_doubt: InDoubt::TwoStep }]
    );
    for (bad, said) in [
        ("route = [{ match = { workflow = \"P*H\" }, in_doubt = \"park\" }]", "before its end"),
        ("route = [{ match = {}, in_doubt = \"prak\" }]", "prak"),
        ("route = [{ match = { workflw = \"P\" }, in_doubt = \"park\" }]", "workflw"),
        ("route = [{ match = {} }]", "in_doubt"),
    ] {
        let faults = routes(bad).expect_err("faults").to_string();
        assert!(faults.contains(said), "{bad}: {faults}");
    }
}

#[test]
fn identities_come_from_pem_and_from_keystores() {
    let config =
        Config::new(with_identity("{ cert = \"a.pem\", key = \"/b.key\", password = { env = \"P\" } }"));
    let password = Some(SecretRef::Env("P".to_owned()));
    let (cert, key) = (config.folder.path().join("a.pem"), PathBuf::from("/b.key"));
    let loaded = config.load().expect("no faults");
    assert_eq!(loaded.mesh.identity, Some(Identity::Pem { cert, key, password }));
    let config = Config::new(with_identity(
        "{ keystore = \"mesh.keystore\", password = { file = \"p\" }, alias = \"mesh\", key_password = { env = \"K\" } }",
    ));
    let identity = Identity::Keystore {
        keystore: config.folder.path().join("mesh.keystore"),
        password: Some(SecretRef::File("p".into())),
        alias: Some("mesh".to_owned()),
        key_password: Some(SecretRef::Env("K".to_owned())),
    };
    assert_eq!(config.load().expect("no faults").mesh.identity, Some(identity));
}

#[test]
fn a_proxy_has_an_address_and_perhaps_a_login() {
    let proxy = |text: &str| {
        let config = Config::new(with("roots", &format!("proxy = {text}\nroots")));
        config.load().expect("no faults").mesh.proxy
    };
    let url = "http://proxy.example.nhs.uk:8080".to_owned();
    let open = proxy("{ url = \"http://proxy.example.nhs.uk:8080/\" }");
    assert_eq!(open, Some(Proxy { url: url.clone(), login: None }));
    let login = ProxyLogin { user: "mesh".to_owned(), password: SecretRef::File("proxy.pass".into()) };
    let text = format!("{{ url = \"{url}\", user = \"mesh\", password = {{ file = \"proxy.pass\" }} }}");
    assert_eq!(proxy(&text), Some(Proxy { url, login: Some(login) }));
}

#[test]
fn tables_below_an_adapter_are_read() {
    let text = format!(
        "{GOOD}mode = \"lenient\"\n[adapter.outbound]\nqueue = \"a\"\nlimit = 3\n[[adapter.queues]]\nqueue = \"b\"\n"
    );
    let loaded = Config::new(text).load().expect("no faults");
    let adapter = &loaded.adapters[0];
    let outbound = adapter.outbound.as_ref().expect("a table");
    assert_eq!((outbound.queue.as_str(), outbound.limit), ("a", Some(3)));
    assert_eq!(adapter.queues[0].queue, "b");
    assert_eq!(adapter.mode, Some(Mode::Lenient));
}

#[test]
fn a_sandbox_needs_neither_certificate_nor_roots() {
    let text = r#"
mesh = { environment = "sandbox", shared_key = { env = "K" }, chunk_size = "64KiB" }
journal.path = "journal.db"
[send]
in_flight = 4
retry_first = "500ms"
[[mailbox]]
id = "X26ABC1"
password = { env = "P" }
[[mailbox]]
id = "X26ABC2"
password = { env = "P" }
poll = "2m"
"#;
    let config = Config::new(text);
    let loaded = crate::load(&config.path).expect("no faults");
    assert_eq!(loaded.mesh.environment.base_url(), "http://127.0.0.1:8700");
    assert_eq!(loaded.mesh.chunk_bytes, 65_536);
    let path = config.folder.path().join("journal.db");
    assert!(matches!(loaded.journal.place, JournalPlace::File(file) if file == path));
    assert_eq!(loaded.send.in_flight, Some(4));
    assert_eq!(loaded.send.retry_first, Some(Duration::from_millis(500)));
    let polls: Vec<_> = loaded.mailboxes.iter().map(|mailbox| mailbox.poll.as_secs()).collect();
    assert_eq!(polls, [1, 120]);
    assert!(loaded.adapters.is_empty());
}

#[test]
fn addresses_are_read_and_refused() {
    for (url, base, loopback) in [
        ("https://mesh.example:8700/", "https://mesh.example:8700", false),
        ("HTTP://LocalHost:8700", "http://localhost:8700", true),
        ("http://[::1]:8700", "http://[::1]:8700", true),
        ("http://127.0.0.9", "http://127.0.0.9", true),
    ] {
        let environment = Environment::from_url(url).expect(url);
        assert_eq!((environment.base_url(), environment.is_loopback()), (base, loopback));
    }
    for (url, error) in [
        ("mesh.example", UrlError::Form),
        ("ftp://mesh.example", UrlError::Form),
        ("https://", UrlError::Form),
        ("https://:8700", UrlError::Form),
        ("https://mesh.example:eight", UrlError::Form),
        ("https://me:pass@mesh.example", UrlError::Credentials),
        ("https://mesh.example/messageexchange", UrlError::Path),
        ("http://mesh.example", UrlError::Plain),
        ("http://localhost.example", UrlError::Plain),
    ] {
        assert_eq!(Environment::from_url(url), Err(error), "{url}");
    }
    let hscn = Environment::from_url("https://msg.int.spine2.ncrs.nhs.uk").expect("an address");
    assert!(hscn.is_nhs() && hscn.poll_default() == Duration::from_secs(300));
}

#[test]
fn quantities_have_a_number_and_a_unit() {
    for (text, millis) in
        [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000)]
    {
        let interval: Interval = text.parse().expect(text);
        assert_eq!(interval.get(), Duration::from_millis(millis));
    }
    for (text, bytes) in [("64KB", 64_000), ("20MB", 20_000_000), ("1GB", 1_000_000_000), ("1MiB", 1_048_576)]
    {
        assert_eq!(text.parse::<Size>().map(Size::bytes), Ok(bytes));
    }
    for bad in ["", "5", "m", "5 m", "-5m", "5.5m", "5M", "5min", "999999999999999999d"] {
        assert!(bad.parse::<Interval>().is_err(), "{bad:?} was taken");
    }
    let error = "5min".parse::<Interval>().expect_err("a fault").to_string();
    assert!(error.contains("\"5min\" is not accepted") && error.contains("\"500ms\""), "{error}");
}
