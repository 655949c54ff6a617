//! One way from a client's file to settings, whichever command takes it.

use relay_testkit::private::write_private;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;
use crate::adapters::AdapterConfig;
use crate::settings::AdapterSettings;

/// The constructed example of the reference, section 6.1.
const SAMPLE: &str = include_str!("../../../meshclient-cfg/src/tests/sample.cfg");

/// The sample's whole text in TOML, with the secrets in their usual folder.
const GOLDEN: &str = include_str!("tests/sample.toml");

struct Place {
    folder: TempDir,
}

impl Place {
    fn new(cfg: impl AsRef<[u8]>) -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a folder") };
        place.write("meshclient.cfg", cfg);
        place
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        write_private(&self.path(name), content);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self) -> StandIn {
        StandIn::read(&self.path("meshclient.cfg")).expect("a configuration")
    }

    fn faults(&self) -> String {
        match StandIn::read(&self.path("meshclient.cfg")).and_then(|stand_in| stand_in.settings()) {
            Ok(settings) => panic!("no faults: {settings:?}"),
            Err(faults) => faults.to_string(),
        }
    }
}

/// Two mailboxes on a sandbox, with paths of every kind.
fn sandbox(more: &str) -> String {
    format!(
        "<MESHConfig><PrimaryURL>http://127.0.0.1:8700</PrimaryURL>
         <AuthenticationKey>canary-key</AuthenticationKey><WorkPath>working</WorkPath><LogPath>log/</LogPath>
         <SignalPath>/invented/sig</SignalPath><PollPeriod>1</PollPeriod><MaxConnections>4</MaxConnections>
         <ProcessingDelay>7</ProcessingDelay>
         {more}
         <Client><ClientIdentity>x26abc1</ClientIdentity><ClientAuthentication>canary \"1\"</ClientAuthentication>
         <InterfaceRoot>data/it's X26ABC1</InterfaceRoot><CollectReport>Y</CollectReport></Client>
         <Client><ClientIdentity>X26ABC2</ClientIdentity><ClientAuthentication>canary££2</ClientAuthentication>
         <InterfaceRoot>/invented/X26ABC2</InterfaceRoot><SaveSent>N</SaveSent><PollReport>Y</PollReport></Client>
         </MESHConfig>"
    )
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../keystore/tests/fixtures");
    std::fs::read(folder.join(name)).expect("a fixture")
}

fn texts(stand_in: &StandIn) -> Vec<&str> {
    stand_in.told.iter().map(|told| told.text.as_str()).collect()
}

#[test]
fn the_sample_becomes_a_configuration_for_people_to_read() {
    let cfg = MeshClientCfg::read(SAMPLE.as_bytes()).expect("a configuration");
    let base = Path::new("/invented");
    let made = translate::translate(&cfg, Path::new("meshclient.cfg"), base, Path::new(SECRETS));
    assert_eq!(made.text, GOLDEN);
    assert_eq!(made.text.lines().count(), made.origins.len());
    let names: Vec<_> = made.secrets.iter().map(|(path, _)| path.display().to_string()).collect();
    assert_eq!(names, ["secrets/keystore.pass", "secrets/zzzhc001.pass", "secrets/zzzhc002.pass"]);
    let told: Vec<_> = made.told.iter().map(|told| told.text.as_str()).collect();
    assert!(told[0].contains("MESH_SHARED_KEY"), "{told:?}");
    let unused = "keys that have no meaning here and are not used: ServerRetry, MaxMessages, AutoUpgrade, MailboxType, \
                  ClientLogLevel";
    assert_eq!(told[1..], [unused]);
}

/// The point of the whole: `run --meshclient-cfg F`, and `import` of F with `run --config`, are the same relay.
#[test]
fn running_on_the_file_and_on_its_import_is_the_same() {
    let keystore = "<KeyStorePath>mesh.keystore</KeyStorePath><KeyStorePassword>changeit</KeyStorePassword>";
    let secure = sandbox(keystore).replace("http://127.0.0.1:8700", "https://127.0.0.1:8700");
    for cfg in [sandbox(""), secure] {
        let place = Place::new(cfg);
        place.write("mesh.keystore", fixture("ec.jks"));
        let direct = place.read().settings().expect("settings");

        let secrets = place.path("elsewhere/secrets");
        let imported = StandIn::read_as(&place.path("meshclient.cfg"), Kind::Mesh, &secrets).expect("read");
        secret_files::write(&secrets, &imported.translation.secrets, false).expect("written");
        assert!(!imported.translation.text.contains("canary"), "{}", imported.translation.text);
        place.write("elsewhere/mesh-relay.toml", &imported.translation.text);
        let loaded = Settings::load(&place.path("elsewhere/mesh-relay.toml")).expect("settings");

        assert_eq!(format!("{direct:#?}"), format!("{loaded:#?}"));
        assert!(!format!("{direct:?}").contains("canary"));
        let passwords = |settings: &Settings| -> Vec<String> {
            settings.mailboxes.iter().map(|mailbox| mailbox.password.expose_secret().to_owned()).collect()
        };
        assert_eq!(passwords(&direct), ["canary \"1\"", "canary££2"]);
        assert_eq!(passwords(&direct), passwords(&loaded));
        let cn = |settings: &Settings| {
            let (watch, _) = settings.identity.as_ref()?;
            watch.shown().current().map(|key| key.cert[0].clone())
        };
        assert_eq!(cn(&direct), cn(&loaded));
        assert_eq!(cn(&direct).is_some(), direct.mesh_url.starts_with("https"));
    }
}

