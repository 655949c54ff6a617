//! With NHS England's MESH nothing leaves the machine without TLS unless somebody answers for it, MESH itself never, and
//! over TLS a certificate is always verified.

use std::fs;
use std::path::{Path, PathBuf};

use relay_testkit::certificates::Authority;
use relay_testkit::private::write_private;

use crate::process::{binary, command};

/// The environments in which patients' data is carried, or whose rules hold all the same.
const NHS: [&str; 3] = ["\"live\"", "\"integration\"", "{ url = \"https://mesh-hscn.nhs.uk\" }"];

/// What `check` says of a configuration, and whether it takes it.
struct Checked {
    taken: bool,
    said: String,
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        for (name, content) in [
            ("a.pass", "password"),
            ("broker.url", "amqp://relay:secret@broker.example:5672/%2f"),
            ("six.url", "amqps://relay:secret@a.example/%2f amqp://relay:secret@[2001:db8::1]:5672/%2f"),
            ("local.url", "amqp://relay:secret@127.0.0.1:5672/%2f amqp://relay:secret@[::1]/%2f"),
            ("database.url", "postgresql://relay:secret@db.example/relay"),
            ("disabled.url", "postgresql://relay:secret@db.example/relay?sslmode=disable"),
            ("astray.url", "host=localhost hostaddr=10.0.0.1 user=relay dbname=relay"),
            ("claims", "access_key_id=A\nsecret_access_key=B\n"),
            (
                "claims-open",
                "access_key_id=A\nsecret_access_key=B\nallow_http=true\nendpoint=http://s3.example\n",
            ),
            ("hook.secret", "a secret that is long enough"),
            ("roots.pem", Authority::new("Roots").pem()),
        ] {
            write_private(&place.0.path().join(name), content);
        }
        let client = Authority::new("Authority").client("TEST.X26.api.mesh-client.nhs.uk");
        write_private(&place.0.path().join("client.pem"), client.certificate);
        write_private(&place.0.path().join("client.key"), client.key);
        place
    }

    /// Checks `[mesh]` with this environment, and `more`.
    fn check(&self, environment: &str, mesh: &str, journal: &str, more: &str) -> Checked {
        let text = format!(
            "[mesh]\nenvironment = {environment}\nshared_key = {{ file = \"a.pass\" }}\nroots = \"roots.pem\"\n\
             identity = {{ cert = \"client.pem\", key = \"client.key\" }}\n{mesh}\n[journal]\n{journal}\n[[mailbox]]\nid = \"X26ABC1\"\npassword = {{ file = \"a.pass\" }}\n{more}\n"
        );
        let path = self.0.path().join("relay.toml");
        write_private(&path, text);
        let output = command(&["check", "--config", path.to_str().expect("a path")]);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(!said.contains("secret@") && !said.contains("panicked"), "{said}");
        Checked { taken: output.status.success(), said }
    }
}

const FILE: &str = "path = \"journal.db\"";

