use super::*;

/// What an operator is told: message, line, column, and the beginning of the hint. There is always one.
type Told = (&'static str, usize, usize, &'static str);

fn told(text: &str, expected: &[Told]) {
    let faults = Config::new(text).faults();
    let found: Vec<_> =
        faults.iter().map(|fault| (fault.message.as_str(), fault.line, fault.column)).collect();
    let wanted: Vec<_> =
        expected.iter().map(|(message, line, column, _)| (*message, *line, *column)).collect();
    assert_eq!(found, wanted, "\n{faults}");
    for (fault, (.., hint)) in faults.iter().zip(expected) {
        let given = fault.hint.as_str();
        assert!(given.starts_with(hint) && !given.is_empty(), "{hint} | {fault}");
    }
}

const PROXY_TYPE: &str = "wrong type for `proxy`: expected a table in { }, found a string";
const POLL: &str = "password = { file = \"x26hc005.pass\" }";

#[test]
fn one_fault_has_its_place_and_its_hint() {
    let identity = "identity = { cert = \"client.pem\", key = \"client.key\" }";
    let second_mailbox = "[[mailbox]]\nid = \"X26HC005\"\npassword = { env = \"P\" }\n[[adapter]]";
    let cases: &[(&str, &str, Told)] = &[
        ("roots", "gzip = true\nroots", ("unknown key `gzip`", 5, 1, "known here: environment, identity")),
        (
            "[[mailbox]]",
            "[mailbx]\n[[mailbox]]",
            ("unknown section `mailbx`", 10, 2, "did you mean `mailbox`?"),
        ),
        ("[mesh]", "level = 3\n[mesh]", ("unknown key `level`", 1, 1, "known here: mesh")),
        ("[journal]", "[mesh]", ("this key or section stands here for the second time", 7, 2, "remove one")),
        ("roots =", "roots", ("key with no value, expected `=`", 5, 7, "text stands in quotes")),
        (identity, "", ("missing key `identity` in [mesh]", 1, 1, "such as identity")),
        (
            identity,
            "identity = { cert = \"client.pem\" }",
            ("missing key `key` in `identity`", 3, 1, "such as key = \"client.key\""),
        ),
        (
            identity,
            "identity = { }",
            ("missing key `keystore` in `identity`", 3, 1, "such as identity = { cert"),
        ),
        (
            identity,
            "identity = { keystore = \"a.jks\", cert = \"client.pem\" }",
            ("`cert` stands beside `keystore`", 3, 34, "a keystore holds certificate and key"),
        ),
        (
            identity,
            "identity = { cert = \"a\", key = \"b\", alias = \"mesh\" }",
            ("`alias` belongs to a keystore", 3, 37, "PEM files hold one key"),
        ),
        (
            identity,
            "identity = { cert = \"a\", key = \"b\", key_password = { env = \"P\" } }",
            ("`key_password` belongs to a keystore", 3, 37, "PEM files hold one key"),
        ),
        (
            identity,
            "identity = { keystore = \"a.jks\", alias = \" \" }",
            ("`alias` is empty", 3, 34, "leave it out"),
        ),
        (
            identity,
            "identity = { keystore = \"a.jks\", pasword = { env = \"P\" } }",
            ("unknown key `pasword`", 3, 34, "did you mean `password`?"),
        ),
        (
            identity,
            "identity = { keystore = \"a.jks\", password = \"hunter2\" }",
            (
                "`identity.password`: a secret does not stand in the configuration itself",
                3,
                45,
                "write { file = \"path\" } or { env = \"NAME\" }",
            ),
        ),
        (
            "roots",
            "identity_look = \"0s\"\nroots",
            ("`identity_look` must be longer than nothing", 5, 1, "leave it out"),
        ),
        (
            "roots",
            "proxy = { user = \"a\", password = { env = \"P\" } }\nroots",
            ("missing key `url` in `proxy`", 5, 1, "such as url = \"http://proxy.example.nhs.uk:8080\""),
        ),
        (
            "roots",
            "proxy = { url = \"http://proxy\" }\nroots",
            ("`proxy.url`: the url has no port", 5, 17, "such as url"),
        ),
        (
            "roots",
            "proxy = { url = \"http://proxy:8080\", usr = \"me\" }\nroots",
            ("unknown key `usr`", 5, 38, "did you mean `user`?"),
        ),
        (
            "roots",
            "proxy = { url = \"http://proxy:8080\", user = \"me\" }\nroots",
            ("missing key `password` in `proxy`", 5, 1, "such as password"),
        ),
        (
            "roots",
            "proxy = { url = \"http://proxy:8080\", password = { env = \"P\" } }\nroots",
            ("missing key `user` in `proxy`", 5, 1, "such as user"),
        ),
        (
            "roots",
            "proxy = { url = \"http://proxy:8080\", user = \"a:b\", password = { env = \"P\" } }\nroots",
            ("`user` is empty or holds a colon", 5, 38, "leave user and password out"),
        ),
        ("roots", "proxy = \"http://proxy:8080\"\nroots", (PROXY_TYPE, 5, 9, "")),
        ("roots = \"nhs-int.pem\"\n", "", ("missing key `roots` in [mesh]", 1, 1, "such as roots")),
        (
            "\"integration\"",
            "\"intergration\"",
            ("`environment`: there is no environment \"intergration\"", 2, 15, "did you mean `integration`?"),
        ),
        (
            "\"integration\"",
            "{ url = \"http://mesh.example\" }",
            (
                "`environment`: plain http is for this machine only: messages would travel readable by anyone",
                2,
                15,
                "such as",
            ),
        ),
        (
            "\"integration\"",
            "{ uri = \"a\", url = \"https://a\" }",
            ("unknown key `uri`", 2, 17, "did you mean `url`?"),
        ),
        (
            "roots",
            "chunk_size = \"101MB\"\nroots",
            ("`chunk_size` must be more than nothing and at most 100MB", 5, 1, "leave it out"),
        ),
        (
            "shared_key = { env = \"MESH_SHARED_KEY\" }",
            "shared_key = \"hunter2\"",
            (
                "`shared_key`: a secret does not stand in the configuration itself",
                4,
                14,
                "write { file = \"path\" } or { env = \"NAME\" }",
            ),
        ),
        ("path =", "paths =", ("unknown key `paths`", 8, 1, "did you mean `path`?")),
        (
            "\"x26hc005\"",
            "\"x26 hc\"",
            ("`id`: mailbox id holds the character ' ', which is not allowed there", 11, 6, ""),
        ),
        (POLL, "", ("missing key `password` in [[mailbox]]", 10, 1, "such as password")),
        (
            POLL,
            "poll = \"4m\"\npassword = { env = \"P\" }",
            ("`poll` is too short for this environment", 12, 1, "MESH allows at most one poll in 5 minutes"),
        ),
        (
            POLL,
            "poll = 300\npassword = { env = \"P\" }",
            (
                "wrong type for `poll`: expected a duration in quotes, such as \"500ms\", \"30s\", \"5m\", \"2h\" or \
                 \"1d\", found an integer",
                12,
                8,
                "",
            ),
        ),
        ("[[mailbox]]", "[mailbox]", ("`mailbox` is not a list of sections", 10, 2, "write [[mailbox]]")),
        (
            "[[adapter]]",
            second_mailbox,
            ("the mailbox X26HC005 stands here twice", 15, 1, "case does not count"),
        ),
        (
            "\"pathology\"",
            "\"path ology\"",
            ("the name of an adapter is not of the allowed form", 15, 1, "use letters"),
        ),
        (
            "\"dts-folder\"",
            "\"dts-foldr\"",
            ("unknown kind `dts-foldr`", 16, 1, "did you mean `dts-folder`?"),
        ),
        ("root = \"/var/mesh/X26HC005\"", "", ("missing key `root` in [[adapter]]", 14, 1, "")),
        (
            "grace = \"2s\"",
            "mode = \"stict\"",
            ("`mode` has no form `stict`", 19, 8, "did you mean `strict`?"),
        ),
        (
            "[[mailbox]]",
            "[send]\nretry_first = \"2h\"\nretry_max = \"1h\"\n[[mailbox]]",
            ("`retry_max` is shorter than `retry_first`", 12, 1, "the wait grows"),
        ),
    ];
    for (line, by, expected) in cases {
        let by = by.to_string();
        // A misspelt key that is required is missing too; that pair has a test of its own.
        if expected.0 == "unknown key `paths`" {
            told(&with(line, &by), &[("missing key `path` in [journal]", 7, 1, "such as path"), *expected]);
        } else {
            told(&with(line, &by), &[*expected]);
        }
    }
}

