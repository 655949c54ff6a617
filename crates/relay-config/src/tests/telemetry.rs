use super::*;
use crate::{LogFormat, LogLevel};

fn loaded(section: &str) -> Loaded<Folder> {
    Config::new(format!("{GOOD}\n{section}")).load().unwrap_or_else(|faults| panic!("{faults}"))
}

fn fault(section: &str) -> (String, String) {
    let faults = Config::new(format!("{GOOD}\n{section}")).faults();
    assert_eq!(faults.len(), 1, "{section}: {faults}");
    let fault = faults.iter().next().expect("one");
    assert!(fault.line > 18, "{fault}");
    (fault.message.clone(), fault.hint.clone())
}

#[test]
fn without_the_section_nothing_is_sent_and_lines_are_for_people() {
    let loaded = loaded("");
    assert!(loaded.telemetry.is_none());
    assert_eq!((loaded.log.format, loaded.log.level), (LogFormat::Text, LogLevel::Info));
}

#[test]
fn what_is_written_is_read() {
    let loaded = loaded(
        "[log]\nformat = \"json\"\nlevel = \"debug\"\n\
         [telemetry]\nendpoint = \"https://Collector:4318/\"\nroots = \"c.pem\"\nsample = 0.25\nmetrics = false\n\
         headers = { authorization = { file = \"otlp.token\" } }\n",
    );
    assert_eq!((loaded.log.format, loaded.log.level), (LogFormat::Json, LogLevel::Debug));
    let telemetry = loaded.telemetry.expect("the section");
    assert_eq!(telemetry.endpoint, "https://collector:4318");
    assert!(telemetry.roots.is_some_and(|roots| roots.ends_with("c.pem")));
    assert!(telemetry.traces && !telemetry.metrics);
    assert!((telemetry.sample - 0.25).abs() < f64::EPSILON);
    assert_eq!(telemetry.headers["authorization"], SecretRef::File("otlp.token".into()));
}

#[test]
fn a_collector_next_door_may_be_asked_in_clear_text() {
    let telemetry = loaded("[telemetry]\nendpoint = \"http://collector:4318\"").telemetry;
    assert_eq!(telemetry.expect("the section").endpoint, "http://collector:4318");
}

#[test]
fn what_is_wrong_has_its_place_and_a_hint() {
    for (section, message, hint) in [
        ("[telemetry]\n", "missing key `endpoint`", "such as endpoint"),
        ("[telemetry]\nendpoint = \"collector\"", "not an address", "such as \"http"),
        ("[telemetry]\nendpoint = \"http://a:4318/v1/traces\"", "not an address", "such as \"http"),
        ("[telemetry]\nendpoint = \"https://a:4318\"", "somebody must be trusted", "name the certificates"),
        (
            "[telemetry]\nendpoint = \"http://a:4318\"\nheaders = { a = { env = \"A\" } }",
            "in clear text",
            "use an https",
        ),
        (
            "[telemetry]\nendpoint = \"http://127.0.0.1:4318\"\nheaders = { \"a b\" = { env = \"A\" } }",
            "is none of a header",
            "use letters",
        ),
        ("[telemetry]\nendpoint = \"http://127.0.0.1:4318\"\nsample = 2.0", "not a share", "such as 0.1"),
        (
            "[telemetry]\nendpoint = \"http://127.0.0.1:4318\"\ntraces = false\nmetrics = false",
            "nothing is to be sent",
            "leave one",
        ),
        (
            "[telemetry]\nendpont = \"http://127.0.0.1:4318\"\nendpoint = \"http://a:1\"",
            "unknown key",
            "did you mean",
        ),
        ("[log]\nformat = \"jsn\"", "jsn", "did you mean `json`"),
        ("[log]\nlevel = \"loud\"", "loud", "known here"),
    ] {
        let (told, advice) = fault(section);
        assert!(told.contains(message) && advice.starts_with(hint), "{section}: {told} | {advice}");
    }
}
