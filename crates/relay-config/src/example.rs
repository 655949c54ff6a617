//! Keys as one writes them: for hints, and for the reference page.

/// Keys that must stand somewhere, or are often wrong, as one writes them.
const EXAMPLES: [(&str, &str); 61] = [
    ("alias", "alias = \"mesh\""),
    ("brokers", "brokers = \"kafka-1.example:9092,kafka-2.example:9092\""),
    ("cert", "cert = \"client.pem\""),
    ("claim_check", "claim_check = { read = [\"/srv/claims\"] }"),
    ("client_id", "client_id = \"mesh-relay\""),
    ("credentials", "credentials = { file = \"store.login\" }"),
    ("environment", "environment = \"integration\""),
    ("exchange", "exchange = \"mesh.inbound\""),
    ("failed", "failed = \"2160h\""),
    ("from", "from = \"X26ABC1\""),
    ("grace", "grace = \"2s\""),
    ("id", "id = \"X26HC005\""),
    ("identity", "identity = { cert = \"client.pem\", key = \"client.key\" }"),
    ("in_doubt", "in_doubt = \"two-step\""),
    ("inbound", "inbound = { … }, with what the adapter's kind needs"),
    ("instance", "instance = \"relay-a\""),
    ("issuer", "issuer = \"https://id.example.nhs.uk/realms/staff\""),
    ("keep", "keep = { sent = \"2160h\" }"),
    ("key", "key = \"client.key\""),
    ("keystore", "keystore = \"mesh.keystore\""),
    ("kind", "kind = \"dts-folder\""),
    ("latest", "latest = \"mesh.status.latest\""),
    (
        "login",
        "login = { mechanism = \"SCRAM-SHA-512\", user = \"relay\", password = { file = \"kafka.pass\" } }",
    ),
    ("mailbox", "mailbox = \"X26HC005\""),
    ("match", "match = { workflow = \"PATH_*\" }"),
    ("mechanism", "mechanism = \"SCRAM-SHA-512\""),
    ("message", "message = { mailbox = \"X26HC005\", workflow = \"PATH_MEDRPT_V3\" }"),
    ("messages", "messages = 60"),
    ("name", "name = \"pathology\""),
    ("name_claim", "name_claim = \"name\""),
    ("operators", "operators = [\"mesh-operators\"]"),
    ("options", "options = { region = \"eu-west-2\" }"),
    ("outbound", "outbound = { … }, with what the adapter's kind needs"),
    ("path", "path = \"journal.db\""),
    ("per", "per = \"1m\""),
    ("poll", "poll = \"5m\""),
    ("proxy", "proxy = { url = \"http://proxy.example.nhs.uk:8080\" }"),
    ("queue", "queue = \"mesh.outbound\""),
    ("rate", "rate = { messages = 60, per = \"1m\" }"),
    ("read", "read = [\"/srv/claims/to-mesh\"]"),
    ("recipient_rate", "recipient_rate = { messages = 60, per = \"1m\" }"),
    ("reply_to", "reply_to = [\"engine.status\"]"),
    ("reports", "reports = { transfer = true }"),
    ("role", "role = \"operator\""),
    ("root", "root = \"/var/mesh/X26HC005\""),
    ("roots", "roots = \"roots.pem\""),
    ("secret", "secret = { file = \"webhook.secret\" }"),
    ("sent", "sent = \"2160h\""),
    ("server_reports", "server_reports = { swap = true, own_id = true }"),
    ("signal", "signal = \"mexclient.sig\""),
    ("tls", "tls = { roots = \"roots.pem\" }"),
    ("to", "to = \"X26ABC1\""),
    ("token", "token = { file = \"caller.token\" }"),
    ("topic", "topic = \"mesh.outbound\""),
    ("transfers", "transfers = \"log/mesh.log\""),
    ("url", "url = { env = \"NAME\" } or { file = \"path\" }"),
    ("user", "user = \"relay\""),
    ("viewers", "viewers = [\"mesh-viewers\"]"),
    ("workflow", "workflow = \"PATH_MEDRPT_V3\""),
    ("workflows", "workflows = [\"PATH_*\", \"DISCHARGE\"]"),
    ("write", "write = \"/srv/claims/from-mesh\""),
];

/// A value of a key, as one writes it, where one is known: for the page and for hints.
pub fn example_value(key: &str) -> Option<&'static str> {
    let (_, example) = EXAMPLES.iter().find(|(name, _)| *name == key)?;
    example.split_once(" = ").map(|(_, value)| value).filter(|value| !value.contains('…'))
}

/// A key as one writes it.
pub(crate) fn example(key: &str) -> String {
    let known = EXAMPLES.iter().find(|(name, _)| *name == key);
    known.map_or_else(|| format!("{key} = \"…\""), |(_, example)| (*example).to_owned())
}
