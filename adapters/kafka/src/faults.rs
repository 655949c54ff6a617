//! What is wrong with a configuration that can be read: what would loop, lose or betray.

use crate::config::{BODY_MAX, Config, Mechanism};

/// Longest name of a topic in bytes, as brokers have it.
const TOPIC_MAX: usize = 249;
/// Settings of the client that promises rest on, or that have a key of their own; with the other names that the library has
/// for them.
const KEPT: [&str; 27] = [
    "acks",
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "enable.ssl.certificate.verification",
    "group.id",
    "group.protocol",
    "isolation.level",
    "max.poll.interval.ms",
    "message.timeout.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "queue.buffering.max.ms",
    "request.required.acks",
    "security.protocol",
    "transaction.timeout.ms",
    "transactional.id",
    "enable.sasl.oauthbearer.unsecure.jwt",
    "enable.random.seed",
    "enable.gapless.guarantee",
    "ssl.endpoint.identification.algorithm",
];
/// What settings begin with that are kept, too: a topic's go round the others, plug-ins are programs, brokers for tests keep
/// nothing, and secrets have no place in a configuration.
const KEPT_BEGINNINGS: [&str; 6] = ["topic.", "plugin.", "test.", "sasl.", "ssl.", "https."];
/// Of those, what is free.
const FREE: [&str; 4] = ["ssl.cipher.suites", "ssl.curves.list", "ssl.sigalgs.list", "ssl.crl.location"];

impl Config {
    /// What is wrong with the values: the key it concerns, what is wrong, and what to do.
    pub fn faults(&self) -> Vec<(&'static str, String, String)> {
        let mut faults = self.topic_faults();
        let mut fault = |key, what: &str, hint: &str| faults.push((key, what.to_owned(), hint.to_owned()));
        if self.brokers.trim().is_empty() {
            fault("brokers", "brokers must name one at least", "such as brokers = \"kafka.example:9092\"");
        }
        if self.outbound.is_none() && self.inbound.is_none() {
            let what = "neither `outbound` nor `inbound` is there: nothing would be done";
            let hint =
                "add outbound = { topic = \"mesh.outbound\" } or inbound = { topic = \"mesh.inbound\" }";
            fault("mailbox", what, hint);
        }
        if self.status.is_some() && self.outbound.is_none() {
            let what = "`status` tells of what is taken from `outbound`, which is not there";
            let hint = "add outbound = { topic = \"mesh.outbound\" }, or leave `status` out";
            fault("status", what, hint);
        }
        if let Some(outbound) = &self.outbound {
            for (key, value) in [("outbound.in_work", outbound.in_work), ("outbound.gap", outbound.gap)] {
                if value == 0 {
                    fault(key, &format!("{key} must be 1 at least"), "leave it out for the default");
                }
            }
            if outbound.in_work_bytes.bytes() == 0 {
                let what = "outbound.in_work_bytes must not be 0";
                fault("outbound.in_work_bytes", what, "leave it out for the default of 64MiB");
            }
            if outbound.group.trim().is_empty() {
                let hint = "leave it out for the default, mesh-relay";
                fault("outbound.group", "outbound.group must not be empty", hint);
            }
        }
        let bodies = [
            self.outbound.as_ref().map(|outbound| ("outbound.body_max", outbound.body_max)),
            self.inbound.as_ref().map(|inbound| ("inbound.body_max", inbound.body_max)),
        ];
        for (key, size) in bodies.into_iter().flatten() {
            if !(1..=BODY_MAX).contains(&size.bytes()) {
                let what = format!("{key} must be 1 to {BODY_MAX} bytes");
                fault(key, &what, "such as \"16MiB\"; what is longer goes by reference (claim_check)");
            }
        }
        self.security_faults(&mut faults);
        faults.extend(self.claim_check.iter().flat_map(claim_check::Config::faults));
        let is_kept = |key: &str| {
            KEPT.contains(&key)
                || (KEPT_BEGINNINGS.iter().any(|beginning| key.starts_with(beginning))
                    && !FREE.contains(&key))
        };
        for key in self.client.keys().filter(|key| is_kept(key)) {
            let what = format!(
                "client: {key} is not to be set here: the relay's promises rest on it, or it has a key of its own"
            );
            faults.push((
                "client",
                what,
                "take it out of `client`; see what else the adapter's section takes".to_owned(),
            ));
        }
        faults
    }

