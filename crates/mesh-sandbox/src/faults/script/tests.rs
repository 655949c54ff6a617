//! Scripts of every kind, sound and not.

use super::*;
use crate::faults::effect::one_of_each;

const EVERY_EFFECT: &str = r#"
seed = 7
fault = [
    { name = "a", effect = "lose-answer", mailbox = " x26abc1 ", call = "send" },
    { name = "b", effect = "cut-request", after_bytes = 0, call = ["send", "send-chunk"] },
    { name = "c", effect = "cut-answer", after_bytes = 1_000, skip = 3 },
    { name = "d", effect = "truncate-body", bytes = 10, times = 2 },
    { name = "e", effect = "delay", millis = 600_000, probability = 0.25 },
    { name = "f", effect = "slow-body", bytes_per_second = 1, call = [] },
    { name = "g", effect = "status", status = 503, retry_after_seconds = 120, body = "soap" },
    { name = "h", effect = "duplicate-entries", copies = 2 },
    { name = "i", effect = "clog-inbox", messages = 10_000, workflow_id = "TEST_WORKFLOW", call = "list" },
    { name = "j", effect = "late-report", seconds = 60, call = ["report"] },
    { name = "k", effect = "report-out-of-order", probability = 1 },
]
"#;

fn toml_error(text: &str) -> String {
    FaultScript::from_toml(text).expect_err("a fault in the script").to_string()
}

/// The error of a script whose second fault has these keys beside its name.
fn error_of(keys: &str) -> String {
    let sound = "[[fault]]\nname = \"first\"\neffect = \"lose-answer\"\n";
    toml_error(&format!("{sound}\n[[fault]]\nname = \"late\"\n{keys}\n"))
}

#[test]
fn a_script_with_every_effect_is_read() {
    let script = FaultScript::from_toml(EVERY_EFFECT).expect("a script");
    assert_eq!(script.seed(), 7);
    let effects: Vec<Effect> = script.faults().iter().map(|fault| fault.effect.clone()).collect();
    assert_eq!(effects, one_of_each());
    let [a, b, c, d, e, f, _, h, i, j, k] = script.faults() else {
        panic!("eleven faults");
    };
    assert_eq!(a.mailbox.as_ref().map(|id| id.as_str()), Some("X26ABC1"));
    assert_eq!((&a.calls[..], &b.calls[..]), (&[Call::Send][..], &[Call::Send, Call::SendChunk][..]));
    assert_eq!((c.skip, c.times, c.probability), (3, None, 1.0));
    assert_eq!((d.skip, d.times, e.probability, k.probability), (0, Some(2), 0.25, 1.0));
    assert!(f.calls.is_empty());
    assert_eq!([&h.calls, &i.calls], [&[Call::List]; 2]);
    assert_eq!([&j.calls, &k.calls], [&[Call::Report]; 2]);
}

