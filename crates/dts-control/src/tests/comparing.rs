//! Comparing what a client wrote with what would be written (3.3, 3.4, 4.6).

use super::examples::{A, B, C, D, E, G};
use crate::compare::{Comparison, How, Lay, compare};
use crate::{ControlFile, Event, LineEnd, ReadError, Status, StatusRecord};

/// What differs, as `element: how`, and the layout.
fn told(theirs: &str, ours: &str) -> (Vec<String>, Vec<Lay>) {
    let comparison = compare(theirs.as_bytes(), ours.as_bytes()).expect("two control files");
    let values = comparison.values.iter().map(|value| format!("{}: {:?}", value.element, value.how));
    (values.collect(), comparison.layout.into_iter().collect())
}

fn layout_only(theirs: &str, ours: &str) -> Vec<Lay> {
    let (values, layout) = told(theirs, ours);
    assert!(values.is_empty(), "{values:?}");
    layout
}

#[test]
fn the_examples_are_the_same_as_themselves() {
    for text in [A, B, C, D, E, G] {
        assert_eq!(compare(text.as_bytes(), text.as_bytes()), Ok(Comparison::default()));
        let comparison = compare(text.as_bytes(), text.as_bytes()).expect("two control files");
        assert!(comparison.is_same());
    }
}

