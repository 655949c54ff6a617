//! `ControlFile::check`, and what `Debug` and errors may show.

use super::{read, with};
use crate::{AddressType, ControlFile, Event, MessageType};

fn good() -> ControlFile {
    read(&with("<Subject>Batch 417</Subject>"))
}

fn fault(change: impl FnOnce(&mut ControlFile)) -> Option<(Event, &'static str, String)> {
    let mut control = good();
    change(&mut control);
    control.check("ZZZHC001").err().map(|fault| (fault.event, fault.code, fault.description))
}

fn send(code: &'static str, text: &str) -> Option<(Event, &'static str, String)> {
    Some((Event::Send, code, text.to_owned()))
}

#[test]
fn the_sender_must_be_the_mailbox() {
    assert_eq!(
        fault(|control| control.from_dts = "QQQHC002".to_owned()),
        send("07", "Invalid From Address in the control file")
    );
    for same in ["", "  ", "zzzhc001", " ZZZhc001 "] {
        assert_eq!(fault(|control| control.from_dts = same.to_owned()), None);
    }
    assert_eq!(good().check(" zzzHC001 "), Ok(()));
}

#[test]
fn there_must_be_a_recipient_of_any_shape() {
    assert_eq!(fault(|control| control.to_dts = " ".to_owned()), send("08", "TO_DTS missing"));
    for shape in ["qqqhc002", "GPPROVIDER_9999999999_19700101_EXAMPLE-O'NAME", &"x".repeat(100)] {
        assert_eq!(fault(|control| control.to_dts = shape.to_owned()), None);
    }
}

#[test]
fn address_types() {
    for known in [AddressType::Dts, AddressType::All, AddressType::Smtp] {
        assert_eq!(fault(|control| control.address_type = known), None);
    }
    let refused = send("10", "Invalid Address Type for the transfer");
    assert_eq!(fault(|control| control.address_type = AddressType::Other("X400".to_owned())), refused);
    assert_eq!(
        fault(|control| {
            control.address_type = AddressType::Smtp;
            control.to_dts.clear();
        }),
        refused
    );
    let text = with("").replace(">DTS<", "> smtp <");
    assert_eq!(read(&text).address_type.meant(), Some(AddressType::Smtp));
    let dts = read(&with("").replace(">DTS<", ">dts<"));
    assert_eq!(
        (dts.address_type.as_str(), dts.check("ZZZHC001")),
        ("dts", Ok(())),
        "check 19: as the app wrote it"
    );
    let text = with("").replace("<AddressType>DTS</AddressType>", "");
    assert_eq!(read(&text).check("ZZZHC001"), Ok(()));
}

#[test]
fn message_types() {
    let refused = send("11", "Invalid Message Type for the transfer");
    assert_eq!(fault(|control| control.message_type = MessageType::Report), refused);
    for (text, expected) in
        [("DATA", None), (" data ", None), ("Report", refused.clone()), ("", refused.clone())]
    {
        let control = read(&with("").replace(">Data<", &format!(">{text}<")));
        let found = control.check("ZZZHC001").err().map(|fault| (fault.event, fault.code, fault.description));
        assert_eq!(found, expected, "{text}");
    }
    let absent = read(&with("").replace("<MessageType>Data</MessageType>", ""));
    assert_eq!(absent.check("ZZZHC001").err().map(|fault| fault.code), Some("11"));
}

#[test]
fn any_version_passes() {
    for version in ["7", "", "2.0"] {
        assert_eq!(fault(|control| control.version = version.to_owned()), None);
    }
    let absent = read(&with("").replace("<Version>1.0</Version>", ""));
    assert_eq!((absent.version.as_str(), absent.check("ZZZHC001")), ("1.0", Ok(())));
    assert_eq!(read(&with("").replace(">1.0<", ">3<")).version, "3");
}

#[test]
fn there_must_be_a_workflow() {
    let missing = Some((Event::Transfer, "06", "WorkflowId missing".to_owned()));
    assert_eq!(fault(|control| control.workflow_id = None), missing);
    assert_eq!(fault(|control| control.workflow_id = Some(" ".to_owned())), missing);
    assert_eq!(fault(|control| control.workflow_id = Some("W".repeat(33))), None);
}

