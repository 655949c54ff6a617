//! Broken and hostile input: refused with its own error and place, and never a panic.

use proptest::prelude::*;

use super::{read, refused, with};
use crate::{ControlFile, DEPTH_MAX, LineEnd, Position, ReadError, SIZE_MAX};

fn at(line: usize, column: usize) -> Position {
    Position { line, column }
}

#[test]
fn nothing_in_the_file() {
    for empty in ["", " \r\n\t", "\u{FEFF}", "\u{FEFF}\n"] {
        assert_eq!(refused(empty), ReadError::Empty);
    }
    assert_eq!(refused([0xFF, 0xFE]), ReadError::Empty);
    assert_eq!(ReadError::Empty.position(), None);
}

#[test]
fn too_large() {
    let padding = SIZE_MAX - with("").len();
    assert!(ControlFile::read(with(&" ".repeat(padding)).as_bytes()).is_ok());
    assert_eq!(refused(with(&" ".repeat(padding + 1))), ReadError::TooLarge);
}

#[test]
fn doctypes_of_every_kind() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">\
                <!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">]>";
    for doctype in [
        bomb,
        "<!DOCTYPE DTSControl>",
        "<!DOCTYPE DTSControl SYSTEM 'file:///etc/passwd'>",
        "<!doctype html>",
        "<!DOCTYPE>",
        "<!DOCTYPE x [",
        "<!DOCTYPE x [<!ENTITY % p SYSTEM 'http://example.invalid/x.dtd'> %p;]>",
    ] {
        let text =
            format!("<?xml version='1.0'?>\n  {doctype}<DTSControl><Subject>&c;</Subject></DTSControl>");
        assert_eq!(refused(text), ReadError::Doctype { at: at(2, 3) }, "{doctype}");
    }
    assert!(matches!(refused(with("<!DOCTYPE x>")), ReadError::Doctype { .. }));
}

#[test]
fn only_the_five_entities_exist() {
    let control = read(&with("<Subject>&lt;&gt;&amp;&apos;&quot;&#65;&#x1F600;</Subject>"));
    assert_eq!(control.subject.as_deref(), Some("<>&'\"A😀"));
    for unknown in ["&nbsp;", "&xxe;", "&;", "&AMP;"] {
        let error = refused(format!("<DTSControl>\n<Subject>{unknown}</Subject></DTSControl>"));
        assert_eq!(error, ReadError::UnknownEntity { at: at(2, 10) }, "{unknown}");
    }
    for broken in
        ["&#0;", "&#1;", "&#xD800;", "&#xFFFE;", "&#x110000;", "&#99999999999;", "&#;", "&#x;", "&#-1;"]
    {
        let error = refused(format!("<DTSControl>\n<Subject>{broken}</Subject></DTSControl>"));
        assert!(
            matches!(error, ReadError::Malformed { at: place, .. } if place == at(2, 10)),
            "{broken} {error}"
        );
    }
}

#[test]
fn another_root() {
    for text in ["<html></html>", "<DTSControls/>", "<dtscontrol/>", "<!-- x --><Version>1.0</Version>"] {
        assert!(matches!(refused(text), ReadError::NotDtsControl { .. }), "{text}");
    }
    assert_eq!(refused("\n <html/>"), ReadError::NotDtsControl { at: at(2, 2) });
}

#[test]
fn too_deep() {
    let nest = |inner: usize| with(&format!("{}{}", "<x>".repeat(inner), "</x>".repeat(inner)));
    assert!(ControlFile::read(nest(DEPTH_MAX - 1).as_bytes()).is_ok());
    assert!(matches!(refused(nest(DEPTH_MAX)), ReadError::TooDeep { .. }));
    assert!(matches!(refused("<DTSControl>".repeat(5000)), ReadError::TooDeep { .. }));
}

#[test]
fn broken_xml_with_its_place() {
    for (text, line, column) in [
        ("<DTSControl>\n  <Subject>x</Subjekt>\n</DTSControl>", 2, 13),
        ("<DTSControl>\n<Subject>a & b</Subject></DTSControl>", 2, 12),
        ("<DTSControl>\n<Subject>é < b</Subject></DTSControl>", 2, 12),
        ("<DTSControl>\n<1>x</1></DTSControl>", 2, 1),
        ("<DTSControl>\n<a:b:c/></DTSControl>", 2, 1),
        ("<DTSControl>\n<Subject a='1' a='2'>x</Subject></DTSControl>", 2, 1),
        ("<DTSControl x=1></DTSControl>", 1, 1),
        ("text<DTSControl/>", 1, 1),
        ("\n  text\n<DTSControl/>", 2, 3),
        ("</DTSControl>", 1, 1),
        ("<DTSControl>\n<!ELEMENT x></DTSControl>", 2, 1),
        ("<DTSControl>\n<Subject>a\u{1}b</Subject></DTSControl>", 2, 11),
        ("<DTSControl>\n<Subject>a\0b</Subject></DTSControl>", 2, 11),
        ("<DTSControl>\n<?xml version='1.0'?></DTSControl>", 2, 1),
        ("<DTSControl></DTSControl>\n</DTSControl>", 2, 1),
    ] {
        let error = refused(text);
        assert!(matches!(error, ReadError::Malformed { .. }), "{text} {error}");
        assert_eq!(error.position(), Some(at(line, column)), "{text} {error}");
    }
}

