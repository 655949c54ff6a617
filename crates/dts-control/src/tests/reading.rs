//! The odd but real: checks 12–14 and 16, the test vectors of section 10, and the round trip.

use proptest::prelude::*;

use super::{read, with};
use crate::{
    AddressType, ControlFile, Event, LineEnd, MessageType, Status, StatusRecord, UnknownElement, xml,
};

#[test]
fn byte_order_mark_and_crlf() {
    let plain = read(&with("<Subject>Batch 417</Subject>"));
    let text = format!("\u{FEFF}{}", with("\r\n<Subject>\r\n\tBatch 417 \r\n</Subject>\r\n"));
    assert!(read(&text) == plain);
}

#[test]
fn every_encoding_gives_the_same_file() {
    let body = with("<Subject>Zoë £5</Subject>");
    let expected = read(&body);
    let declared = |name: &str| format!("<?xml version=\"1.0\" encoding=\"{name}\"?>\r\n{body}");
    let units = |text: &str| text.encode_utf16().collect::<Vec<u16>>();
    let little = |text: &str| units(text).into_iter().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let big = |text: &str| units(text).into_iter().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let latin =
        |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect::<Vec<u8>>();
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("UTF-8", declared("UTF-8").into_bytes()),
        ("UTF-8 in lower case", declared("utf-8").into_bytes()),
        ("UTF-8 with a mark", format!("\u{FEFF}{}", declared("UTF-8")).into_bytes()),
        ("UTF-8 with a mark that wins", format!("\u{FEFF}{}", declared("ISO-8859-1")).into_bytes()),
        ("UTF-8 that claims to be UTF-16", declared("utf-16").into_bytes()),
        ("no encoding named", format!("<?xml version='1.0'?>{body}").into_bytes()),
        ("white space first", format!(" \r\n{}", declared("UTF-8")).into_bytes()),
        ("Latin-1", latin(&declared("ISO-8859-1"))),
        ("Windows", latin(&declared("windows-1252"))),
        ("UTF-16 little", little(&declared("UTF-16"))),
        ("UTF-16 big", big(&declared("UTF-16"))),
        ("UTF-16 little with a mark", little(&format!("\u{FEFF}{}", declared("UTF-16")))),
        ("UTF-16 big with a mark", big(&format!("\u{FEFF}{}", declared("UTF-16")))),
        ("UTF-16 undeclared", little(&body)),
    ];
    for (name, bytes) in files {
        assert!(ControlFile::read(&bytes) == Ok(expected.clone()), "{name}");
    }
}

#[test]
fn attributes_comments_instructions_and_blanks_in_tags_are_ignored() {
    let text = "<?xml version=\"1.0\" standalone='yes'?><?style x?><!-- one --\n two -->
        <DTSControl Version=\"1.0\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"
            xsi:noNamespaceSchemaLocation=\"x.xsd\">
        <!-- <To_DTS>no</To_DTS> --><To_DTS >QQQ<!-- inside -->HC002</To_DTS ><Subject
        a='b'>&#x42;atch<![CDATA[ <417> ]]></Subject>stray<?x y?></DTSControl>
        <!-- after --><?after?>\n";
    let control = read(text);
    assert_eq!(control.to_dts, "QQQHC002");
    assert_eq!(control.subject.as_deref(), Some("Batch <417>"));
    assert_eq!(control.version, "1.0");
    assert!(control.unknown.is_empty());
}

#[test]
fn prefixes_are_dropped() {
    let text = "<d:DTSControl xmlns:d='urn:x'><d:To_DTS>QQQHC002</d:To_DTS><d:New>1</d:New></d:DTSControl>";
    let control = read(text);
    assert_eq!((control.to_dts.as_str(), control.unknown[0].name()), ("QQQHC002", "New"));
}

#[test]
fn absent_and_empty_are_told_apart() {
    let control = read(&with("<Subject/><LocalId></LocalId><ProcessId> \n </ProcessId>"));
    for empty in [&control.subject, &control.local_id, &control.process_id] {
        assert_eq!(empty.as_deref(), Some(""));
    }
    assert_eq!(
        (control.dts_id, control.partner_id, control.compress, control.status),
        (None, None, None, None)
    );
}