#[test]
fn what_is_written_as_json_is_read_as_json() {
    let script = FaultScript::from_toml(EVERY_EFFECT).expect("a script");
    let faults = serde_json::to_string_pretty(script.faults()).expect("JSON");
    let json = format!("{{\"seed\": 7, \"fault\": {faults}}}");
    assert_eq!(FaultScript::from_json(&json), Ok(script.clone()));
    for fault in script.faults() {
        let one = serde_json::to_string(fault).expect("JSON");
        assert_eq!(Fault::from_json(&one).as_ref(), Ok(fault));
    }
    let bare = Fault::from_json(r#"{"name": "n", "effect": "status", "status": 429, "times": null}"#);
    let effect = Effect::Status { status: 429, retry_after_seconds: None, body: Page::Mesh };
    assert_eq!(bare, Ok(Fault::new("n", effect)));
}

#[test]
fn an_empty_script_has_no_faults() {
    assert_eq!(FaultScript::from_toml(""), Ok(FaultScript::default()));
    assert_eq!(FaultScript::from_json("{}"), Ok(FaultScript::default()));
}

#[test]
fn the_sample_is_sound_and_shows_every_effect() {
    let text = include_str!("../../../../../config/faults.toml");
    let script = FaultScript::from_toml(text).expect("config/faults.toml");
    for name in Effect::NAMES {
        assert!(script.faults().iter().any(|fault| fault.effect.name() == name), "{name} is not shown");
    }
    let endless = script.faults().iter().filter(|fault| fault.times.is_none()).count();
    assert!((2..=3).contains(&endless), "{endless} faults without `times`");
}

#[test]
fn wrong_values_are_told_with_place_fault_key_and_what_would_be_right() {
    assert_eq!(
        error_of("effect = \"lose-answer\"\ntimes = 0"),
        "fault script, line 8, column 1, fault \"late\": `times` is 0: write a whole number from 1 up"
    );
    for (keys, words) in [
        ("effect = 5", "`effect` is 5: write one of lose-answer, cut-request, "),
        ("effect = \"dealy\"\nmillis = 1", "`effect` is \"dealy\": write one of"),
        ("effect = \"lose-answer\"\ncall = \"sned\"", "`call` is \"sned\": write one of handshake, list, "),
        ("effect = \"lose-answer\"\ncall = [\"send\", 3]", "`call` is 3: write one of handshake, "),
        (
            "effect = \"lose-answer\"\nmailbox = \"X:1\"",
            "`mailbox` is \"X:1\": write a mailbox id, such as \"X26ABC1\"",
        ),
        ("effect = \"lose-answer\"\nmailbox = 1", "`mailbox` is 1: write a mailbox id"),
        ("effect = \"lose-answer\"\nprobability = 1.5", "`probability` is 1.5: write a number from 0 to 1"),
        ("effect = \"lose-answer\"\nprobability = 50", "`probability` is 50: write a number from 0 to 1"),
        ("effect = \"lose-answer\"\nprobability = nan", "`probability` is NaN: write a number from 0 to 1"),
        ("effect = \"lose-answer\"\nskip = -1", "`skip` is -1: write a whole number from 0 up"),
        ("effect = \"lose-answer\"\nskip = 1.0", "`skip` is 1: write a whole number"),
        ("effect = \"lose-answer\"\ntimes = \"2\"", "`times` is \"2\": write a whole number from 1 up"),
        ("effect = \"lose-answer\"\ntimes = true", "`times` is true or false: write a whole number"),
        ("effect = \"status\"\nstatus = 100", "`status` is 100: write a whole number from 200 to 599"),
        ("effect = \"status\"\nstatus = 70_000", "`status` is 70000: write a whole number from 200 to 599"),
        (
            "effect = \"status\"\nstatus = 503\nbody = \"xml\"",
            "`body` is \"xml\": write one of mesh, empty, html, soap",
        ),
        ("effect = \"delay\"\nmillis = 600_001", "`millis` is 600001: write a whole number from 0 to 600000"),
        ("effect = \"slow-body\"\nbytes_per_second = 0", "write a whole number from 1 up"),
        ("effect = \"duplicate-entries\"\ncopies = 1", "write a whole number from 2 to 100"),
        (
            "effect = \"clog-inbox\"\nmessages = 0\nworkflow_id = \"W\"",
            "write a whole number from 1 to 10000",
        ),
        (
            "effect = \"clog-inbox\"\nmessages = 1\nworkflow_id = \"\"",
            "`workflow_id` is \"\": write a workflow id",
        ),
    ] {
        let text = error_of(keys);
        assert!(text.starts_with("fault script, line ") && text.contains(", fault \"late\": `"), "{text}");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn keys_that_lack_or_mean_nothing_are_told() {
    let text = error_of("effect = \"delay\"");
    assert_eq!(
        text,
        "fault script, line 5, column 1, fault \"late\": the key `millis` is missing: \
         add it with a whole number from 0 to 600000"
    );
    assert!(error_of("times = 1").contains("the key `effect` is missing: add it with one of lose-answer, "));
    let text = error_of("effect = \"lose-answer\"\n\n millis = 4");
    assert_eq!(
        text,
        "fault script, line 9, column 2, fault \"late\": the key \"millis\" has no meaning here: \
         the keys are name, mailbox, call, skip, times, probability, effect"
    );
    let text = toml_error("[[fault]]\neffect = \"lose-answer\"");
    assert!(
        text.contains("line 1, column 1, fault number 1: the key `name` is missing: add it with a text"),
        "{text}"
    );
    let text = toml_error("sede = 1");
    assert_eq!(
        text,
        "fault script, line 1, column 1: the key \"sede\" has no meaning here: the keys are seed, fault"
    );
    assert!(toml_error("seed = -1").contains("`seed` is -1: write a whole number from 0 up"));
    let text = toml_error("[fault]\nname = \"x\"");
    assert!(text.contains("`fault` is a table: write a list of faults, each a table of keys"), "{text}");
    assert!(toml_error("fault = [3]").contains("fault number 1: `fault` is 3: write a list of faults"));
}

#[test]
fn effects_that_do_not_fit_and_names_that_are_taken_are_told() {
    let text = error_of("effect = \"late-report\"\nseconds = 1\ncall = \"send\"");
    assert_eq!(
        text,
        "fault script, line 9, column 1, fault \"late\": the effect `late-report` cannot strike the call `send`: \
         it strikes `report` alone, so write that or leave `call` out"
    );
    let text = toml_error(
        "fault = [{ name = \"x\", effect = \"lose-answer\" },\n{ name = \"x\", effect = \"lose-answer\" }]",
    );
    assert_eq!(
        text,
        "fault script, line 2, column 3, fault \"x\": `name` is that of an earlier fault too: give each fault its own"
    );
    let twins = vec![Fault::new("x", Effect::LoseAnswer); 2];
    let error = FaultScript::new(0, twins).expect_err("twins").to_string();
    assert!(
        error.starts_with("fault script, fault \"x\": `name` is that of an earlier fault too"),
        "{error}"
    );
}

#[test]
fn json_errors_have_their_place_too() {
    let text =
        "{\n \"seed\": 1,\n \"fault\": [\n  {\"name\": \"n\", \"effect\": \"delay\", \"millis\": -4}]}";
    let error = FaultScript::from_json(text).expect_err("a wrong value").to_string();
    assert_eq!(
        error,
        "fault script, line 4, column 46, fault \"n\": `millis` is -4: write a whole number from 0 to 600000"
    );
    let error = Fault::from_json("{\"name\": \"n\"}").expect_err("no effect").to_string();
    assert!(
        error.starts_with("fault script, line 1, column 1, fault \"n\": the key `effect` is missing"),
        "{error}"
    );
}

#[test]
fn a_script_has_a_bounded_number_of_faults() {
    let faults = |count: usize| -> Vec<Fault> {
        (0..count).map(|number| Fault::new(number.to_string(), Effect::LoseAnswer)).collect()
    };
    assert!(FaultScript::new(0, faults(FAULTS_MAX)).is_ok());
    let error = FaultScript::new(0, faults(FAULTS_MAX + 1)).expect_err("too many").to_string();
    assert_eq!(error, "fault script: there are more than 1000 faults: remove some");
    let json = format!("{{\"fault\": {}}}", serde_json::to_string(&faults(FAULTS_MAX + 1)).expect("JSON"));
    let error = FaultScript::from_json(&json).expect_err("too many").to_string();
    assert_eq!(error, "fault script, line 1, column 11: there are more than 1000 faults: remove some");
}