#[test]
fn a_tag_of_nothing_but_attributes_is_read_in_time() {
    let attributes: String = (0..5500).map(|n| format!(" a{n}=''")).collect();
    assert!(ControlFile::read(format!("<DTSControl{attributes}/>").as_bytes()).is_ok());
}

#[test]
fn an_element_inside_a_value() {
    let error = refused("<DTSControl>\n<To_DTS>Q<b>Q</b></To_DTS></DTSControl>");
    assert_eq!(error, ReadError::ElementInValue { at: at(2, 10) });
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let whole = with("<!-- c --><Subject a='1'>Zoë &amp; <![CDATA[x]]></Subject><Other><p/></Other><?pi x?>");
    for end in 0..whole.len() {
        assert!(ControlFile::read(&whole.as_bytes()[..end]).is_err(), "cut at {end}");
    }
    let error = refused("<DTSControl>\n  <To_DTS>QQQ");
    assert_eq!(error, ReadError::Unterminated { at: at(2, 14) });
    assert!(matches!(refused("<?xml version='1.0'?>"), ReadError::Unterminated { .. }));
    assert!(matches!(refused("<DTSControl><!-- "), ReadError::Unterminated { .. }));
    assert!(matches!(refused("<DTSControl><To_D"), ReadError::Unterminated { .. }));
}

#[test]
fn more_after_the_end() {
    for more in ["x", "<DTSControl/>", "<x>", "&amp;", "<![CDATA[x]]>"] {
        let text = format!("<DTSControl></DTSControl>\n{more}");
        assert_eq!(refused(&text), ReadError::TrailingContent { at: at(2, 1) }, "{more}");
    }
}

#[test]
fn bytes_that_are_no_text() {
    let mut bytes = b"<DTSControl>\n<Subject>a".to_vec();
    bytes.extend(b"\xA35</Subject></DTSControl>");
    assert_eq!(refused(&bytes), ReadError::Undecodable { at: at(2, 11) });
    // Half a character, and a lone surrogate.
    assert_eq!(refused(b"\xFF\xFE<\0D"), ReadError::Undecodable { at: at(1, 2) });
    assert_eq!(refused(b"\xFE\xFF\0<\xD8\0\0a"), ReadError::Undecodable { at: at(1, 2) });
    let error = refused("<?xml version='1.0' encoding='klingon'?><DTSControl/>");
    assert_eq!(error, ReadError::UnknownEncoding { at: at(1, 1) });
    let error = refused(b"<?xml version='1.0' encoding='shift_jis'?>\n<DTSControl>\n\xFF</DTSControl>");
    assert_eq!(error, ReadError::Undecodable { at: at(3, 1) });
    // Encodings that a decoder knows only in order to refuse them.
    assert!(ControlFile::read(b"<?xml version='1.0' encoding='iso-2022-kr'?><DTSControl/>").is_err());
}

#[test]
fn errors_say_nothing_from_the_file() {
    for text in [
        "<SECRET/>",
        "<DTSControl><SECRET></Other></DTSControl>",
        "<DTSControl><Subject>&SECRET;</Subject></DTSControl>",
        "SECRET",
        "<DTSControl/>SECRET",
        "<DTSControl><SECRET SECRET></SECRET></DTSControl>",
        "<!DOCTYPE SECRET>",
        "<DTSControl><To_DTS>SECRET",
        "<?xml version='1.0' encoding='SECRET'?><x/>",
    ] {
        let error = refused(text);
        assert!(!format!("{error} {error:?}").contains("SECRET"), "{error}");
        assert!(error.position().is_some_and(|at| error.to_string().contains(&at.to_string())), "{error}");
    }
}

/// Text made of the pieces that control files and attacks are made of.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<DTSControl>",
        "</DTSControl>",
        "<Subject>",
        "</Subject>",
        "<Subject/>",
        "<StatusRecord>",
        "</StatusRecord>",
        "<Event>",
        "</Event>",
        "<x:y z='1'>",
        "</x:y>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?xml version='1.0'?>",
        "<?xml version='1.0' encoding='utf-16'?>",
        "<!DOCTYPE",
        "[",
        "]>",
        "&amp;",
        "&#10;",
        "&",
        ";",
        "<",
        ">",
        "/",
        "'",
        "\"",
        "=",
        " ",
        "\r\n",
        "é",
        "\u{FEFF}",
        "\0",
        "text",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn survives(bytes: &[u8]) -> Result<(), TestCaseError> {
    match ControlFile::read(bytes) {
        Ok(control) => {
            let _ = control.check("ZZZHC001");
            let written = control.write(LineEnd::CrLf);
            prop_assert!(ControlFile::read(written.as_bytes()) == Ok(control), "{written:?}");
        }
        Err(error) => {
            let _ = (error.to_string(), error.position());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        survives(&bytes)?;
    }

    #[test]
    fn arbitrary_pieces(text in pieces()) {
        survives(text.as_bytes())?;
        survives(format!("<DTSControl>{text}</DTSControl>").as_bytes())?;
        survives(with(&text).as_bytes())?;
    }

    #[test]
    fn a_good_file_with_damage(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let more = "<Subject>Zoë &amp; <![CDATA[x]]></Subject><Other a='1'><p/></Other>";
        let mut bytes = with(more).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        survives(&bytes)?;
    }
}