#[test]
fn aliases_are_read_and_never_written() {
    let control = read(&with("<DataCheckSum>ab:12</DataCheckSum><PartnerIdentifier>p</PartnerIdentifier>"));
    assert_eq!((control.data_checksum.as_deref(), control.partner_id.as_deref()), (Some("ab:12"), Some("p")));
    let written = control.write(LineEnd::Lf);
    assert!(written.contains("<DataChecksum>ab:12<") && written.contains("<PartnerId>p<"));
    assert!(!written.contains("CheckSum") && !written.contains("Identifier"));
}

#[test]
fn the_first_of_a_repeated_element_counts() {
    let control = read(&with(
        "<Subject>one</Subject><Subject>two<deep/></Subject><To_DTS>OTHER</To_DTS><Compress>maybe</Compress>\
         <Compress>Y</Compress><DataCheckSum>1</DataCheckSum><DataChecksum>2</DataChecksum>\
         <StatusRecord><Event>SEND</Event><Event>COLLECT</Event></StatusRecord><StatusRecord/>",
    ));
    assert_eq!((control.subject.as_deref(), control.to_dts.as_str()), (Some("one"), "QQQHC002"));
    assert_eq!((control.compress, control.data_checksum.as_deref()), (None, Some("1")));
    assert_eq!(control.status.map(|status| status.event), Some(Event::Send));
    assert!(control.unknown.is_empty());
}

#[test]
fn flags_are_read_leniently() {
    for (text, expected) in [
        ("Y", Some(true)),
        ("y", Some(true)),
        (" Yes ", Some(true)),
        ("true", Some(true)),
        ("N", Some(false)),
        ("n", Some(false)),
        ("NO", Some(false)),
        ("False", Some(false)),
        ("", None),
        ("1", Some(true)),
        ("0", Some(false)),
        ("2", None),
        ("perhaps", None),
    ] {
        let control = read(&with(&format!("<AllowChunking>{text}</AllowChunking>")));
        assert_eq!(control.allow_chunking, expected, "{text}");
    }
}

#[test]
fn unknown_elements_are_carried_before_the_status_record() {
    let control = read(&with(
        "<StatusRecord/><Site ref='a&amp;b'>\r\n \
         <x:Ward n='1'>A &amp; <![CDATA[<B>]]></x:Ward><Empty/>\r\n</Site>\
         <WorkflowID>W</WorkflowID>",
    ));
    let shown: Vec<_> =
        control.unknown.iter().map(|element| (element.name(), element.content_xml())).collect();
    assert_eq!(shown, [("Site", "<Ward>A &amp; &lt;B&gt;</Ward><Empty></Empty>"), ("WorkflowID", "W")]);
    let written = control.write(LineEnd::Lf);
    let carried = "  <Site><Ward>A &amp; &lt;B&gt;</Ward><Empty></Empty></Site>\n  \
                   <WorkflowID>W</WorkflowID>\n  <StatusRecord>\n";
    assert!(written.contains(carried), "{written}");
    assert!(read(&written) == control);
}

#[test]
fn a_poor_status_record_is_read_and_written_in_full() {
    let control = read(&with("<StatusRecord><Event>Transfer to DTS Server</Event><More/></StatusRecord>"));
    let written = control.write(LineEnd::Lf);
    assert!(written.contains(
        "  <StatusRecord>\n    <DateTime></DateTime>\n    <Event>Transfer to DTS Server</Event>\n    \
         <Status></Status>\n    <StatusCode></StatusCode>\n    <Description></Description>\n  </StatusRecord>\n"
    ));
    assert!(read(&written) == control);
}

#[test]
fn odd_texts_survive() {
    for text in [
        "O'Name & Sons <ltd> \"x\" :",
        "Zoë 中文 €",
        "]]>",
        "&amp;",
        "a\nb\r\nc\td",
        "\u{A0}x\u{A0}",
        "\u{85}\u{2028}",
    ] {
        let control = ControlFile {
            subject: Some(text.to_owned()),
            local_id: Some(text.to_owned()),
            ..ControlFile::default()
        };
        for line_end in [LineEnd::Lf, LineEnd::CrLf] {
            let written = control.write(line_end);
            assert!(read(&written) == control, "{text:?}");
            assert_eq!(written.lines().count(), 9, "{text:?}");
        }
    }
}

