//! `lint`: it agrees with `judge`, it finds everything, it says where, and it repeats nothing.

use proptest::prelude::*;

use super::with;
use crate::{Beside, ControlFile, DataFile, Finding, LintContext, ReadError, Severity, lint};

const HERE: DataFile<'_> = DataFile::Here { name: "x.dat", length: 7 };

fn context<'a>(mailbox: &'a str, data: DataFile<'a>) -> LintContext<'a> {
    LintContext { name: Some("x.ctl"), mailbox: Some(mailbox), data, beside: Beside::Nothing }
}

fn linted(text: &str) -> Vec<Finding> {
    lint(text.as_bytes(), &context("ZZZHC001", HERE))
}

/// Severity, line, column and element of each.
fn places(findings: &[Finding]) -> Vec<(Severity, usize, usize, &'static str)> {
    let place = |finding: &Finding| {
        let at = finding.at.expect("a place");
        (finding.severity, at.line, at.column, finding.element)
    };
    findings.iter().map(place).collect()
}

/// The one warning that the file `with(more)` gives beside the usual ones.
fn warning(more: &str) -> String {
    let usual = linted(&with("<Subject>s</Subject><LocalId>l</LocalId>"));
    assert_eq!(usual, []);
    let subject = if more.contains("<Subject>") { "" } else { "<Subject>s</Subject>" };
    let local_id = if more.contains("<LocalId") { "" } else { "<LocalId>l</LocalId>" };
    let findings = linted(&with(&format!("{subject}{local_id}{more}")));
    let [finding] = findings.as_slice() else { panic!("{more}: {findings:#?}") };
    assert_eq!((finding.severity, &finding.fault), (Severity::Warning, &None), "{more}");
    format!("{}: {}; {}", finding.element, finding.reason, finding.fix)
}

#[test]
fn every_fault_is_found_with_its_place() {
    let text = "<DTSControl>\n <Version>2</Version>\n <AddressType>X400</AddressType>\n\
                 <MessageType>Report</MessageType>\n <From_DTS>QQQHC002</From_DTS><To_DTS/>\n\
                 <Subject>a&#10;b</Subject>\n <Workflow_ID>W</Workflow_ID>\n <LocalId>1</LocalId>\n\
                 <ProcessId>http://x</ProcessId><DataCheckSum>http://+</DataCheckSum>\n</DTSControl>";
    use Severity::{Error, Warning};
    assert_eq!(
        places(&linted(text)),
        [
            (Error, 5, 2, "From_DTS"),
            (Error, 5, 31, "To_DTS"),
            (Error, 3, 2, "AddressType"),
            (Error, 4, 1, "MessageType"),
            // Where the misspelt one stands.
            (Error, 7, 2, "WorkflowId"),
            (Error, 6, 1, "Subject"),
            (Error, 9, 32, "DataChecksum"),
            (Error, 9, 32, "DataChecksum"),
            (Warning, 2, 2, "Version"),
            (Warning, 7, 2, "WorkflowId"),
            (Warning, 9, 32, "DataChecksum"),
        ]
    );
}

#[test]
fn the_data_file_comes_last_among_the_errors() {
    let findings = lint(b"<DTSControl/>", &context("ZZZHC001", DataFile::Missing));
    let errors: Vec<_> = findings.iter().filter_map(|finding| finding.fault.as_ref()).collect();
    assert_eq!(errors.iter().map(|fault| fault.code).collect::<Vec<_>>(), ["08", "11", "06", "02"]);
    assert_eq!(errors[3].reason, "there is no data file beside the control file");
    let empty = lint(with("").as_bytes(), &context("ZZZHC001", DataFile::Here { name: "x.dat", length: 0 }));
    assert_eq!(empty[0].reason, "the data file is empty");
    let name = format!("{}.dat", "x".repeat(297));
    let long = lint(with("").as_bytes(), &context("ZZZHC001", DataFile::Here { name: &name, length: 1 }));
    assert!(long[0].reason.starts_with("name of the data file has 301 characters"), "{long:#?}");
}