    fn topic_faults(&self) -> Vec<(&'static str, String, String)> {
        let mut faults = Vec::new();
        let topics = self.topics();
        for (at, (key, name)) in topics.iter().enumerate() {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if name.is_empty() || name.len() > TOPIC_MAX || !name.chars().all(allowed) {
                let what =
                    format!("{key} must be 1 to {TOPIC_MAX} letters, digits, dots, underscores and hyphens");
                faults.push((
                    *key,
                    what,
                    "give the name as the brokers have it, such as \"mesh.outbound\"".to_owned(),
                ));
            }
            if let Some((other, _)) = topics[..at].iter().find(|(_, known)| known == name) {
                let what = format!(
                    "{key} is the same topic as {other}: what is written there would be read again, or mixed up"
                );
                faults.push((*key, what, "name another one".to_owned()));
            }
        }
        faults
    }

    fn security_faults(&self, faults: &mut Vec<(&'static str, String, String)>) {
        let mut fault = |key, what: &str, hint: &str| faults.push((key, what.to_owned(), hint.to_owned()));
        if let Some(login) = &self.login {
            let is_token = login.mechanism == Mechanism::OauthBearer;
            let (needs, is_whole, has_other) = match is_token {
                true => (
                    "`token`, a file, and nothing else",
                    login.token.is_some(),
                    login.user.is_some() || login.password.is_some(),
                ),
                false => (
                    "`user` and `password`, and nothing else",
                    login.user.is_some() && login.password.is_some(),
                    login.token.is_some(),
                ),
            };
            let name = login.mechanism.as_str();
            if !is_whole || has_other {
                let hint = match is_token {
                    true => "such as { mechanism = \"OAUTHBEARER\", token = \"/run/kafka.token\" }",
                    false => {
                        "such as { mechanism = \"SCRAM-SHA-512\", user = \"relay\", password = { file = \"kafka.pass\" } }"
                    }
                };
                fault("login", &format!("{name} needs {needs}"), hint);
            }
            // The library's administrator cannot be given a token.
            if is_token && self.declare {
                let what = "declare = true does not go with OAUTHBEARER";
                fault("declare", what, "leave `declare` out, and make the topics by other means");
            }
            let is_open = matches!(login.mechanism, Mechanism::OauthBearer | Mechanism::Plain);
            if is_open && self.tls.is_none() && !self.is_local() {
                let what = format!("{name} would send its secret to other machines in clear text");
                fault("login", &what, "set tls = { roots = \"kafka-roots.pem\" }");
            }
        }
        if let Some(tls) = &self.tls {
            if tls.look.get().is_zero() {
                let hint = "leave it out for the default of 60 s";
                fault("tls.look", "tls.look must be longer than nothing", hint);
            }
            if tls.cert.is_some() != tls.key.is_some() {
                let hint = "give both or neither: cert = \"client.pem\", key = \"client.key\"";
                fault("tls", "`cert` and `key` go together", hint);
            }
            if tls.key_password.is_some() && tls.key.is_none() {
                let hint = "add cert and key, or leave `key_password` out";
                fault("tls", "`key_password` opens `key`, which is not there", hint);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let usual = "mailbox = \"X26ABC1\"\nbrokers = \"localhost:9092\"\n";
        let text = if text.starts_with("brokers") {
            format!("mailbox = \"X26ABC1\"\n{text}")
        } else {
            format!("{usual}{text}")
        };
        let config: Config = toml::from_str(&text).expect("a section");
        config.faults().into_iter().map(|(_, what, hint)| format!("{what}; {hint}")).collect()
    }

    #[test]
    fn what_would_loop_lose_or_betray_is_refused() {
        let cases = [
            ("outbound = { topic = \"a\" }\nparked = \"a\"", "parked is the same topic as outbound.topic"),
            ("outbound = { topic = \"a\" }\nstatus = { topic = \"a\" }", "status.topic is the same topic"),
            (
                "outbound = { topic = \"a\" }\nstatus = { topic = \"b\", latest = \"b\" }",
                "status.latest is the same",
            ),
            ("outbound = { topic = \"a\" }\ninbound = { topic = \"a\" }", "inbound.topic is the same topic"),
            (
                "inbound = { topic = \"a\", transaction = { seen = \"a\" } }",
                "inbound.transaction.seen is the same",
            ),
            ("inbound = { topic = \"a\" }\nstatus = { topic = \"b\" }", "`status` tells of what is taken"),
            ("inbound = { topic = \"a b\" }", "inbound.topic must be 1 to 249"),
            ("inbound = { topic = \"a\", body_max = \"80MB\" }", "inbound.body_max must be 1 to 50000000"),
            ("outbound = { topic = \"a\", body_max = \"0B\" }", "outbound.body_max must be 1"),
            ("outbound = { topic = \"a\", gap = 0 }", "outbound.gap must be 1"),
            ("outbound = { topic = \"a\", group = \" \" }", "outbound.group must not be empty"),
            ("", "nothing would be done"),
            (
                "inbound = { topic = \"a\" }\ntls = { key_password = { env = \"A\" } }",
                "`key_password` opens `key`",
            ),
            ("inbound = { topic = \"a\" }\ntls = { cert = \"a\" }", "give both or neither"),
            (
                "inbound = { topic = \"a\" }\nlogin = { mechanism = \"SCRAM-SHA-256\", token = \"a\" }",
                "nothing else",
            ),
            (
                "brokers = \"k.example:9092\"\ninbound = { topic = \"a\" }\n\
                 login = { mechanism = \"OAUTHBEARER\", token = \"a\" }",
                "in clear text",
            ),
        ];
        for (text, says) in cases {
            let faults = faults(text);
            assert!(faults.iter().any(|fault| fault.contains(says)), "{text}: {faults:?}");
        }
    }

    #[test]
    fn settings_that_promises_rest_on_are_refused_under_each_of_their_names() {
        for key in [
            "topic.auto.offset.reset",
            "delivery.timeout.ms",
            "delivery.report.only.error",
            "transaction.timeout.ms",
            "test.mock.num.brokers",
            "plugin.library.paths",
            "enable.ssl.certificate.verification",
            "ssl.key.pem",
            "sasl.oauthbearer.client.secret",
            "acks",
        ] {
            let faults = faults(&format!("inbound = {{ topic = \"a\" }}\nclient = {{ \"{key}\" = \"1\" }}"));
            assert!(faults.iter().any(|fault| fault.contains(key)), "{key}: {faults:?}");
        }
        for key in ["group.instance.id", "compression.type", "session.timeout.ms", "ssl.cipher.suites"] {
            let text = format!("inbound = {{ topic = \"a\" }}\nclient = {{ \"{key}\" = \"1\" }}");
            assert_eq!(faults(&text), [""; 0], "{key}");
        }
    }

    #[test]
    fn the_own_machine_is_known_by_its_names() {
        let local = |brokers: &str| {
            let config: Config =
                toml::from_str(&format!("mailbox = \"X26ABC1\"\nbrokers = \"{brokers}\"")).expect("it");
            config.is_local()
        };
        assert!(local("localhost:9092,127.0.0.1:9093, [::1]:9094,") && local("SASL_SSL://localhost:1"));
        assert!(!local("localhost:9092,kafka:9092") && !local("10.0.0.1:9092"));
    }
}
