use secrecy::ExposeSecret;

use super::*;
use crate::{SecretError, Secrets, load_text_with};

const CANARY: &str = "canary-7f3a";

/// Whatever is wrong with a file that holds a secret, the secret does not show.
#[test]
fn a_secret_in_the_file_never_shows() {
    let shared_key = "shared_key = { env = \"MESH_SHARED_KEY\" }";
    let password = "password = { file = \"x26hc005.pass\" }";
    let grace = "grace = \"2s\"";
    let cases = [
        (shared_key, "shared_key = \"canary-7f3a\""),
        (shared_key, "shared_key = { value = \"canary-7f3a\" }"),
        (shared_key, "shared_key = [\"canary-7f3a\"]"),
        (shared_key, "shared_key = canary-7f3a"),
        (shared_key, "shared_key = \"canary-7f3a"),
        (shared_key, "shared_key = { value = canary-7f3a }"),
        (shared_key, "shared_key = \"\"\"\ncanary-7f3a\"\"\""),
        (shared_key, "shared_key = \"\"\"\ncanary-7f3a = \\q\"\"\""),
        (shared_key, "sharedkey = \"canary-7f3a\""),
        (shared_key, "something = \"canary-7f3a\""),
        (password, "password = \"canary-7f3a\""),
        (password, "pasword = \"canary-7f3a\""),
        (password, "pasword = canary-7f3a"),
        (password, "'passw' = \"canary-7f3a\""),
        (password, "password = { file = \"a\", env = \"b\", text = \"canary-7f3a\" }"),
        (password, "password = \"canary-7f3a\"\npassword = \"canary-7f3a\""),
        ("identity = { cert", "identity = { keystore = \"a.jks\", password = \"canary-7f3a\", cert"),
        ("identity = { cert", "identity = { key_password = \"canary-7f3a\", cert"),
        ("roots", "proxy = { url = \"http://me:canary-7f3a@proxy:8080\" }\nroots"),
        ("roots", "proxy = { url = \"http://proxy:8080\", user = 5, password = \"canary-7f3a\" }\nroots"),
        (
            "environment = \"integration\"",
            "environment = { url = \"https://user:canary-7f3a@mesh.example\" }",
        ),
        (grace, "token = \"canary-7f3a\""),
        (grace, "token = { file = \"x\", pass = \"canary-7f3a\" }\nother = 1"),
        (grace, "outbound = { queue = 5, password = \"canary-7f3a\" }"),
    ];
    for (line, by) in cases {
        let faults = Config::new(with(line, by)).faults();
        let shown = format!("{faults} {faults:?}");
        assert!(!shown.contains(CANARY), "{by}\n{shown}");
        assert!(!shown.contains("canary"), "{by}\n{shown}");
    }
}

#[test]
fn a_loaded_configuration_does_not_show_the_file() {
    let text = format!("{}# {CANARY}\n", with("grace", "mode = \"strict\"\ngrace"));
    let config = Config::new(text);
    let loaded = crate::load(&config.path).expect("no faults");
    assert!(!format!("{loaded:?}").contains(CANARY));
}

#[test]
fn secrets_come_from_files_without_their_last_line_end() {
    let config = Config::new(GOOD);
    for (content, secret) in [("s3\n", "s3"), ("s3\r\n", "s3"), ("s3\n\n", "s3\n"), (" s3 ", " s3 ")] {
        config.file("pass", content.as_bytes());
        let resolved = SecretRef::File("pass".into())
            .resolve(&Secrets::in_files(config.folder.path()))
            .expect("a secret");
        assert_eq!(resolved.expose_secret(), secret);
    }
}

#[test]
fn secrets_come_from_the_environment() {
    let name = "CARGO_PKG_NAME".to_owned();
    let resolved = SecretRef::Env(name).resolve(&Secrets::in_files("")).expect("a secret");
    assert_eq!(resolved.expose_secret(), "relay-config");
}

/// With secrets in memory no file is read, whatever stands on the disk.
#[test]
fn held_secrets_stand_in_for_files() {
    let config = Config::new(GOOD);
    config.file("x26hc005.pass", b"on the disk");
    let held = |names: &[&str]| {
        let secret = |name: &&str| (PathBuf::from(name), secrecy::SecretString::from("held"));
        Secrets::held(names.iter().map(secret).collect())
    };
    let secrets = held(&["x26hc005.pass"]);
    let loaded = load_text_with(&config.path, GOOD.to_owned(), secrets, Folder::read).expect("no faults");
    let password = loaded.mailboxes[0].password.resolve(&loaded.secrets).expect("a secret");
    assert_eq!(password.expose_secret(), "held");
    assert!(!format!("{loaded:?}").contains("\"held\""));
    let refused = loaded.mailboxes[0].password.resolve(&held(&["other"])).expect_err("an error");
    assert!(matches!(refused, SecretError::File { .. }), "{refused}");
}

#[test]
fn secrets_that_cannot_be_had_say_what_to_do() {
    let config = Config::new(GOOD);
    let base = config.folder.path();
    let resolve = |secret: SecretRef| secret.resolve(&Secrets::in_files(base)).expect_err("an error");
    config.file("empty", b"\n");
    config.file("binary", &[0xff, 0xfe]);
    let missing = resolve(SecretRef::File("missing".into()));
    let path = base.join("missing").display().to_string();
    assert!(matches!(missing, SecretError::File { .. }) && missing.to_string().contains(&path));
    assert!(matches!(resolve(SecretRef::File("empty".into())), SecretError::FileEmpty { .. }));
    assert!(matches!(resolve(SecretRef::File("binary".into())), SecretError::FileNotText { .. }));
    let unset = resolve(SecretRef::Env("RELAY_CONFIG_IS_NOT_SET".to_owned()));
    assert!(unset.to_string().contains("RELAY_CONFIG_IS_NOT_SET is not set; set it"), "{unset}");
}