#[test]
fn what_cannot_be_read_is_one_error_with_its_place() {
    let findings = linted("<DTSControl>\n<To_DTS>x");
    assert_eq!(places(&findings), [(Severity::Error, 2, 10, "DTSControl")]);
    let fault = findings[0].fault.clone().expect("a fault");
    assert_eq!((fault.event.as_str(), fault.code), ("COLLECT", "01"));
    assert_eq!(
        fault.description,
        "Control file x.ctl cannot be read: line 2, column 10: the file ends before </DTSControl>: it is cut \
         off or still being written; write the whole file under another name and rename it to its `.ctl` name"
    );
    for quotes in ["<?xml version=“1.0”?><DTSControl/>", "<DTSControl a=“b”/>"] {
        let error = ControlFile::read(quotes.as_bytes()).expect_err("broken");
        assert!(matches!(error, ReadError::Malformed { .. }));
        assert!(error.reason().contains("quotes of a word processor"), "{error}");
    }
}

#[test]
fn reports_have_no_apostrophe() {
    let error = ReadError::Empty;
    let fault = crate::Fault::unreadable(Some("o'name.ctl"), &error);
    assert!(fault.description.starts_with("Control file oname.ctl cannot be read"), "{}", fault.description);
}

#[test]
fn odd_elements_are_told() {
    for (more, says) in [
        (
            "<WorkflowID>W</WorkflowID>",
            "WorkflowId: there is no element of this name, it is probably meant as",
        ),
        ("<Notes>n</Notes>", "DTSControl: control files have no element of this name, it comes back"),
        ("<DataCheckSum>1</DataCheckSum>", "DataChecksum: this is read as DataChecksum"),
        ("<PartnerIdentifier>1</PartnerIdentifier>", "PartnerId: this is read as PartnerId"),
        ("<To_DTS>OTHER</To_DTS>", "To_DTS: To_DTS is there already, and the first one counts"),
        ("<Compress>yes</Compress>", "Compress: the flag is neither Y nor N, and is read as Y; write Y"),
        ("<Encrypted>0</Encrypted>", "Encrypted: the flag is neither Y nor N, and is read as N; write N"),
        ("<AllowChunking>maybe</AllowChunking>", "AllowChunking: the flag is neither Y nor N and counts as"),
        ("<DTSId>1</DTSId>", "DTSId: the DTSId is ignored"),
        ("<IsCompressed>Y</IsCompressed>", "IsCompressed: IsCompressed is ignored"),
        ("<StatusRecord/>", "StatusRecord: the StatusRecord is ignored"),
        ("stray", "DTSControl: text stands between the elements"),
        ("<Subject>it's</Subject>", "Subject: Subject has an apostrophe"),
        ("<Subject>a:b</Subject>", "Subject: Subject has a colon"),
        ("<LocalId>a:b</LocalId>", "LocalId: LocalId has a colon"),
        ("<LocalId>no 9990548609</LocalId>", "LocalId: LocalId has ten digits"),
        ("<Subject></Subject>", "Subject: the subject is missing or empty"),
        ("<LocalId/>", "LocalId: the local id is missing or empty"),
        ("<Subject>Zoë</Subject>", "Subject: Subject has characters outside ASCII"),
    ] {
        assert!(warning(more).starts_with(says), "{more}: {}", warning(more));
    }
    let long = |element: &str, chars: usize| format!("<{element}>{}</{element}>", "x".repeat(chars));
    assert!(warning(&long("LocalId", 256)).contains("256 characters, more than the 255 of the DTS"));
    assert!(warning(&long("PartnerId", 256)).contains("more than the 255 of the DTS"));
    assert!(warning(&long("ProcessId", 33)).contains("more than the 32 of the DTS"));
    assert!(warning(&long("Invoice", 1001)).contains("looks like data"));
    for fine in
        ["<DTSId/>", "<IsCompressed>N</IsCompressed>", "<Encrypted/>", "<From_ESMTP>a:b'</From_ESMTP>"]
    {
        assert_eq!(linted(&with(&format!("<Subject>s</Subject><LocalId>9990548608</LocalId>{fine}"))), []);
    }
}

