//! In place of the Java MESH client: on its own meshclient.cfg, and on what `import` makes of it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use mesh_sandbox::{ClientCertificates, Sandbox, SandboxConfig, Tls};
use relay_testkit::pairs::{Control, Root, element};
use relay_testkit::private::write_private;
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB, Relay, binary, command};

const KEYSTORE: &[u8] = include_bytes!("java_client/mesh.keystore");
const AUTHORITY: &str = include_str!("java_client/authority.pem");
const CLIENT: &str = "JAVAHOST1.Y99.api.mesh-client.nhs.uk";

/// What opens the keystore. Its pounds are what a file in the wrong encoding breaks (Q17).
const KEYSTORE_PASSWORD: &str = "pa££word1";
const SECRETS: [&str; 3] = [KEYSTORE_PASSWORD, "TestKey", ">password<"];

/// A server that wants the keystore's certificate.
async fn sandbox() -> Sandbox {
    let client = Some(ClientCertificates { authorities: AUTHORITY.to_owned(), required: true });
    let tls = Tls::Given {
        certificate: include_str!("java_client/server.pem").to_owned(),
        key: include_str!("java_client/server.key").to_owned(),
        client,
    };
    Sandbox::start(SandboxConfig { tls, ..SandboxConfig::loopback() }).await.expect("a sandbox")
}

/// What the old client's installer left: a home for the program, folders for two mailboxes.
struct Home {
    folder: tempfile::TempDir,
    alice: Root,
    bob: Root,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = |name: &str| Root(folder.path().join("MESH-DATA-HOME").join(name));
        let home = Self { alice: root(ALICE), bob: root(BOB), folder };
        for name in ["KEYSTORE", "working", "proxy", "sig", "log"] {
            fs::create_dir_all(home.path(name)).expect("a folder");
        }
        home.write("KEYSTORE/mesh.keystore", KEYSTORE);
        home
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("MESH-APP-HOME").join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file")
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        write_private(&path, content);
    }

    /// A `meshclient.cfg` for these mailboxes, with `more` in its root, in the encoding of an old Windows editor.
    fn configure(&self, url: &str, mailboxes: &[&Root], more: &str) {
        let home = self.path("");
        let home = home.display().to_string();
        let home = home.trim_end_matches('/');
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"windows-1252\"?>\r\n<MESHConfig>\r\n  <PrimaryURL>{url}</PrimaryURL>\r\n  \
             <LogPath>{home}/log</LogPath>\r\n  <KeyStorePath>{home}/KEYSTORE/mesh.keystore</KeyStorePath>\r\n  \
             <KeyStorePassword>{KEYSTORE_PASSWORD}</KeyStorePassword>\r\n  <WorkPath>{home}/working</WorkPath>\r\n  \
             <ProxyPath>{home}/proxy</ProxyPath>\r\n  <SignalPath>{home}/sig</SignalPath>\r\n  \
             <ServerRetry>3</ServerRetry>\r\n  <MaxMessages>100</MaxMessages>\r\n  <MaxConnections>4</MaxConnections>\r\n  \
             <AutoUpgrade>N</AutoUpgrade>\r\n  <AuthenticationKey>TestKey</AuthenticationKey>\r\n  \
             <ProcessingDelay>1</ProcessingDelay>\r\n  {more}\r\n"
        );
        for root in mailboxes {
            let id = root.0.file_name().and_then(|name| name.to_str()).expect("a mailbox");
            let folder = root.0.display();
            text += &format!(
                "  <Client>\r\n    <ClientIdentity>{id}</ClientIdentity>\r\n    \
                 <ClientAuthentication>password</ClientAuthentication>\r\n    <MailboxType>MESH</MailboxType>\r\n    \
                 <InterfaceRoot>{folder}</InterfaceRoot>\r\n    <ClientLogLevel>1</ClientLogLevel>\r\n    \
                 <CollectReport>N</CollectReport>\r\n    <SaveSent>Y</SaveSent>\r\n  </Client>\r\n"
            );
        }
        text += "</MESHConfig>\r\n";
        let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect();
        self.write("meshclient.cfg", latin);
    }

    async fn run(&self) -> Relay {
        Relay::start_on("--meshclient-cfg", &self.path("meshclient.cfg")).await
    }

    /// Runs `import` in the program's home.
    fn import(&self, arguments: &[&str]) -> Output {
        Command::new(binary())
            .args(["import", "--meshclient-cfg", "meshclient.cfg"])
            .args(arguments)
            .current_dir(self.path(""))
            .stdin(Stdio::null())
            .output()
            .expect("the relay's program")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn holds_no_secret(shown: &str) {
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{secret} is in:\n{shown}");
    }
}