#[test]
fn what_xml_cannot_hold_is_written_as_a_question_mark() {
    let control = ControlFile { subject: Some("a\0b\u{1b}c\u{FFFF}d".to_owned()), ..ControlFile::default() };
    assert!(control.write(LineEnd::Lf).contains("<Subject>a?b?c?d</Subject>"));
}

/// Any text that a file can say: legal in XML, without white space at its ends.
fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| {
        let legal: String = text.chars().filter(|&c| xml::is_char(c)).collect();
        legal.trim_matches(xml::is_space).to_owned()
    })
}

fn texts() -> impl Strategy<Value = Vec<Option<String>>> {
    prop::collection::vec(prop::option::of(text()), 9)
}

fn flags() -> impl Strategy<Value = Vec<Option<bool>>> {
    prop::collection::vec(any::<Option<bool>>(), 4)
}

fn status() -> impl Strategy<Value = StatusRecord> {
    (text(), text(), text(), text(), text()).prop_map(|(date_time, event, status, code, description)| {
        let (Ok(event), Ok(status)) = (event.parse::<Event>(), status.parse::<Status>());
        StatusRecord { date_time, event, status, code, description }
    })
}

fn unknown() -> impl Strategy<Value = UnknownElement> {
    ("X[A-Za-z0-9._-]{0,8}", text(), prop::option::of(text())).prop_map(|(name, first, inner)| {
        let mut content = String::new();
        xml::escape_into(&mut content, &first);
        if let Some(inner) = inner {
            content.push_str("<Inner>");
            xml::escape_into(&mut content, &inner);
            content.push_str("</Inner>");
        }
        // Line breaks are kept as they stand; references to them are resolved when read.
        UnknownElement { name, content: content.replace("&#10;", " ").trim_matches(xml::is_space).to_owned() }
    })
}

prop_compose! {
    fn control_file()(
        mandatory in (text(), text(), text(), text(), text()),
        texts in texts(),
        flags in flags(),
        unknown in prop::collection::vec(unknown(), 0..3),
        status in prop::option::of(status()),
    ) -> ControlFile {
        let (version, address_type, message_type, from_dts, to_dts) = mandatory;
        let (Ok(address_type), Ok(message_type)) = (address_type.parse(), message_type.parse());
        let mut texts = texts.into_iter();
        let mut text = || texts.next().flatten();
        let mut flags = flags.into_iter();
        let mut flag = || flags.next().flatten();
        ControlFile {
            // An absent version and address type have defaults, so the empty ones cannot come back.
            version: if version.is_empty() { "1.0".to_owned() } else { version },
            address_type: match address_type {
                AddressType::Other(text) if text.is_empty() => AddressType::Smtp,
                other => other,
            },
            message_type,
            from_dts,
            to_dts,
            from_esmtp: text(),
            to_esmtp: text(),
            subject: text(),
            local_id: text(),
            dts_id: text(),
            partner_id: text(),
            compress: flag(),
            encrypted: flag(),
            workflow_id: text(),
            process_id: text(),
            data_checksum: text(),
            is_compressed: flag(),
            allow_chunking: flag(),
            unknown,
            status,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(control in control_file(), crlf in any::<bool>()) {
        let written = control.write(if crlf { LineEnd::CrLf } else { LineEnd::Lf });
        let again = ControlFile::read(written.as_bytes());
        prop_assert!(again == Ok(control), "{written:?}");
    }

    #[test]
    fn the_plain_words_are_read_in_any_case(upper in any::<u8>()) {
        let mix = |word: &str| -> String {
            let case = |(i, c): (usize, char)| {
                if upper >> i & 1 == 1 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
            };
            word.char_indices().map(case).collect()
        };
        prop_assert!(mix("data").parse() == Ok(MessageType::Data));
        prop_assert!(mix("report").parse() == Ok(MessageType::Report));
        prop_assert!(mix("all").parse::<AddressType>().map(|all| all.meant()) == Ok(Some(AddressType::All)));
        prop_assert_eq!(mix("receive").parse(), Ok(Event::Receive));
    }
}