#[test]
fn odd_heads_are_told() {
    let good = with("<Subject>s</Subject><LocalId>l</LocalId>");
    let reasons = |text: &str| {
        let findings = linted(text);
        assert!(findings.iter().all(|finding| finding.severity == Severity::Warning), "{findings:#?}");
        findings.into_iter().map(|finding| finding.reason).collect::<Vec<_>>().join("|")
    };
    for (from, to, says) in [
        (">1.0<", ">7<", "the version is not 1.0"),
        ("<Version>1.0</Version>", "", "the version is missing and counts as 1.0"),
        (">DTS<", ">dts<", "not in capitals"),
        (">DTS<", "><", "the address type is empty"),
        (">DTS<", ">SMTP<", "only To_DTS counts"),
        ("<AddressType>DTS</AddressType>", "", "the address type is missing"),
        (">Data<", ">DATA<", "not written as Data"),
        ("<From_DTS>ZZZHC001</From_DTS>", "", "the sender is missing"),
        ("<DTSControl>", "\u{FEFF}<DTSControl>", "byte-order mark"),
        ("<DTSControl>", " <?xml version='1.0'?><DTSControl>", "before the XML declaration"),
        ("<DTSControl>", "<?xml version='1.0' encoding='utf-16'?><DTSControl>", "says that it is in UTF-16"),
        ("<DTSControl>", "<?xml version='1.0' encoding='windows-1252'?><DTSControl>", "not in UTF-8"),
    ] {
        let said = reasons(&good.replacen(from, to, 1));
        assert!(said.contains(says) && !said.contains('|'), "{said}");
    }
    assert_eq!(linted(&good.replace(">DTS<", ">ALL<")), []);
    assert_eq!(linted(&good.replace(">ZZZHC001<", "> zzzhc001 <")), []);
    let wide: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(lint(&wide, &context("ZZZHC001", HERE))[0].reason.contains("UTF-16"));
}

#[test]
fn odd_names_are_told() {
    let good = with("<Subject>s</Subject><LocalId>l</LocalId>");
    let said = |name, data, beside| {
        let context = LintContext { name: Some(name), mailbox: None, data, beside };
        lint(good.as_bytes(), &context)
            .into_iter()
            .map(|finding| finding.reason)
            .collect::<Vec<_>>()
            .join("|")
    };
    let here = |name| DataFile::Here { name, length: 1 };
    assert_eq!(said("x.ctl", here("x.dat"), Beside::Nothing), "");
    assert!(said(".x.ctl", here("x.dat"), Beside::Nothing).contains("stays in OUT"));
    assert!(said("x.CTL", here("x.dat"), Beside::Nothing).contains("not in lower case"));
    assert!(said("x.ctl", here("x.DAT"), Beside::Nothing).contains("not in lower case"));
    assert!(said("é.ctl", here("é.dat"), Beside::Nothing).contains("outside ASCII"));
    assert!(said("x.ctl", here("x.dat"), Beside::SeveralExtensions).contains("only one is sent"));
    assert!(said("x.ctl", DataFile::Missing, Beside::OtherCase).contains("no data file"));
    assert!(said("x.ctl", DataFile::Missing, Beside::OtherCase).contains("upper and lower case alone"));
}