/// A pair from one mailbox into the other's IN, and into SENT.
async fn carry(home: &Home, name: &str) {
    let (sent, received) = (home.alice.controls("SENT"), home.bob.controls("IN"));
    home.alice.drop_pair(name, &Control::new(ALICE, BOB).local_id(name), name.as_bytes());
    eventually("the pair arrives", || {
        home.bob.controls("IN") == received + 1 && home.alice.controls("SENT") == sent + 1
    })
    .await;
    assert!(home.bob.received().contains(&name.as_bytes().to_vec()));
    let control = home.alice.text("SENT", &format!("{name}.ctl"));
    assert_eq!(element(&control, "StatusCode"), "00", "{control}");
    assert!(home.alice.names("OUT").is_empty());
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[tokio::test]
async fn the_old_clients_file_and_keystore_are_all_it_takes() {
    let sandbox = sandbox().await;
    let home = Home::new();
    let more = "<Colour>canary</Colour>\r\n<Shape><Side>canary</Side></Shape>";
    home.configure(&sandbox.base_url(), &[&home.alice, &home.bob], more);
    // What stopped the old client the last time.
    home.write("sig/mexclient.sig", "1");
    let relay = home.run().await;
    assert!(!home.path("sig/mexclient.sig").exists(), "a stop from before the start is out of the way");
    carry(&home, "ABC00000001").await;
    let requests = sandbox.requests();
    assert!(requests.iter().all(|request| request.client_cn.as_deref() == Some(CLIENT)), "{requests:?}");
    #[cfg(unix)]
    {
        let journal = home.path("working/mesh-relay/journal.db");
        assert_eq!((mode(&journal), mode(journal.parent().expect("a folder"))), (0o600, 0o700));
    }

    home.write("sig/mexclient.sig", "1\r\n");
    let (status, log) = relay.ended().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("the stop signal was given") && log.contains("the relay has stopped"), "{log}");
    for line in [
        "keys that are not known and not used: Colour (line 16), Shape (line 17)",
        "keys that have no meaning here and are not used: ServerRetry, MaxMessages, AutoUpgrade, MailboxType, ClientLogLevel",
    ] {
        assert_eq!(log.matches(line).count(), 1, "{line} in:\n{log}");
    }
    assert!(!log.contains("ERROR") && !log.contains("canary"), "{log}");
    holds_no_secret(&log);
}

#[tokio::test]
async fn what_import_prints_is_checked_and_carries_a_pair() {
    let sandbox = sandbox().await;
    let home = Home::new();
    home.configure(&sandbox.base_url(), &[&home.alice, &home.bob], "<Colour>canary</Colour>");
    let imported = home.import(&[]);
    let (stdout, stderr) = (text(&imported.stdout), text(&imported.stderr));
    assert_eq!(imported.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("Colour (line 16)") && stderr.contains("AutoUpgrade"), "{stderr}");
    for shown in [&stdout, &stderr] {
        holds_no_secret(shown);
        assert!(!shown.contains("canary"), "{shown}");
    }
    for (name, content) in [
        ("secrets/keystore.pass", KEYSTORE_PASSWORD),
        ("secrets/mesh-shared.key", "TestKey"),
        ("secrets/x26abc1.pass", "password"),
        ("secrets/x26abc2.pass", "password"),
    ] {
        assert_eq!(home.text(name), format!("{content}\n"));
        #[cfg(unix)]
        assert_eq!(mode(&home.path(name)), 0o600);
    }
    #[cfg(unix)]
    assert_eq!(mode(&home.path("secrets")), 0o700);

    home.write("mesh-relay.toml", &stdout);
    let path = home.path("mesh-relay.toml");
    let checked = command(&["check", "--config", path.to_str().expect("a path")]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    let relay = Relay::start(&path).await;
    carry(&home, "pair").await;
    home.write("sig/mexclient.sig", "1");
    let (status, log) = relay.ended().await;
    assert!(status.success() && !log.contains("ERROR"), "{log}");
    holds_no_secret(&log);

    // The same again replaces nothing; another secret is not lost without a word.
    assert_eq!(text(&home.import(&[]).stdout), stdout);
    home.write("secrets/x26abc1.pass", "another\n");
    let refused = home.import(&[]);
    let said = text(&refused.stderr);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0), "{said}");
    assert!(
        said.contains("x26abc1.pass") && said.contains("--force") && !said.contains("another\n"),
        "{said}"
    );
    assert_eq!(home.text("secrets/x26abc1.pass"), "another\n");
    assert_eq!(home.import(&["--force"]).status.code(), Some(0));
    assert_eq!(home.text("secrets/x26abc1.pass"), "password\n");
}

