//! A process's own memory: where secrets stand in it, and who may look.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::process::Command;

use crate::marks::Mark;
use crate::process::Relay;

/// Longest piece of memory that is looked at in one go, in bytes.
const PIECE: usize = 16 * 1024 * 1024;

/// Every byte that the process can write, and that a core file would hold: its heap, stacks and data.
fn writable(relay: &Relay) -> Vec<Vec<u8>> {
    let process = format!("/proc/{}", relay.id());
    let maps = fs::read_to_string(format!("{process}/maps")).expect("only root can run this test");
    let mut memory = File::open(format!("{process}/mem")).expect("only root can run this test");
    let mut pieces = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().expect("a range"), fields.next().expect("rights"));
        if !rights.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').expect("two addresses");
        let number = |text: &str| u64::from_str_radix(text, 16).expect("an address");
        let (mut from, to) = (number(from), number(to));
        while from < to {
            let length = usize::try_from(to - from).unwrap_or(PIECE).min(PIECE);
            let mut piece = vec![0; length];
            memory.seek(SeekFrom::Start(from)).expect("there");
            // Reserved and never touched, some of it cannot be read.
            if memory.read_exact(&mut piece).is_ok() {
                pieces.push(piece);
            }
            from += length as u64;
        }
    }
    assert!(pieces.iter().map(Vec::len).sum::<usize>() > 1_000_000, "a process has more than that");
    pieces
}

/// How often each of these texts stands in a process's memory: as it is, or in 16 bits a letter, either way round.
pub fn count(relay: &Relay, texts: &[&[u8]]) -> Vec<usize> {
    let wide = |text: &[u8], high_first: bool| -> Vec<u8> {
        text.iter().flat_map(|byte| if high_first { [0, *byte] } else { [*byte, 0] }).collect()
    };
    let patterns: Vec<Vec<u8>> =
        texts.iter().flat_map(|text| [text.to_vec(), wide(text, false), wide(text, true)]).collect();
    let automaton = aho_corasick::AhoCorasick::new(&patterns).expect("an automaton");
    let mut counts = vec![0; texts.len()];
    for piece in writable(relay) {
        for found in automaton.find_overlapping_iter(&piece) {
            counts[found.pattern().as_usize() / 3] += 1;
        }
    }
    counts
}

/// How often a secret may stand in memory, and who holds it.
pub struct Holders<'a> {
    pub mark: &'a Mark,
    pub most: usize,
    pub who: &'static str,
}

/// Counts each secret, and fails where there are more than its holders.
pub fn hold(relay: &Relay, when: &str, secrets: &[Holders<'_>]) {
    let texts: Vec<&[u8]> = secrets.iter().map(|holders| holders.mark.plain().as_bytes()).collect();
    let counts = count(relay, &texts);
    let mut more = Vec::new();
    for (Holders { mark, most, who }, count) in secrets.iter().zip(counts) {
        println!("{when}, {}: {count} in memory, {most} at most ({who})", mark.place);
        if count > *most {
            more.push(format!("{}: {count} times, and {most} is explained ({who})", mark.place));
        }
    }
    assert!(more.is_empty(), "{when}, there is more in memory than is explained:\n{}", more.join("\n"));
}

/// Whether another process of an account may look into a process.
pub fn may_look(account: &str, process: u32) -> bool {
    let looks = |what: &str| {
        let read = Command::new("setpriv")
            .args(["--reuid", account, "--regid", account, "--clear-groups", "--", "head", "-c", "1"])
            .arg(format!("/proc/{process}/{what}"))
            .output()
            .expect("setpriv");
        read.status.success()
    };
    ["environ", "maps", "mem"].into_iter().any(looks)
}
