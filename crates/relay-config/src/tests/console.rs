use std::path::Path;

use super::*;
use crate::{ConsoleRole, ConsoleSection, LISTEN};

fn load(text: &str) -> Result<Option<ConsoleSection>, Faults> {
    Config::new(format!("{GOOD}{text}")).load().map(|loaded| loaded.console)
}

fn good(text: &str) -> ConsoleSection {
    load(text).expect("no faults").expect("a console")
}

#[test]
fn without_its_section_there_is_no_console_and_an_empty_one_is_for_this_machine() {
    assert!(load("").expect("no faults").is_none());
    let console = good("[console]\n");
    assert_eq!((console.listen, console.read_without_sign_in), (LISTEN, true));
    assert!(console.callers.is_empty() && console.openid.is_none() && console.tls.is_none());
}

#[test]
fn a_console_for_others_is_read() {
    let config = Config::new(format!(
        "{GOOD}{}",
        r#"[console]
listen = "0.0.0.0:8710"
public_url = "https://Relay.example.nhs.uk/"
tls = { cert = "console.pem", key = "/etc/console.key" }
[[console.caller]]
name = "engine"
role = "sender"
token = { file = "engine.token" }
[[console.caller]]
name = "night shift"
role = "operator"
token = { env = "NIGHT" }
[console.openid]
issuer = "https://id.example.nhs.uk/realms/staff"
client_id = "mesh-relay"
client_secret = { file = "client.secret" }
roles_claim = "realm_access.roles"
operators = ["mesh-operators"]
viewers = ["mesh-viewers"]
roots = "ca.pem"
"#
    ));
    let console = config.load().expect("no faults").console.expect("a console");
    let folder = config.folder.path();
    assert_eq!(console.public_url.as_deref(), Some("https://relay.example.nhs.uk"));
    assert!(!console.read_without_sign_in);
    let tls = console.tls.expect("tls");
    assert_eq!((tls.cert, tls.key.as_path()), (folder.join("console.pem"), Path::new("/etc/console.key")));
    let callers: Vec<_> = console.callers.iter().map(|caller| (caller.name.as_str(), caller.role)).collect();
    assert_eq!(callers, [("engine", ConsoleRole::Sender), ("night shift", ConsoleRole::Operator)]);
    let openid = console.openid.expect("openid");
    assert_eq!((openid.scopes, openid.name_claim), (vec!["profile".to_owned()], None));
    assert_eq!(openid.roots, Some(folder.join("ca.pem")));
    assert_eq!(openid.roles_claim, "realm_access.roles");
}

const CALLER: &str = "[[console.caller]]\nname = \"a\"\nrole = \"viewer\"\ntoken = { env = \"A\" }\n";
const OPENID: &str =
    "[console.openid]\nissuer = \"http://localhost:1/x\"\nclient_id = \"c\"\nviewers = [\"v\"]\n";

/// The good file ends with line 19, so `[console]` stands on line 20.
fn told(text: &str, message: &str, line: usize, column: usize, hint: &str) {
    let faults = load(text).expect_err("faults");
    let found: Vec<_> =
        faults.iter().map(|fault| (fault.message.as_str(), fault.line, fault.column)).collect();
    assert_eq!(found, [(message, line, column)], "{text}\n{faults}");
    let given = faults.iter().next().map(|fault| fault.hint.clone()).unwrap_or_default();
    assert!(given.starts_with(hint), "{faults}");
}

#[test]
fn what_would_let_anybody_in_or_nobody_has_its_place_and_its_hint() {
    let tls = "tls = { cert = \"c\", key = \"k\" }\n";
    told(
        &format!("[console]\nlisten = \"10.0.0.1:8710\"\n{CALLER}"),
        "beyond loopback the console needs `tls`",
        21,
        1,
        "write tls = {",
    );
    told(
        &format!("[console]\nlisten = \"10.0.0.1:8710\"\n{tls}"),
        "beyond loopback somebody must be able to sign in",
        21,
        1,
        "add a [[console.caller]]",
    );
    told(
        "[console]\npublic_url = \"https://relay.example\"\n",
        "beyond loopback somebody must be able to sign in",
        21,
        1,
        "add a [[console.caller]]",
    );
    told(
        &format!("[console]\npublic_url = \"https://relay.example\"\nread_without_sign_in = true\n{CALLER}"),
        "`read_without_sign_in` is for loopback alone",
        22,
        1,
        "leave it out",
    );
    told("[console]\nread_without_sign_in = false\n", "nobody could sign in", 21, 1, "add a");
    told(
        &format!("[console]\nlisten = \"[::]:8710\"\n{tls}{OPENID}"),
        "beyond loopback `openid` needs a `public_url`",
        23,
        10,
        "such as public_url",
    );
}

