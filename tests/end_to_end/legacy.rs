//! Old systems that hear of IN and SENT by create events alone, and read each name once. `make prove` does the same with
//! ten thousand pairs each way.

use std::fs;
use std::io::Write;
use std::time::Duration;

use crate::old_systems::{OldSystem, both_ways, root};
use crate::process::{ALICE, BOB};

const EACH_WAY: u32 = 150;
const SEED: u64 = 6;
/// Longest time until all have arrived.
const WITHIN: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn systems_that_read_each_name_once_miss_nothing_and_see_nothing_half() {
    both_ways(EACH_WAY, SEED, WITHIN).await;
}

/// A control file of a message to Alice, as the relay would write it.
const CONTROL: &str = "<DTSControl><MessageType>Data</MessageType><From_DTS>X26ABC2</From_DTS>\
    <To_DTS>X26ABC1</To_DTS><LocalId>L</LocalId><DTSId>ID</DTSId><StatusRecord><DateTime>20261123100000</DateTime>\
    <Event>TRANSFER</Event><Status>SUCCESS</Status><StatusCode>00</StatusCode><Description>d</Description>\
    </StatusRecord></DTSControl>";

/// What the run above stands on: the system's eyes.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "what must never happen is made to happen here")]
async fn a_system_notices_what_must_never_happen() {
    let home = tempfile::tempdir().expect("a folder");
    let system = OldSystem::start(home.path(), ALICE, BOB, 0, SEED, false).await;
    let path = |name: &str| root(home.path(), ALICE).join(name);
    let mut expected = Vec::new();
    let mut fault = |name: &str, what: &str| expected.push((format!("{ALICE} {name} "), what.to_owned()));

    let half = &CONTROL[..CONTROL.len() - 20];
    fs::write(path("half.ctl"), half).expect("a file");
    fs::rename(path("half.ctl"), path("SENT/half.ctl")).expect("moved");
    fault("SENT/half.ctl", "is no complete XML");

    fs::write(path("silent.ctl"), CONTROL.replace("<Description>d</Description>", "")).expect("a file");
    fs::rename(path("silent.ctl"), path("IN/silent.ctl")).expect("moved");
    fault("IN/silent.ctl", "has not all of a status record");

    fs::write(path("ID.ctl"), CONTROL).expect("a file");
    fs::rename(path("ID.ctl"), path("IN/ID.ctl")).expect("moved");
    fault("IN/ID.ctl", "has no data file beside it");

    let mut slow = fs::File::create(path("IN/slow.dat")).expect("a file");
    for part in ["half", "whole"] {
        slow.write_all(part.as_bytes()).expect("written");
    }
    fault("IN/slow.dat", "was written after it had appeared");

    fs::write(path("twice.dat"), "once").expect("a file");
    for _ in 0..2 {
        fs::hard_link(path("twice.dat"), path("IN/twice.dat")).expect("a link");
        fs::remove_file(path("IN/twice.dat")).expect("removed");
    }
    fault("IN/twice.dat", "was taken away by somebody else");
    fault("IN/twice.dat", "appeared a second time");

    fs::hard_link(path("twice.dat"), path("SENT/unknown.dat")).expect("a link");
    fault("SENT/unknown.dat", "belongs to no pair");
    fs::hard_link(path("twice.dat"), path("IN/.twice.part")).expect("a link");
    fault("IN/.twice.part", "is no name for an application's eyes");
    fs::hard_link(path("twice.dat"), path("FAILED/twice.dat")).expect("a link");
    fault("FAILED/twice.dat", "is a failure");

    let seen = system.end().await;
    for (name, what) in expected {
        let noticed = seen.told().iter().any(|told| told.starts_with(&name) && told.contains(&what));
        assert!(noticed, "{name}: {what}\n{:#?}", seen.told());
    }
    assert_eq!((seen.number("sent"), seen.number("received")), (0, 0));
}
