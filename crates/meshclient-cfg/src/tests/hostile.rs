//! Whatever stands in a file, reading it ends with an answer.

use proptest::prelude::*;

use super::*;
use crate::{DEPTH_MAX, NoteKind, SIZE_MAX};

#[test]
fn what_is_no_configuration_is_refused_with_its_place() {
    let at = |line, column| Some((line, column));
    for (text, place) in [
        (String::new(), None),
        (" \r\n\t".to_owned(), None),
        ("X".repeat(SIZE_MAX + 1), None),
        ("just text".to_owned(), at(1, 1)),
        ("<DTSControl/>".to_owned(), at(1, 1)),
        ("<!DOCTYPE x [<!ENTITY a \"canary\">]><MESHConfig/>".to_owned(), at(1, 1)),
        (format!("\n<!DOCTYPE MESHConfig SYSTEM 'file:///canary'>{SMALL}"), at(2, 1)),
        (with("canary-1", "&canary;"), at(5, 27)),
        (with("canary-1", "a & b"), at(5, 29)),
        (with("canary-1", "a\u{1}b"), at(5, 28)),
        (with("canary-1", "&#1;"), at(5, 27)),
        (with("canary-1", "<canary/>"), at(5, 27)),
        (with("canary-1", "a < b"), at(5, 29)),
        (with("</ClientIdentity>", "</Other>"), at(4, 28)),
        (with("</MESHConfig>\n", ""), at(8, 1)),
        (with("</MESHConfig>", "</MESHConfig><canary/>"), at(8, 14)),
        (with("</MESHConfig>", "</MESHConfig>canary"), at(8, 14)),
        (format!("<MESHConfig>{}", "<a>".repeat(DEPTH_MAX)), at(1, 13 + 3 * (DEPTH_MAX - 1))),
    ] {
        let error = refused(&text);
        let found = error.position().map(|at| (at.line, at.column));
        assert_eq!(found, place, "{error} in {:?}", text.chars().take(80).collect::<String>());
    }
}

#[test]
fn names_are_shown_short_and_on_one_line() {
    let cfg = read(&with("  <Client>\n", &format!("  <{}/><Client>\n", "x".repeat(1000))));
    let NoteKind::Unknown { key } = &cfg.notes[0].kind else { panic!("{:?}", cfg.notes) };
    assert!(key.chars().count() == 41 && key.ends_with('…'), "{key}");
    let error = refused(with("X26ABC1</ClientIdentity>", "a\nb</ClientIdentity>").replace("canary-1", ""));
    assert!(error.to_string().contains("mailbox a?b, "), "{error}");
}

#[test]
fn a_large_file_on_one_line_is_read_in_one_go() {
    let mut text = with("  <Client>\n", &format!("  {}<Client>\n", "<u/>".repeat(200_000)));
    text.retain(|c| c != '\n');
    assert_eq!(read(&text).notes.len(), 200_000);
}

#[test]
fn a_file_cut_anywhere_has_an_answer() {
    for end in 0..SAMPLE.trim_end().len() {
        let error = refused(&SAMPLE[..end]);
        assert!(!error.to_string().is_empty());
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = MeshClientCfg::read(&bytes);
        let _ = MeshClientCfg::read_dts(&bytes);
    }

    #[test]
    fn no_spoilt_file_panics_or_shows_a_secret(
        at in 0..SMALL.len(),
        length in 0..40_usize,
        by in proptest::collection::vec(any::<u8>(), 0..6),
    ) {
        let mut bytes = SMALL.as_bytes().to_vec();
        bytes.splice(at..(at + length).min(SMALL.len()), by);
        for result in [MeshClientCfg::read(&bytes), MeshClientCfg::read_dts(&bytes)] {
            let shown = match result {
                Ok(cfg) => format!("{:?}", cfg.authentication_key),
                Err(error) => format!("{error} {error:?}"),
            };
            prop_assert!(!shown.contains("canary-1"), "{}", shown);
        }
    }
}