#[test]
fn each_key_has_its_meaning() {
    let place = Place::new(sandbox(""));
    let settings = place.read().settings().expect("settings");
    assert_eq!(settings.send.in_flight_max, 4);
    assert_eq!(settings.transfer_log, Some(place.path("log/mesh.log")));
    assert_eq!(settings.stop_signal.as_deref(), Some(Path::new("/invented/sig/mexclient.sig")));
    let polls: Vec<u64> =
        settings.mailboxes.iter().map(|mailbox| mailbox.receive.poll_every.as_secs()).collect();
    assert_eq!(polls, [60, 60]);
    let shown = format!("{settings:?}");
    let journal = place.path("working/mesh-relay/journal.db");
    assert!(shown.contains(&format!("File({journal:?})")), "{shown}");
    let [
        AdapterSettings { name, config: AdapterConfig::DtsFolder(alice), .. },
        AdapterSettings { config: AdapterConfig::DtsFolder(bob), .. },
    ] = &settings.adapters[..]
    else {
        panic!("two adapters: {shown}")
    };
    assert_eq!((name.as_str(), alice.mailbox.as_str()), ("x26abc1", "X26ABC1"));
    assert_eq!(alice.root, place.path("data/it's X26ABC1"));
    assert_eq!((alice.grace().as_secs(), alice.save_sent, bob.save_sent), (7, true, false));
    assert!(alice.reports.collect && !alice.reports.poll && bob.reports.poll && !bob.reports.collect);
}

#[test]
fn a_poll_period_that_mesh_forbids_is_raised_and_told_once() {
    let keystore = "<KeyStorePath>mesh.keystore</KeyStorePath><KeyStorePassword>changeit</KeyStorePassword>";
    for (period, poll) in [("1", 300), ("30", 1800)] {
        let cfg = sandbox(keystore)
            .replace("http://127.0.0.1:8700", "https://mesh-sync.spineservices.nhs.uk")
            .replace("<PollPeriod>1<", &format!("<PollPeriod>{period}<"));
        let place = Place::new(cfg);
        place.write("mesh.keystore", fixture("ec.jks"));
        let stand_in = place.read();
        let told = stand_in.told.iter().filter(|told| told.text.starts_with("PollPeriod")).count();
        assert_eq!(told, usize::from(poll == 300), "{:?}", stand_in.told);
        let settings = stand_in.settings().expect("settings");
        assert!(settings.mailboxes.iter().all(|mailbox| mailbox.receive.poll_every.as_secs() == poll));
    }
}

#[test]
fn faults_stand_at_the_key_that_they_come_from() {
    let keystore = "<KeyStorePath>mesh.keystore</KeyStorePath><KeyStorePassword>canary</KeyStorePassword>";
    let https = |more: &str| sandbox(more).replace("http://127", "https://127");
    for (cfg, place_of, said) in [
        (sandbox("").replace("http://127.0.0.1:8700", "http://mesh.example.test"), ":1:13", "PrimaryURL: "),
        (
            sandbox("").replace("X26ABC2<", "X26ABC1<"),
            ":8:18",
            "ClientIdentity: the mailbox X26ABC1 stands here twice",
        ),
        (sandbox("").replace("X26ABC2<", "X26:ABC2<"), ":8:18", "ClientIdentity: "),
        (https(""), ":1:13", "PrimaryURL: MESH is reached over https, and KeyStorePath names no keystore"),
        (https(keystore), ":5:10", "KeyStorePath: "),
        (
            sandbox("").replace("data/it's X26ABC1", "/invented/X26ABC2"),
            ":9:10",
            "InterfaceRoot: adapter x26abc1",
        ),
        (
            sandbox("").replace("http://", "http://me:canary@"),
            ":1:13",
            "PrimaryURL: the url holds a user or a password",
        ),
        ("<MESHConfig/>".to_owned(), "", "PrimaryURL is missing in the root"),
        ("<MESHConfig>".to_owned(), ":1:13", "the file ends at line 1"),
    ] {
        let place = Place::new(cfg);
        place.write("mesh.keystore", fixture("ec.jks"));
        let faults = place.faults();
        assert!(faults.contains(said), "{said}: {faults}");
        assert!(faults.contains(&format!("meshclient.cfg{place_of}")), "{place_of}: {faults}");
        assert!(!faults.contains("canary"), "{faults}");
    }
    let missing = StandIn::read(Path::new("/nonexistent/meshclient.cfg")).err().expect("a fault").to_string();
    assert!(missing.contains("cannot read the configuration"), "{missing}");
}