#[test]
fn values_must_fit_in_a_header() {
    let text = "Malformed control file: control character in Subject; \
                take line breaks, tabs and their like out"
        .to_owned();
    for subject in ["two\nlines", "a\ttab", "a\u{7f}", "a\u{85}b"] {
        let found = fault(|control| control.subject = Some(subject.to_owned()));
        assert_eq!(found, Some((Event::Transfer, "06", text.clone())));
    }
    for fine in ["", "it's : & < > \"", "Zoë — 中文"] {
        assert_eq!(fault(|control| control.subject = Some(fine.to_owned())), None);
    }
}

#[test]
fn values_must_keep_the_limits_of_mesh() {
    let said = |change: &dyn Fn(&mut ControlFile)| {
        fault(change).map(|(event, code, text)| (event.to_string(), code, text))
    };
    let malformed = |text: &str| Some(("TRANSFER".to_owned(), "06", text.to_owned()));
    type Set = fn(&mut ControlFile, String);
    let elements: [(&str, usize, Set); 7] = [
        ("To_DTS", 100, |control, value| control.to_dts = value),
        ("WorkflowId", 300, |control, value| control.workflow_id = Some(value)),
        ("Subject", 500, |control, value| control.subject = Some(value)),
        ("LocalId", 300, |control, value| control.local_id = Some(value)),
        ("PartnerId", 500, |control, value| control.partner_id = Some(value)),
        ("ProcessId", 300, |control, value| control.process_id = Some(value)),
        ("DataChecksum", 100, |control, value| control.data_checksum = Some(value)),
    ];
    for (element, most, set) in elements {
        assert_eq!(said(&|control| set(control, "x".repeat(most))), None, "{element}");
        let text = format!(
            "{element} has {} characters, more than the {most} that MESH takes; shorten it",
            most + 1
        );
        assert_eq!(said(&|control| set(control, "x".repeat(most + 1))), malformed(&text));
        let address = said(&|control| set(control, "HTTPS://example.test/x".to_owned()));
        let text = format!("{element} begins with a web address, which MESH refuses; take it out");
        let refused = ["To_DTS", "WorkflowId", "DataChecksum"].contains(&element);
        let expected = refused.then(|| malformed(&text)).flatten();
        assert_eq!(address.filter(|(.., said)| !said.contains("other than")), expected, "{element}");
    }
    let checksum = |text: &str| said(&|control| control.data_checksum = Some(text.to_owned()));
    assert_eq!(checksum("sha256: 0a-1b/2c"), None);
    assert_eq!(checksum("a+b=").map(|(.., text)| text.contains("DataChecksum holds")), Some(true));
}

#[test]
fn the_first_fault_of_the_table_is_the_answer() {
    let empty = ControlFile {
        from_dts: "QQQHC002".to_owned(),
        message_type: MessageType::Report,
        ..ControlFile::default()
    };
    assert_eq!(empty.check("ZZZHC001").err().map(|fault| fault.element), Some("From_DTS"));
    let empty = ControlFile { from_dts: String::new(), ..empty };
    assert_eq!(empty.check("ZZZHC001").err().map(|fault| fault.element), Some("To_DTS"));
    let empty = ControlFile { to_dts: "x".to_owned(), ..empty };
    assert_eq!(empty.check("ZZZHC001").err().map(|fault| fault.element), Some("MessageType"));
}

#[test]
fn neither_debug_nor_faults_show_private_values() {
    let secret = "GPPROVIDER_9999999999_19700101_SECRET";
    let mut control = read(&with("<Mystery>SECRET</Mystery>"));
    control.to_dts = format!("{secret}\n");
    control.subject = Some(secret.to_owned());
    control.local_id = Some(secret.to_owned());
    control.partner_id = Some(secret.to_owned());
    control.process_id = Some(secret.to_owned());
    control.data_checksum = Some(secret.to_owned());
    control.from_esmtp = Some(secret.to_owned());
    control.to_esmtp = Some(secret.to_owned());
    let fault = control.check("ZZZHC001").expect_err("a line break in the address");
    assert!(!format!("{fault} {fault:?}").contains("SECRET"));
    control.address_type = AddressType::Other(secret.to_owned());
    control.message_type = MessageType::Other(secret.to_owned());
    let debug = format!("{control:#?}");
    assert!(!debug.contains("SECRET"), "{debug}");
    assert!(debug.contains("Mystery") && debug.contains("ZZZHC001") && debug.contains("EXAMPLE_REPORT_V1"));
}