#[tokio::test]
async fn the_first_look_at_the_inbox_is_at_the_start_whatever_the_period() {
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let (here, there) = (Home::new(), Home::new());
    let period = "<PollPeriod>30</PollPeriod>";
    here.configure(&sandbox.base_url(), &[&here.alice], period);
    let relay = here.run().await;
    here.alice.drop_pair("pair", &Control::new(ALICE, BOB), b"waiting");
    eventually("the pair is sent", || here.alice.controls("SENT") == 1).await;
    assert!(relay.stop().await.0.success());
    // Over plain http the keystore is not needed.
    fs::remove_file(there.path("KEYSTORE/mesh.keystore")).expect("removed");
    there.configure(&sandbox.base_url(), &[&there.bob], period);
    let relay = there.run().await;
    eventually("the pair arrives", || there.bob.controls("IN") == 1).await;
    assert_eq!(there.bob.received(), [b"waiting".to_vec()]);
    let (status, log) = relay.stop().await;
    assert!(status.success() && log.contains("KeyStorePath"), "{log}");
}

#[test]
fn what_is_wrong_is_told_at_its_place_and_starts_nothing() {
    let home = Home::new();
    home.configure("https://127.0.0.1:1", &[&home.alice, &home.alice], "");
    let path = home.path("meshclient.cfg");
    let path = path.to_str().expect("a path");
    let says = |arguments: &[&str]| {
        let output = command(arguments);
        let said = text(&[output.stdout, output.stderr].concat());
        holds_no_secret(&said);
        (output.status.code(), said)
    };
    let (code, said) = says(&["run", "--meshclient-cfg", path]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("meshclient.cfg:27:5") && said.contains("stands here twice"), "{said}");
    assert!(!home.path("working/mesh-relay").exists() && !home.alice.folder("IN").exists());

    home.write("meshclient.cfg", "<MESHConfig>\n<KeyStorePassword>pa\u{a3}\u{a3}word1</KeyStorePassword>");
    let (code, said) = says(&["run", "--meshclient-cfg", path]);
    assert!(code == Some(2) && said.contains("meshclient.cfg:2:"), "{said}");
    assert_eq!(says(&["import", "--meshclient-cfg", path]).0, Some(2));
    home.write("meshclient.cfg", b"<MESHConfig>\n<KeyStorePassword>pa\xa3\xa3word1</KeyStorePassword>");
    let (code, said) = says(&["run", "--meshclient-cfg", path]);
    assert!(code == Some(2) && said.contains("meshclient.cfg:2:21") && said.contains("UTF-8"), "{said}");

    let (code, said) = says(&["run", "--meshclient-cfg", path, "--config", path]);
    assert!(code == Some(2) && said.contains("cannot be used with"), "{said}");
    assert_eq!(says(&["run"]).0, Some(2));
    assert_eq!(says(&["import"]).0, Some(2));
    let (_, help) = says(&["run", "--help"]);
    assert!(help.contains("It never asks to be") && help.contains("mexclient.sig"), "{help}");
}