#[test]
fn misspelt_and_missing_things_have_their_places_and_hints() {
    told(
        "[console]\nlisten = \"8710\"\n",
        "`listen`: not an address with a port",
        21,
        10,
        "such as \"127.0.0.1:8710\"",
    );
    for url in
        ["relay.example", "http://relay.example", "https://relay.example/x", "https://u:p@relay.example"]
    {
        let text = format!("[console]\npublic_url = \"{url}\"\n");
        told(&text, "`public_url`: not an address of the form https://host", 21, 14, "such as");
    }
    told(
        "[console]\ntls = { cert = \"c\" }\n",
        "missing key `key` in `tls`",
        21,
        1,
        "such as key = \"console.key\"",
    );
    told(
        &format!("[console]\n{}", CALLER.replace("viewer", "operater")),
        "`caller`: there is no role \"operater\"",
        23,
        8,
        "did you mean `operator`?",
    );
    told(
        &format!("[console]\n{CALLER}{}", CALLER.replace("\"A\"", "\"B\"")),
        "the caller a stands here twice",
        26,
        1,
        "give each holder",
    );
    told(
        &format!("[console]\n{CALLER}{}", CALLER.replace("\"a\"", "\"b\"")),
        "the token of b is another's, too",
        28,
        1,
        "give each holder a token",
    );
    told(
        &format!("[console]\n{}", CALLER.replace("\"a\"", "\" \"")),
        "the name of a caller is empty, too long, or begins with a bracket",
        22,
        1,
        "name whoever",
    );
    told(
        &format!("[console]\n{}", CALLER.replace("name = \"a\"\n", "")),
        "missing key `name` in `caller`",
        21,
        1,
        "",
    );
    told(
        &format!("[console]\n{}", OPENID.replace("http://localhost:1/x", "http://id.example")),
        "`issuer` is not an https address (http on loopback alone)",
        22,
        1,
        "such as issuer",
    );
    told(
        &format!("[console]\n{}", OPENID.replace("http://localhost:1/x", "https://id.example")),
        "missing key `roots` in `openid`",
        21,
        10,
        "such as roots",
    );
    told(
        &format!("[console]\n{}", OPENID.replace("[\"v\"]", "[]")),
        "neither `operators` nor `viewers` names a role; nobody could sign in",
        21,
        10,
        "such as operators",
    );
    told(
        &format!("[console]\n{OPENID}operators = [\"v\"]\n"),
        "`operators` and `viewers` name the same role",
        24,
        1,
        "an operator may look",
    );
    told(
        &format!("[console]\n{}", OPENID.replace("client_id = \"c\"\n", "")),
        "missing key `client_id` in `openid`",
        21,
        10,
        "such as client_id",
    );
    told(&format!("[console]\n{OPENID}scope = []\n"), "unknown key `scope`", 25, 1, "did you mean `scopes`?");
}

#[test]
fn a_token_in_the_file_itself_is_refused_and_not_shown() {
    for (text, by) in [
        (
            CALLER.replace("{ env = \"A\" }", "\"canary-7f3a\""),
            "a secret does not stand in the configuration itself",
        ),
        (
            format!("{OPENID}client_secret = \"canary-7f3a\"\n"),
            "a secret does not stand in the configuration itself",
        ),
        (CALLER.replace("token = { env = \"A\" }", "tokn = \"canary-7f3a\""), "tokn"),
    ] {
        let faults = load(&format!("[console]\n{text}")).expect_err("faults");
        let shown = format!("{faults} {faults:?}");
        assert!(shown.contains(by) && !shown.contains("canary"), "{shown}");
    }
}
