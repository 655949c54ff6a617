//! The commands, on good input and on bad.

use std::process::{Command, Output as Ended};

use crate::carried::Message;
use crate::marks::{Kind, Mark};
use crate::outputs::Output;
use crate::process::Relay;
use crate::scene::{DESK, FOLDER, Scene, console};

/// Runs a command and keeps what it said. What a person asked for on the command line may stand in the answer and in an
/// error about it; in the log beside it, nothing.
fn run(mut command: Command, name: &str, outputs: &mut Vec<Output>) -> Ended {
    let ended = command.output().expect("the relay's program");
    outputs.push(Output::new(format!("asked: stdout of {name}"), ended.stdout.clone()));
    let (log, errors): (Vec<&[u8]>, Vec<&[u8]>) =
        ended.stderr.split_inclusive(|byte| *byte == b'\n').partition(|line| is_log(line));
    outputs.push(Output::new(format!("log of {name}"), log.concat()));
    outputs.push(Output::new(format!("asked: stderr of {name}"), errors.concat()));
    ended
}

/// Whether a line is of the log, which begins each with the time.
fn is_log(line: &[u8]) -> bool {
    line.len() > 20 && line[..4].iter().all(u8::is_ascii_digit) && line[4] == b'-'
}

fn said(ended: &Ended) -> String {
    format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr))
}

/// MESH by hand.
pub async fn by_hand(scene: &Scene, outputs: &mut Vec<Output>) -> Vec<Mark> {
    let (good, bad) = (Message::of("by hand"), Message::of("by hand, refused"));
    let file = |message: &Message| {
        let name = format!("desk/{}.dat", message.file_name.plain());
        scene.write(&name, &message.body(200));
        name
    };
    let (good_file, bad_file) = (file(&good), file(&bad));
    let hand = |arguments: &[&str]| {
        let connection = ["--config", "relay.toml", "--mailbox", DESK];
        scene.command(&[&arguments[..1], &connection, &arguments[1..]].concat())
    };
    let subject = good.subject.odd();
    let private = |message: &Message| {
        [
            "--workflow".to_owned(),
            "TEST_WORKFLOW".to_owned(),
            "--local-id".to_owned(),
            message.local_id.plain().to_owned(),
            "--file-name".to_owned(),
            message.file_name.plain().to_owned(),
        ]
    };
    let send = |message: &Message, subject: &str, to: &str, file: &str| {
        let private = private(message);
        let private: Vec<&str> = private.iter().map(|text| &**text).collect();
        hand(&[&["send", to, file, "--subject", subject], &private[..]].concat())
    };
    let ended = run(send(&good, &subject, DESK, &good_file), "send", outputs);
    assert!(ended.status.success(), "{}", said(&ended));
    let inbox = run(hand(&["inbox", "--json"]), "inbox", outputs);
    assert!(inbox.status.success(), "{}", said(&inbox));
    let listed = said(&inbox);
    let id = listed.split('"').find(|text| text.len() > 20 && text.contains('_')).expect("an id").to_owned();
    for (name, arguments) in [
        ("get", vec!["get", &*id, "--out", "desk/got"]),
        ("get again", vec!["get", &*id, "--out", "desk/got"]),
        ("track", vec!["track", &*id]),
        ("ack", vec!["ack", &*id]),
        ("get of what is gone", vec!["get", &*id, "--out", "desk/again"]),
        ("lookup", vec!["lookup", "--ods", "X26", "--workflow", "TEST_WORKFLOW"]),
        ("lookup of nothing", vec!["lookup", "--ods", bad.local_id.plain(), "--workflow", "TEST_WORKFLOW"]),
        ("track of nothing", vec!["track", bad.local_id.plain()]),
        ("get of nothing", vec!["get", bad.local_id.plain()]),
    ] {
        run(hand(&arguments), name, outputs);
    }
    let long = bad.local_id.plain().repeat(30);
    let odd = bad.subject.odd();
    for (name, command) in [
        ("send to nobody", send(&bad, &odd, "NOSUCHBOX", &bad_file)),
        ("send to no mailbox", send(&bad, &odd, "a & b", &bad_file)),
        ("send of nothing", send(&bad, &odd, DESK, &format!("{bad_file}.none"))),
        ("send with control characters", send(&bad, &format!("{odd}\u{1}"), DESK, &bad_file)),
        (
            "send with a long local id",
            hand(&["send", DESK, &bad_file, "--workflow", "W", "--local-id", &long]),
        ),
        ("send with an unknown option", hand(&["send", DESK, &bad_file, "--sujbect", "x"])),
        (
            "send to a patient's practice",
            hand(&[
                "send",
                &bad_file,
                "--workflow",
                "W",
                "--nhs-number",
                "9434765919",
                "--born",
                "1970-13-40",
                "--surname",
                bad.subject.plain(),
            ]),
        ),
    ] {
        let ended = run(command, name, outputs);
        assert!(!ended.status.success(), "{name}: {}", said(&ended));
    }
    good.marks().into_iter().chain(bad.marks()).collect()
}