#[test]
fn all_faults_are_found_at_once() {
    let text = with("grace = \"2s\"", "grace = 5\noutbound = { queu = 5, limit = -1 }\nmod = 1")
        .replace("name = \"pathology\"", "nam = \"pathology\"")
        .replace("path =", "path = 5 #")
        .replace("id =", "pol = \"5m\"\nid =");
    let number = "`outbound.limit` does not fit: expected a whole number, not negative and not too large";
    let duration = "wrong type for `grace`: expected a duration in quotes, such as \"500ms\", \"30s\", \"5m\", \"2h\" or \
                    \"1d\", found an integer";
    told(
        &text,
        &[
            ("wrong type for `path`: expected a path in quotes, found an integer", 8, 8, ""),
            ("unknown key `pol`", 11, 1, "did you mean `poll`?"),
            ("missing key `name` in [[adapter]]", 15, 1, "such as name"),
            ("unknown key `nam`", 16, 1, "did you mean `name`?"),
            (duration, 20, 9, ""),
            ("missing key `queue` in `outbound`", 21, 12, ""),
            ("unknown key `queu`", 21, 14, "did you mean `queue`?"),
            (number, 21, 32, ""),
            ("unknown key `mod`", 22, 1, "did you mean `mode`?"),
        ],
    );
}

#[test]
fn tables_with_headers_below_an_adapter_have_their_places() {
    let text = with(
        "grace = \"2s\"",
        "[adapter.outbound]\nqueue = \"a\"\nlimit = \"x\"\n[[adapter.queues]]\nquue = 1\nqueue = \"a\"",
    );
    let limit = "wrong type for `outbound.limit`: expected a whole number, not negative and not too large, found a string";
    told(&text, &[(limit, 21, 9, ""), ("unknown key `quue`", 23, 1, "did you mean `queue`?")]);
}

#[test]
fn an_empty_file_names_the_sections_that_it_needs() {
    let missing = [
        ("missing section [mesh]", 1, 1, "add [mesh]"),
        ("missing section [journal]", 1, 1, "add [journal]"),
        ("missing section [[mailbox]]", 1, 1, "add [[mailbox]]"),
    ];
    told("", &missing);
    told("# nothing\n", &missing);
}

#[test]
fn adapter_names_are_unique_whatever_the_case() {
    let second = GOOD.split("[[adapter]]").nth(1).expect("an adapter").replace("pathology", "PATHOLOGY");
    let text = format!("{GOOD}[[adapter]]{second}");
    told(&text, &[("the adapter PATHOLOGY stands here twice", 21, 1, "case does not count")]);
}

#[test]
fn columns_count_characters() {
    let text = with("grace = \"2s\"", "outbound = { queue = \"ééé\", limt = 1 }");
    told(&text, &[("unknown key `limt`", 19, 29, "did you mean `limit`?")]);
}
