//! `mesh-relay explain`: what it says is what the routes say, and it needs nothing but the configuration.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::place::{CONFIG, Place, base};

/// Recorded headers, of which `explain` must name the rule for each.
const RECORDED: usize = 10_000;
/// Routes by sender and workflow, in front of the ones that take everything.
const ROUTES: usize = 40;

/// A good configuration without anything that it refers to.
fn bare(name: &str) -> Place {
    let place = Place::new(base(name).as_bytes());
    for secret in ["shared.key", "mailbox.pass", "broker.url"] {
        place.remove(secret);
    }
    place
}

/// Asks, and takes the answer and the exit code.
fn ask(place: &Place, arguments: &[&str]) -> (String, i32) {
    let output = place.run(&[&["explain", "--config", CONFIG], arguments].concat());
    let text = place.told(&output.stdout) + &place.told(&output.stderr);
    (text, output.status.code().expect("a code"))
}

fn answer(place: &Place, arguments: &[&str]) -> Value {
    let (text, _) = ask(place, &[arguments, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_message_from_mesh_is_shown_each_route_that_was_passed_over_whatever_its_headers_are_called() {
    let place = bare("folder");
    for names in [
        ["mailbox", "from", "workflow"],
        ["Mex-To", "mex-from", "MEX-WorkflowID"],
        ["mesh_to", "mesh_from", "mesh_workflow_id"],
    ] {
        let headers = names.into_iter().zip(["X26HC005", "X26ABC1", "PATH_MEDRPT_V3"]);
        let headers: Vec<String> = headers.map(|(name, value)| format!("{name}={value}")).collect();
        let arguments: Vec<&str> = headers.iter().flat_map(|header| ["--header", header]).collect();
        let (text, code) = ask(&place, &arguments);
        assert_eq!(code, 0, "{text}");
        let lines: Vec<&str> = text.lines().collect();
        let [first, second, end] = lines[..] else { panic!("{text}") };
        assert!(
            first.starts_with("route 1 (line ")
                && first.contains("passed over: workflow is \"PATH_MEDRPT_V3\""),
            "{text}"
        );
        assert!(
            second.starts_with("route 2 (line ") && second.ends_with("holds: leads to pathology"),
            "{text}"
        );
        assert_eq!(end, "pathology, by route 2");
    }
}

#[test]
fn a_report_goes_where_its_message_was_taken() {
    let place = bare("folder");
    let report = |adapter: &str| {
        answer(
            &place,
            &[
                "--header",
                "mailbox=X26HC005",
                "--header",
                "workflow=X",
                "--header",
                "type=REPORT",
                "--header",
                adapter,
            ],
        )
    };
    assert_eq!(report("adapter=discharge")["adapter"], "discharge");
    let other = report("adapter=radiology");
    assert_eq!(
        (&other["adapter"], &other["steps"][0]["holds"]),
        (&json!("pathology"), &json!(false)),
        "{other}"
    );
}

#[test]
fn what_nobody_takes_and_what_cannot_be_asked_have_codes_of_their_own() {
    let place = bare("amqp");
    let (text, code) = ask(&place, &["--header", "mailbox=X26NONE", "--header", "workflow=A"]);
    assert_eq!(code, 1, "{text}");
    let (text, code) = ask(&place, &["--header", "workflow=A"]);
    assert!(code == 2 && text.contains("give mailbox=ID") && text.contains("X26HC005"), "{text}");
    let (text, code) = ask(&place, &["--header", "mailbox"]);
    assert!(code == 2 && text.contains("NAME=VALUE"), "{text}");
    let strict = Place::new(
        base("folder").replace("unknown_workflow = \"deliver\"", "unknown_workflow = \"leave\"").as_bytes(),
    );
    let (text, code) = ask(&strict, &["--header", "mailbox=X26HC005", "--header", "workflow=OTHER"]);
    assert!(code == 1 && text.contains("it stays at MESH"), "{text}");
}

#[test]
fn a_message_for_mesh_is_told_its_adapter_its_cuts_and_what_is_done_in_doubt() {
    let place = bare("amqp");
    let given =
        ["from=X26HC005", "mesh_to=X26ABC1", "mesh_workflow_id=A", "mesh_compress=true", "size=50000000"];
    let arguments: Vec<&str> = given.iter().flat_map(|header| ["--header", header]).collect();
    let told = answer(&place, &arguments);
    assert_eq!((&told["way"], &told["adapter"]), (&json!("out"), &json!("engine")));
    let sending =
        json!({ "to": "X26ABC1", "workflow": "A", "in_doubt": "probe", "compressed": true, "chunks": 3 });
    assert_eq!(told["sending"], sending);
    let (text, code) = ask(&place, &["--header", "from=X26HC005", "--header", "workflow=A"]);
    assert!(code == 1 && text.contains("it is parked: there is no mesh_to"), "{text}");
}

#[test]
fn a_control_file_is_told_its_folder_and_shows_no_subject() {
    let place = bare("folder");
    let control = |from: &str, workflow: &str| {
        format!(
            "<DTSControl><Version>1.0</Version><AddressType>DTS</AddressType><MessageType>Data</MessageType>\
             <WorkflowId>{workflow}</WorkflowId><To_DTS>X26GP001</To_DTS><From_DTS>{from}</From_DTS>\
             <Subject>CANARY</Subject><LocalId>CANARY</LocalId><AllowChunking>Y</AllowChunking></DTSControl>"
        )
    };
    std::fs::create_dir_all(place.path("discharge/OUT")).expect("a folder");
    place.write("discharge/OUT/a.ctl", control("X26HC005", "PATH_MEDRPT_V3"));
    place.write("discharge/OUT/a.dat", "payload");
    let told = answer(&place, &["--ctl", "discharge/OUT/a.ctl"]);
    assert_eq!((&told["adapter"], &told["mailbox"]), (&json!("discharge"), &json!("X26HC005")));
    assert_eq!((&told["sending"]["in_doubt"], &told["sending"]["chunks"]), (&json!("two-step"), &json!(2)));

    place.write("b.ctl", control("X26HC006", "OTHER"));
    let (text, code) = ask(&place, &["--ctl", "b.ctl"]);
    assert!(code == 0 && text.contains("adapter radiology: holds: From_DTS is its mailbox"), "{text}");
    place.write("c.ctl", control("X26XXX1", "OTHER"));
    let (nobody, code) = ask(&place, &["--ctl", "c.ctl"]);
    assert!(code == 1 && nobody.contains("nobody"), "{nobody}");
    assert!(![text, nobody, told.to_string()].concat().contains("CANARY"));
}

/// The routes once more, as a person would look them up.
fn looked_up(from: &str, workflow: &str) -> (usize, &'static str) {
    let takers = ["pathology", "discharge"];
    for index in 0..ROUTES {
        let (sender, kind) = (format!("X26A{}", index % 7), format!("W{index:02}"));
        // Every third asks for a sender, too; every other one for beginnings.
        let fits_sender = index % 3 != 0 || from.starts_with(&sender);
        let fits_kind = if index % 2 == 0 { workflow.starts_with(&kind) } else { workflow == kind };
        if fits_sender && fits_kind {
            return (index + 1, takers[index % 2]);
        }
    }
    (ROUTES + 1, "pathology")
}

#[test]
fn of_ten_thousand_recorded_messages_each_is_told_the_rule_that_holds() {
    let good = base("folder");
    let (before, _) = good.split_once("[[route]]").expect("routes");
    let mut config = before.to_owned();
    // With two digits, no beginning hides another.
    for index in 0..ROUTES {
        let sender = if index % 3 == 0 { format!("from = \"X26A{}*\", ", index % 7) } else { String::new() };
        let star = if index % 2 == 0 { "*" } else { "" };
        let to = ["pathology", "discharge"][index % 2];
        write!(config, "[[route]]\nmatch = {{ {sender}workflow = \"W{index:02}{star}\" }}\nto = \"{to}\"\n")
            .expect("text");
    }
    config += "[[route]]\nto = \"pathology\"\n";
    let place = Place::new(config.as_bytes());
    let mut recorded = String::new();
    let messages: Vec<(String, String)> = (0..RECORDED)
        .map(|number| {
            let mixed = number.wrapping_mul(2_654_435_761) >> 7;
            let tail = ["", "0", "_X"][mixed % 3];
            (format!("X26A{}{tail}", mixed % 9), format!("W{:02}{tail}", (mixed / 9) % 60))
        })
        .collect();
    for (number, (from, workflow)) in messages.iter().enumerate() {
        let name = ["workflow", "Mex-WorkflowID", "mesh_workflow_id"][number % 3];
        writeln!(recorded, "{}", json!({ "mailbox": "X26HC005", "from": from, name: workflow }))
            .expect("text");
    }
    place.write("recorded.jsonl", &recorded);
    let output = place.run(&["explain", "--config", CONFIG, "--recorded", "recorded.jsonl", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", place.told(&output.stderr));
    let told = place.told(&output.stdout);
    let mut by_rule = std::collections::BTreeSet::new();
    assert_eq!(told.lines().count(), RECORDED);
    for (line, (from, workflow)) in told.lines().zip(&messages) {
        let told: Value = serde_json::from_str(line).expect("JSON");
        let (number, to) = looked_up(from, workflow);
        assert_eq!(told["adapter"], to, "{from} {workflow}: {told}");
        let steps = told["steps"].as_array().expect("steps");
        assert_eq!(steps.len(), number, "{from} {workflow}");
        assert!(steps.iter().rev().skip(1).all(|step| step["holds"] == false), "{told}");
        by_rule.insert(number);
    }
    assert!(by_rule.len() > ROUTES / 2, "the sample meets most rules: {by_rule:?}");

    // One that nobody takes changes the exit code, and each has a line.
    place.write("recorded.jsonl", "{\"mailbox\": \"X26HC005\"}\n\n{\"mailbox\": \"X26NONE\"}\n");
    let plain = place.run(&["explain", "--config", CONFIG, "--recorded", "recorded.jsonl"]);
    assert_eq!(plain.status.code(), Some(1));
    assert_eq!(place.told(&plain.stdout).lines().count(), 2);
}