/// The ways to another machine that TLS is not on: a journal, an adapter, and the key that accepts it in a section of its own.
fn clear_ways() -> Vec<(&'static str, String, String, &'static str)> {
    let adapter = |kind: &str, rest: &str| {
        format!("[[adapter]]\nname = \"a\"\nkind = \"{kind}\"\nmailbox = \"X26ABC1\"\n{rest}\n@adapter@\n")
    };
    let amqp = |url: &str| {
        adapter("amqp", &format!("url = {{ file = \"{url}\" }}\ninbound = {{ exchange = \"in\" }}"))
    };
    let kafka = |rest: &str| {
        adapter("kafka", &format!("brokers = \"a.example:9092\"\ninbound = {{ topic = \"in\" }}\n{rest}"))
    };
    let claims = |options: &str, credentials: &str| {
        adapter(
            "amqp",
            &format!(
                "url = {{ file = \"local.url\" }}\ninbound = {{ exchange = \"in\" }}\n[adapter.claim_check]\n\
                 write = \"s3://a\"\ncredentials = {{ file = \"{credentials}\" }}\n{options}"
            ),
        )
    };
    let database = |url: &str| format!("url = {{ file = \"{url}\" }}\ninstance = \"a\"\n@journal@");
    let file = || FILE.to_owned();
    let region = "options = { region = \"eu-west-2\" }";
    vec![
        ("an AMQP broker", file(), amqp("broker.url"), "the broker broker.example:5672"),
        (
            "one AMQP broker of two, by address",
            file(),
            adapter(
                "amqp",
                "url = { file = \"six.url\" }\nroots = \"roots.pem\"\ninbound = { exchange = \"in\" }",
            ),
            "the broker 2001:db8::1:5672",
        ),
        ("Kafka", file(), kafka(""), "the brokers a.example:9092"),
        (
            "Kafka with a login",
            file(),
            kafka(
                "login = { mechanism = \"SCRAM-SHA-512\", user = \"a\", password = { file = \"a.pass\" } }",
            ),
            "the brokers a.example:9092",
        ),
        ("a database", database("database.url"), String::new(), "the database relay on db.example"),
        (
            "a database that says so itself",
            database("disabled.url"),
            String::new(),
            "the database relay on db.example",
        ),
        (
            "a database at another address",
            database("astray.url"),
            String::new(),
            "the database relay on localhost",
        ),
        (
            "an object store, by its credentials",
            file(),
            claims(region, "claims-open"),
            "the object store s3.example",
        ),
        (
            "an object store, by its options",
            file(),
            claims(
                "options = { region = \"eu-west-2\", endpoint = \"http://s3.example\", allow_http = \"true\" }",
                "claims",
            ),
            "the object store s3.example",
        ),
        (
            "an object store that may lead astray",
            file(),
            claims("options = { region = \"eu-west-2\", allow_http = \"true\" }", "claims"),
            "the object store",
        ),
    ]
}

#[test]
fn clear_text_beside_the_nhs_is_refused_unless_it_is_accepted_and_told_even_then() {
    let place = Place::new();
    let accepted = "clear_text = \"accepted\"";
    for (what, journal, adapter, whereto) in clear_ways() {
        let check = |environment: &str, accepted: &str| {
            let fill = |text: &str| text.replace("@journal@", accepted).replace("@adapter@", accepted);
            place.check(environment, "", &fill(&journal), &fill(&adapter))
        };
        for environment in NHS {
            let Checked { taken, said } = check(environment, "");
            assert!(!taken, "{what} with {environment}:\n{said}");
            let fault = format!("messages of patients would go to {whereto}");
            assert!(said.contains(&fault) && said.contains("clear_text = \"accepted\""), "{what}:\n{said}");
            let Checked { taken, said } = check(environment, accepted);
            assert!(taken, "{what} with {environment}, accepted:\n{said}");
            assert!(said.contains(&format!("warning: messages go to {whereto}")), "{what}:\n{said}");
        }
        // Elsewhere it is told.
        let Checked { taken, said } = check("\"sandbox\"", "");
        assert!(taken && said.contains("in clear text"), "{what} with the sandbox:\n{said}");
        // There is no other word for it.
        for other in ["clear_text = true", "clear_text = \"yes\""] {
            assert!(!check(NHS[0], other).taken, "{what}: {other}");
        }
    }
}