#[test]
fn what_is_to_be_known_is_told_once_each() {
    let place = Place::new(sandbox(
        "<Colour>canary</Colour><Shape/><ServerRetry>x</ServerRetry><KeyStorePath>gone</KeyStorePath>\
         <ProxyPath>proxy</ProxyPath><AutoUpgrade>Y</AutoUpgrade>",
    ));
    std::fs::create_dir(place.path("proxy")).expect("a folder");
    place.read().settings().expect("a keystore is not used over plain http");
    let before = place.read();
    assert_eq!(
        texts(&before),
        [
            "line 5: ServerRetry is not a whole number above nothing; it is not used",
            "keys that are not known and not used: Colour (line 5), Shape (line 5)",
            "keys that have no meaning here and are not used: KeyStorePath, AutoUpgrade",
        ]
    );
    place.write("proxy/proxy.ini", "host=canary");
    let after = place.read();
    let text = texts(&after)[3];
    assert!(text.contains("proxy.ini is there") && text.contains("proxy = { url ="), "{text}");
    assert!(!text.contains("canary"));
    let many: Vec<String> = (0..NAMED_MAX + 5).map(|number| format!("k{number}")).collect();
    assert!(listed(&many).ends_with("k19 and 5 more"), "{}", listed(&many));
}

#[test]
fn a_dts_clients_file_becomes_a_beginning() {
    let dts =
        "<DTS><ClientIdentity>X26ABC1</ClientIdentity><ClientAuthentication>canary</ClientAuthentication>
        <InterfaceRoot>C:\\DTS\\Client</InterfaceRoot><LogPath>C:\\DTS\\log\\</LogPath></DTS>";
    let place = Place::new(dts);
    let path = place.path("meshclient.cfg");
    let made = StandIn::read_as(&path, Kind::Dts, Path::new(SECRETS)).expect("read");
    let text = &made.translation.text;
    for line in
        ["root = 'C:\\DTS\\Client'", "transfers = 'C:\\DTS\\log\\mesh.log'", "profile = \"dts\"", "# roots ="]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    let told = texts(&made);
    assert!(
        told[0].contains("nothing public says") && told.iter().any(|text| text.contains("no PrimaryURL")),
        "{told:?}"
    );
    let whole =
        dts.replace("<ClientIdentity>", "<PrimaryURL>http://127.0.0.1:1</PrimaryURL><ClientIdentity>");
    place.write("whole.cfg", whole);
    let made = StandIn::read_as(&place.path("whole.cfg"), Kind::Dts, Path::new(SECRETS)).expect("read");
    assert!(made.translation.lacking.is_none());
}

#[test]
fn texts_are_quoted_so_that_they_come_back() {
    for text in ["plain", r"D:\a\b", r"it's\here", "say \"x\"", "a\tb\u{7f}\u{85}", "££", r"\", "'"] {
        let toml = translate::quoted(text);
        assert_eq!(read_back(&toml), text, "{toml}");
    }
}

/// A text of TOML as the loader reads it.
fn read_back(toml: &str) -> String {
    let text = format!(
        "[mesh]\nenvironment = \"sandbox\"\nshared_key = {{ env = \"X\" }}\n[journal]\npath = \"j\"\n\
         [[mailbox]]\nid = \"X26ABC1\"\npassword = {{ env = \"X\" }}\n\
         [[send.route]]\nin_doubt = \"park\"\nmatch = {{ workflow = {toml} }}\n"
    );
    let secrets = Secrets::held(HashMap::new());
    let loaded = relay_config::load_text_with(Path::new("x.toml"), text, secrets, |_, _| Some(()));
    loaded.expect("no faults").send.routes[0].workflow.clone().expect("a text")
}