#[test]
fn what_readers_by_element_do_not_see_is_layout() {
    let shuffled = C
        .replace("  <Version>1.0</Version>\n", "")
        .replace("  <StatusRecord>\n", "  <Version>1.0</Version>\n  <StatusRecord>\n");
    let short = D.replace("<PartnerId></PartnerId>", "<PartnerId/>");
    let parts = C
        .replace("    <Event>TRANSFER</Event>\n", "")
        .replace("    <Description>", "    <Event>TRANSFER</Event>\n    <Description>");
    for (theirs, ours, kinds) in [
        (shuffled, C, vec![Lay::Order]),
        (parts, C, vec![Lay::Order]),
        (C.replace('\n', "\r\n"), C, vec![Lay::LineEnds]),
        (format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{C}"), C, vec![Lay::Declaration]),
        (format!("\u{feff}{C}"), C, vec![Lay::Encoding]),
        (short, D, vec![Lay::EmptyForm]),
        (C.replace("\n  ", "\n\t"), C, vec![Lay::Blanks]),
        (C.replace(">Y<", "> Y <"), C, vec![Lay::Blanks]),
        (C.trim_end().to_owned(), C, vec![Lay::Blanks]),
        (C.replace("</DTSControl>", "  <Version>2.0</Version>\n</DTSControl>"), C, vec![Lay::Repeats]),
        (C.replace("  <LocalId>", "  <!-- x --><LocalId>"), C, vec![Lay::Markup]),
        (C.replace("<LocalId>ZZZ-", "<LocalId>&#90;ZZ-"), C, vec![Lay::Markup]),
        (C.replace("<DTSControl>", "<DTSControl Version=\"1\">"), C, vec![Lay::Markup]),
    ] {
        assert_eq!(layout_only(&theirs, ours), kinds, "{theirs}");
        assert_eq!(layout_only(ours, &theirs), kinds, "the other way round: {theirs}");
    }
}

#[test]
fn each_way_in_which_a_value_differs_is_told_apart() {
    for (from, to, says) in [
        ("  <Subject>Batch 417</Subject>\n", "", "Subject: Absent { empty: false }"),
        (">Batch 417<", "><", "Subject: Empty"),
        (">Batch 417<", ">BATCH 417<", "Subject: Case"),
        (">Batch 417<", ">Batch 418<", "Subject: Text"),
        (">Batch 417<", ">Batch<", "Subject: Length { theirs: 5, ours: 9 }"),
        (">Batch 417<", ">BÄTCHES 417<", "Subject: Length { theirs: 11, ours: 9 }"),
        ("  <LocalId>", "  <PartnerId></PartnerId>\n  <LocalId>", "PartnerId: Extra { empty: true }"),
        ("  <LocalId>", "  <ProcessId>1</ProcessId>\n  <LocalId>", "ProcessId: Extra { empty: false }"),
        ("  <LocalId>", "  <Mine>1</Mine>\n  <LocalId>", "unknown element: Extra { empty: false }"),
        (
            "    <Event>",
            "    <Mine>1</Mine>\n    <Event>",
            "StatusRecord/unknown element: Extra { empty: false }",
        ),
        ("<IsCompressed>Y", "<IsCompressed>N", "IsCompressed: Shown { theirs: \"N\", ours: \"Y\" }"),
        ("<MessageType>Data", "<MessageType>DATA", "MessageType: Shown { theirs: \"DATA\", ours: \"Data\" }"),
        (
            "<Status>SUCCESS",
            "<Status>Success",
            "StatusRecord/Status: Shown { theirs: \"Success\", ours: \"SUCCESS\" }",
        ),
        ("<StatusCode>00", "<StatusCode>0", "StatusRecord/StatusCode: Shown { theirs: \"0\", ours: \"00\" }"),
    ] {
        let theirs = C.replacen(from, to, 1);
        assert_ne!(theirs, C, "{from}");
        assert_eq!(told(&theirs, C).0, [says]);
    }
    let record = C.find("  <StatusRecord>").expect("a record");
    let without = format!("{}</DTSControl>\n", &C[..record]);
    assert_eq!(told(&without, C).0, ["StatusRecord: Absent { empty: false }"]);
    assert_eq!(told(C, &without).0, ["StatusRecord: Extra { empty: false }"]);
    let mine = |value: &str| C.replace("  <LocalId>", &format!("  <Mine>{value}</Mine>\n  <LocalId>"));
    assert_eq!(told(&mine("1"), &mine("2")).0, ["unknown element: Text"]);
}

#[test]
fn shown_values_are_cut_and_private_ones_are_not_shown() {
    let long = C.replace("Data Transfer success confirmation.", &"é".repeat(10_000));
    let comparison = compare(long.as_bytes(), C.as_bytes()).expect("two control files");
    let [difference] = comparison.values.as_slice() else { panic!("{comparison:?}") };
    let How::Shown { theirs, .. } = &difference.how else { panic!("{comparison:?}") };
    assert_eq!(theirs.chars().count(), 121);

    let mut theirs = D.to_owned();
    for (name, value) in [
        ("From_DTS", "ZZZHC001"),
        ("To_DTS", "QQQHC002"),
        ("From_ESMTP", "zzzhc001@dts.nhs.uk"),
        ("To_ESMTP", "qqqhc002@dts.nhs.uk"),
        ("Subject", "Batch 417"),
        ("LocalId", "ZZZ-2026-000417"),
        ("DTSId", "20261122101500123456_0A1B2C"),
        ("WorkflowId", "EXAMPLE_REPORT_V1"),
    ] {
        theirs = theirs.replace(&format!("<{name}>{value}</{name}>"), &format!("<{name}>SECRET</{name}>"));
    }
    theirs = theirs.replace("<PartnerId></PartnerId>", "<PartnerId>SECRET</PartnerId>");
    theirs = theirs.replace("  <StatusRecord>", "  <SECRET>SECRET</SECRET>\n  <StatusRecord>");
    let comparison = compare(theirs.as_bytes(), D.as_bytes()).expect("two control files");
    assert_eq!(comparison.values.len(), 10);
    assert!(!format!("{comparison:?}").contains("SECRET"), "{comparison:?}");
}

#[test]
fn the_text_that_a_dts_client_of_2012_edited() {
    // As 3.1 and 3.4 describe it: declaration and four blanks kept, a misspelt DataCheckSum, a record behind tabs.
    let theirs = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DTSControl>\n    <Version>1.0</Version>\n    \
                  <AddressType>DTS</AddressType>\n    <MessageType>Data</MessageType>\n    \
                  <From_DTS>zzz1HC1</From_DTS>\n    <To_DTS>qqq2HC2</To_DTS>\n    <Subject>Batch</Subject>\n    \
                  <LocalId>LAB00000417</LocalId>\n    <DTSId></DTSId>\n    <Compress>Y</Compress>\n    \
                  <Encrypted>N</Encrypted>\n    <WorkflowId>EXAMPLE_REPORT_V1</WorkflowId>\n    \
                  <DataCheckSum></DataCheckSum>\n    <IsCompressed>Y</IsCompressed>\n\t<StatusRecord>\n\t\t\
                  <DateTime>20120304050607</DateTime>\n\t\t<Event>TRANSFER</Event>\n\t\t<Status>SUCCESS</Status>\n\t\t\
                  <StatusCode>00</StatusCode>\n\t\t<Description></Description>\n\t</StatusRecord>\n</DTSControl>\n";
    let mut control = ControlFile::read(theirs.as_bytes()).expect("a control file");
    control.dts_id = Some("dtsapp07-201203040506070017".to_owned());
    control.status = Some(StatusRecord {
        date_time: "20120304050607".to_owned(),
        event: Event::Transfer,
        status: Status::Success,
        code: "00".to_owned(),
        description: "Data Transfer success confirmation.".to_owned(),
    });
    let (values, layout) = told(theirs, &control.write(LineEnd::Lf));
    assert_eq!(
        values,
        [
            "DTSId: Empty",
            "DataChecksum: Spelling",
            "StatusRecord/Description: Shown { theirs: \"\", ours: \"Data Transfer success confirmation.\" }",
        ]
    );
    assert_eq!(layout, [Lay::Declaration, Lay::Blanks]);
}

#[test]
fn the_order_of_the_dts_era_is_layout() {
    let control = ControlFile::read(D.as_bytes()).expect("a control file");
    let dts = control.write_dts_era(LineEnd::Lf);
    let (values, layout) = told(&dts, D);
    assert_eq!(values, ["PartnerId: Absent { empty: true }"]);
    assert_eq!(layout, [Lay::Order]);
}

#[test]
fn what_cannot_be_read_cannot_be_compared() {
    assert_eq!(compare(b"", b""), Err(ReadError::Empty));
    assert_eq!(compare(b" ", C.as_bytes()), Err(ReadError::Empty));
    assert!(compare(C.as_bytes(), b"<DTSControl>").is_err());
}