#[test]
fn what_stays_on_this_machine_or_goes_over_tls_needs_no_word() {
    let place = Place::new();
    let adapter = |kind: &str, rest: &str| {
        format!("[[adapter]]\nname = \"a\"\nkind = \"{kind}\"\nmailbox = \"X26ABC1\"\n{rest}\n")
    };
    let database = "url = { file = \"database.url\" }\ninstance = \"a\"\nroots = \"roots.pem\"";
    for (journal, adapter) in [
        (FILE, adapter("amqp", "url = { file = \"local.url\" }\ninbound = { exchange = \"in\" }")),
        (FILE, adapter("kafka", "brokers = \"localhost:9092\"\ninbound = { topic = \"in\" }")),
        (
            FILE,
            adapter(
                "kafka",
                "brokers = \"a.example:9093\"\ntls = { roots = \"roots.pem\" }\ninbound = { topic = \"in\" }",
            ),
        ),
        (
            FILE,
            adapter(
                "http",
                "inbound = { url = \"http://127.0.0.1:8080/\", secret = { file = \"hook.secret\" } }",
            ),
        ),
        (
            FILE,
            adapter(
                "amqp",
                "url = { file = \"local.url\" }\ninbound = { exchange = \"in\" }\nclaim_check = { write = \"s3://a\", \
                 credentials = { file = \"claims\" }, options = { region = \"eu-west-2\", \
                 endpoint = \"http://127.0.0.1:9000\", allow_http = \"true\" } }",
            ),
        ),
        (database, String::new()),
    ] {
        let Checked { taken, said } = place.check(NHS[0], "", journal, &adapter);
        assert!(taken && !said.contains("clear text"), "{adapter}{journal}:\n{said}");
    }
}

#[test]
fn mesh_and_what_is_called_over_http_know_no_way_without_tls() {
    let place = Place::new();
    let hook = |url: &str| {
        format!(
            "[[adapter]]\nname = \"a\"\nkind = \"http\"\nmailbox = \"X26ABC1\"\n\
             inbound = {{ url = \"{url}\", secret = {{ file = \"hook.secret\" }} }}\n"
        )
    };
    let console = |lines: &str| format!("[console]\n{lines}\n");
    let openid = |issuer: &str, roots: &str| {
        console(&format!(
            "[console.openid]\nissuer = \"{issuer}\"\nclient_id = \"a\"\noperators = [\"a\"]\n{roots}"
        ))
    };
    for (environment, more) in [
        ("{ url = \"http://mesh-sync.spineservices.nhs.uk\" }", String::new()),
        ("{ url = \"http://10.0.0.1\" }", String::new()),
        ("{ url = \"https://mesh.example\", insecure = true }", String::new()),
        ("\"live\"", hook("http://receiver.example/")),
        ("\"live\"", hook("https://receiver.example/")),
        ("\"live\"", openid("http://id.example", "")),
        ("\"live\"", openid("https://id.example", "")),
        ("\"live\"", console("listen = \"0.0.0.0:8710\"")),
        ("\"live\"", console("public_url = \"http://relay.example\"")),
    ] {
        let Checked { taken, said } = place.check(environment, "", FILE, &more);
        assert!(!taken, "{environment} {more}:\n{said}");
    }
    for mesh in
        ["proxy = { url = \"https://proxy:1\" }", "verify = false", "insecure = true", "tls = \"off\""]
    {
        assert!(!place.check("\"live\"", mesh, FILE, "").taken, "{mesh}");
    }
    // Without roots nobody is trusted, and nothing in the system's store stands in.
    let text = fs::read_to_string(place.0.path().join("relay.toml")).expect("the configuration");
    write_private(
        &place.0.path().join("relay.toml"),
        text.replace("roots = \"roots.pem\"\n", "").replace("tls = \"off\"", ""),
    );
    let path = place.0.path().join("relay.toml");
    assert!(!command(&["check", "--config", path.to_str().expect("a path")]).status.success());
}