#[test]
fn findings_repeat_nothing_from_the_file() {
    let secret = "SECRET".repeat(100);
    let all = [
        "Version",
        "AddressType",
        "MessageType",
        "From_DTS",
        "To_DTS",
        "Subject",
        "LocalId",
        "DTSId",
        "PartnerId",
        "Compress",
        "WorkflowId",
        "ProcessId",
        "DataChecksum",
        "IsCompressed",
        "SECRET",
        "WorkflowSECRET",
        "To_DTSs",
    ]
    .map(|element| format!("<{element}>http://{secret}'é&#10;</{element}>"))
    .concat();
    let findings = linted(&format!("<DTSControl>{all}SECRET</DTSControl>"));
    assert!(findings.len() > 20, "{}", findings.len());
    assert!(!format!("{findings:?}").contains("SECRET"));
}

#[test]
fn a_file_of_nothing_but_odd_elements_is_linted_in_time() {
    let text = format!("<DTSControl>{}</DTSControl>", "<x/>".repeat(16_000));
    assert!(linted(&text).len() > 16_000);
}

/// Values that are fine, and values that are not.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("ZZZHC001".to_owned()),
        Just(" zzzhc001 ".to_owned()),
        Just("Data".to_owned()),
        Just("Report".to_owned()),
        Just("SMTP".to_owned()),
        Just("DTS".to_owned()),
        Just("https://x".to_owned()),
        Just("a&#10;b".to_owned()),
        Just("&#xA0;".to_owned()),
        Just("&#x85;".to_owned()),
        Just("a+b".to_owned()),
        Just("<b/>".to_owned()),
        Just("&".to_owned()),
        prop::sample::select(vec![32_usize, 33, 100, 101, 255, 256, 300, 301, 500, 501])
            .prop_map(|n| "x".repeat(n)),
    ]
}

fn file() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "Version",
        "AddressType",
        "MessageType",
        "From_DTS",
        "To_DTS",
        "Subject",
        "LocalId",
        "PartnerId",
        "PartnerIdentifier",
        "WorkflowId",
        "WorkflowID",
        "ProcessId",
        "DataChecksum",
        "DataCheckSum",
        "Compress",
        "StatusRecord",
        "Other",
    ]);
    // Many a file needs just one change to be good or bad.
    let element = (name, value()).prop_map(|(name, value)| format!("<{name}>{value}</{name}>"));
    (prop::collection::vec(element, 0..5), any::<bool>()).prop_map(|(elements, bare)| {
        let elements = elements.concat();
        if bare {
            format!("<DTSControl>{elements}</DTSControl>")
        } else {
            with(&elements).replace("<DTSControl>", &format!("<DTSControl>{elements}"))
        }
    })
}

const DATA: [DataFile<'_>; 4] = [
    HERE,
    DataFile::Missing,
    DataFile::Here { name: "x.dat", length: 0 },
    DataFile::Here { name: "x\n.dat", length: 1 },
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_error_means_that_it_is_sent_and_the_first_error_is_the_report(text in file(), data in 0..4_usize) {
        let data = DATA[data];
        let findings = lint(text.as_bytes(), &context("ZZZHC001", data));
        let judged = ControlFile::judge(text.as_bytes(), "x.ctl", "ZZZHC001", data).err();
        let first = findings.iter().find(|finding| finding.severity == Severity::Error);
        prop_assert_eq!(judged.as_ref(), first.and_then(|finding| finding.fault.as_ref()), "{}", text);
        let warnings_last = findings.iter().is_sorted_by_key(|finding| finding.severity == Severity::Warning);
        prop_assert!(warnings_last);
        for fault in findings.iter().filter_map(|finding| finding.fault.as_ref()) {
            prop_assert!(!fault.description.contains('\''));
        }
    }

    #[test]
    fn arbitrary_bytes_are_linted(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let read = ControlFile::read(&bytes).is_err();
        let findings = lint(&bytes, &context("ZZZHC001", DataFile::NotLookedAt));
        prop_assert_eq!(findings.iter().any(|finding| finding.element == "DTSControl" && finding.fault.is_some()), read);
    }
}