/// What is asked of the journal, and what works on files alone.
pub async fn about_the_journal(scene: &Scene, relay: &Relay, outputs: &mut Vec<Output>) -> Vec<Mark> {
    let control = Message::of("lint");
    let name = format!("desk/{}.ctl", control.file_name.plain());
    let odd = control.subject.plain();
    let text = format!(
        "<DTSControl><Version>1.0</Version><Subject>{odd}</Subject><Compress>{odd}</Compress><{odd}/></DTSControl>"
    );
    scene.write(&name, text.as_bytes());
    let wrong = Mark::new(Kind::Secret, "a token for the command line");
    scene.write("desk/wrong.token", wrong.long().as_bytes());
    let url = format!("http://{}", console(relay));
    let local_id = control.local_id.plain();
    for (name, arguments) in [
        ("messages", vec!["messages", "--config", "relay.toml", local_id]),
        ("show", vec!["show", "--config", "relay.toml", local_id]),
        ("report partners", vec!["report", "partners", "--config", "relay.toml"]),
        ("audit verify", vec!["audit", "verify", "--config", "relay.toml"]),
        ("resend", vec!["resend", local_id, "--relay", &*url, "--token-file", "desk/wrong.token"]),
        ("check", vec!["check", "--config", "relay.toml"]),
        ("lint", vec!["lint", &*name]),
        ("shadow", vec!["shadow", "--config", "relay.toml"]),
    ] {
        run(scene.command(&arguments), name, outputs);
    }
    let mut marks = control.marks();
    marks.push(wrong);
    marks.extend(import(scene, outputs));
    assert!(scene.path(FOLDER).is_dir());
    marks
}

/// An old client's file becomes ours, and its secrets go into files alone.
fn import(scene: &Scene, outputs: &mut Vec<Output>) -> Vec<Mark> {
    let secret = |place| Mark::new(Kind::Secret, place);
    let (mailbox, keystore, shared) = (
        secret("an old client's mailbox"),
        secret("an old client's keystore"),
        secret("an old client's shared key"),
    );
    let text = |url: &str| {
        format!(
            "<MESHConfig><PrimaryURL>{url}</PrimaryURL><KeyStorePath>desk/none</KeyStorePath>\
             <KeyStorePassword>{}</KeyStorePassword><AuthenticationKey>{}</AuthenticationKey>\
             <NotKnown>{}</NotKnown><Client><ClientIdentity>X26ABC1</ClientIdentity>\
             <ClientAuthentication>{}</ClientAuthentication><InterfaceRoot>desk/root</InterfaceRoot></Client></MESHConfig>",
            keystore.plain(),
            shared.plain(),
            shared.plain(),
            mailbox.plain()
        )
    };
    scene.write("desk/meshclient.cfg", text("https://mesh.example.nhs.uk").as_bytes());
    scene.write(
        "desk/odd.cfg",
        text(&format!("https://user:{}@mesh.example.nhs.uk", shared.plain())).as_bytes(),
    );
    scene.write("desk/cut.cfg", &text("https://mesh.example.nhs.uk").as_bytes()[..300]);
    for (name, file) in
        [("import", "meshclient"), ("import of an odd file", "odd"), ("import of a cut file", "cut")]
    {
        let file = format!("desk/{file}.cfg");
        run(
            scene.command(&["import", "--meshclient-cfg", &file, "--secrets", "desk/secrets"]),
            name,
            outputs,
        );
        run(scene.command(&["run", "--meshclient-cfg", &file]), &format!("{name}, run"), outputs);
    }
    vec![mailbox, keystore, shared]
}