#[test]
fn the_kafka_library_cannot_be_told_to_verify_less() {
    let place = Place::new();
    for setting in [
        "\"ssl.endpoint.identification.algorithm\" = \"none\"",
        "\"enable.ssl.certificate.verification\" = \"false\"",
        "\"security.protocol\" = \"plaintext\"",
        "\"ssl.ca.location\" = \"probe\"",
        "\"ssl.ca.pem\" = \"x\"",
        "\"ssl.providers\" = \"x\"",
        "\"ssl.engine.location\" = \"x\"",
        "\"sasl.mechanisms\" = \"PLAIN\"",
        "\"enable.sasl.oauthbearer.unsecure.jwt\" = \"true\"",
        "\"https.ca.location\" = \"x\"",
        "\"bootstrap.servers\" = \"other.example:9092\"",
        "\"metadata.broker.list\" = \"other.example:9092\"",
        "\"plugin.library.paths\" = \"x\"",
    ] {
        let adapter = format!(
            "[[adapter]]\nname = \"a\"\nkind = \"kafka\"\nmailbox = \"X26ABC1\"\nbrokers = \"a.example:9093\"\n\
             tls = {{ roots = \"roots.pem\" }}\ninbound = {{ topic = \"in\" }}\nclient = {{ {setting} }}\n"
        );
        let Checked { taken, said } = place.check("\"live\"", "", FILE, &adapter);
        assert!(!taken && said.contains("is not to be set here"), "{setting}:\n{said}");
    }
}

/// Ways of the libraries to trust whoever answers. None of them stands in the product.
const BYPASSES: [&str; 14] = [
    ".dangerous()",
    "ServerCertVerifier",
    "with_custom_certificate_verifier",
    "danger_accept_invalid_certs",
    "danger_accept_invalid_hostnames",
    "tls_danger",
    "with_allow_invalid_certificates",
    "AllowInvalidCertificates",
    "allow_invalid_certificates\",",
    "SslVerifyMode",
    "verify_none",
    "KeyLogFile",
    "\"enable.ssl.certificate.verification\", \"false\"",
    "set_verify",
];

/// Where some of them stand all the same, and why: `doctor` remembers which certificates it was shown, beside the usual
/// verifier, which alone decides. tests/doctor holds that it refuses each bad one.
const WITNESS: (&str, [&str; 3]) = (
    "crates/mesh-relay/src/doctor/line.rs",
    [".dangerous()", "ServerCertVerifier", "with_custom_certificate_verifier"],
);

#[test]
fn nothing_in_the_product_trusts_whoever_answers() {
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seen = 0;
    let mut due: Vec<PathBuf> = vec![house.join("crates"), house.join("adapters")];
    while let Some(next) = due.pop() {
        for entry in fs::read_dir(&next).expect("a folder").flatten() {
            let path = entry.path();
            // The kit and tests play other sides, some of them careless.
            if path.ends_with("tests") || path.ends_with("relay-testkit") {
                continue;
            }
            if path.is_dir() {
                due.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source");
                let product = text.split("#[cfg(test)]\nmod tests {").next().expect("one at least");
                let is_witness = |bypass: &str| path.ends_with(WITNESS.0) && WITNESS.1.contains(&bypass);
                let found = BYPASSES.iter().find(|bypass| product.contains(**bypass) && !is_witness(bypass));
                assert_eq!(found, None, "{}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 200, "the sources were found");
}

#[test]
fn no_option_of_a_command_verifies_less() {
    let help = |arguments: &[&str]| {
        let output =
            std::process::Command::new(binary()).args(arguments).arg("--help").output().expect("help");
        String::from_utf8_lossy(&output.stdout).to_lowercase()
    };
    let whole = help(&[]);
    let list = whole.split("commands:").nth(1).expect("a list").split("options:").next().expect("it");
    let commands: Vec<&str> = list
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.contains(&"run") && commands.contains(&"send"), "{commands:?}");
    for command in commands {
        let text = help(&[command]);
        for option in text.split_whitespace().filter(|word| word.starts_with("--")) {
            for bad in ["insecure", "verif", "skip", "trust-all", "no-check", "no-tls", "danger"] {
                // Of the sandbox: which certificates its callers must show.
                assert!(!option.contains(bad), "{command} has {option}");
            }
        }
    }
}
