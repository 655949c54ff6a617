//! Examples C to I of `dts-file-interface.md` 4.6 as an old client would have left them, and what is found when they differ.

use super::*;
use crate::config::{Profile, ServerReports};
use crate::control_files;
use dts_control::compare::{How, Lay};

const SENDER: &str = "ZZZHC001";
const RECIPIENT: &str = "QQQHC002";
const ID: &str = "20261122101500123456_0A1B2C";
const REPORT_ID: &str = "20261127101501000042_7F7F01";

/// A control file of the Java client: canonical order, `more` between the elements that all have.
struct Text {
    address: &'static str,
    kind: &'static str,
    from_to: [&'static str; 2],
    esmtp: bool,
    subject: &'static str,
    ids: &'static str,
    flags: &'static str,
    record: [&'static str; 5],
}

impl Text {
    fn write(&self) -> String {
        let [from, to] = self.from_to;
        let lower = |mailbox: &str| mailbox.to_lowercase();
        let esmtp = match self.esmtp {
            true => format!(
                "  <From_ESMTP>{}@dts.nhs.uk</From_ESMTP>\n  <To_ESMTP>{}@dts.nhs.uk</To_ESMTP>\n",
                lower(from),
                lower(to)
            ),
            false => String::new(),
        };
        let record = match self.record {
            ["", ..] => String::new(),
            [time, event, status, code, text] => format!(
                "  <StatusRecord>\n    <DateTime>{time}</DateTime>\n    <Event>{event}</Event>\n    \
                 <Status>{status}</Status>\n    <StatusCode>{code}</StatusCode>\n    \
                 <Description>{text}</Description>\n  </StatusRecord>\n"
            ),
        };
        format!(
            "<DTSControl>\n  <Version>1.0</Version>\n  <AddressType>{}</AddressType>\n  \
             <MessageType>{}</MessageType>\n  <From_DTS>{from}</From_DTS>\n  <To_DTS>{to}</To_DTS>\n{esmtp}  \
             <Subject>{}</Subject>\n  <LocalId>ZZZ-2026-000417</LocalId>\n{}{}{record}</DTSControl>\n",
            self.address, self.kind, self.subject, self.ids, self.flags
        )
    }
}

const SENT_FLAGS: &str = "  <Compress>Y</Compress>\n  <Encrypted>N</Encrypted>\n  \
                          <WorkflowId>EXAMPLE_REPORT_V1</WorkflowId>\n  <IsCompressed>Y</IsCompressed>\n  \
                          <AllowChunking>Y</AllowChunking>\n";
const NOT_COMPRESSED: &str = "  <Compress>Y</Compress>\n  <Encrypted>N</Encrypted>\n  \
                              <WorkflowId>EXAMPLE_REPORT_V1</WorkflowId>\n  <IsCompressed>N</IsCompressed>\n  \
                              <AllowChunking>Y</AllowChunking>\n";
const IN_FLAGS: &str = "  <Compress>N</Compress>\n  <Encrypted>N</Encrypted>\n  \
                        <WorkflowId>EXAMPLE_REPORT_V1</WorkflowId>\n  <ProcessId></ProcessId>\n  \
                        <DataChecksum></DataChecksum>\n  <IsCompressed>N</IsCompressed>\n";
const WITH_ID: &str = "  <DTSId>20261122101500123456_0A1B2C</DTSId>\n";

fn sent() -> Text {
    Text {
        address: "DTS",
        kind: "Data",
        from_to: [SENDER, RECIPIENT],
        esmtp: false,
        subject: "Batch 417",
        ids: WITH_ID,
        flags: SENT_FLAGS,
        record: ["20261122101500", "TRANSFER", "SUCCESS", "00", "Data Transfer success confirmation."],
    }
}

fn received() -> Text {
    Text {
        address: "ALL",
        kind: "Data",
        from_to: [SENDER, RECIPIENT],
        esmtp: true,
        subject: "Batch 417",
        ids: "  <DTSId>20261122101500123456_0A1B2C</DTSId>\n  <PartnerId></PartnerId>\n",
        flags: IN_FLAGS,
        record: ["20261122101500", "TRANSFER", "SUCCESS", "00", "Transferred to recipient mailbox"],
    }
}

fn collect() -> Text {
    let record = ["20260722101459", "COLLECT", "SUCCESS", "00", "Data collect success confirmation."];
    Text { kind: "Report", ids: "", flags: NOT_COMPRESSED, record, ..sent() }
}

/// The same, in FAILED.
fn refused() -> Text {
    let record = ["20261122101500", "SEND", "ERROR", "12", "Unregistered to address"];
    Text { flags: NOT_COMPRESSED, record, ..sent() }
}

fn uncollected() -> Text {
    Text {
        address: "ALL",
        kind: "Report",
        from_to: [RECIPIENT, SENDER],
        esmtp: true,
        subject: "NDR: Batch 417",
        ids: "  <DTSId>20261127101501000042_7F7F01</DTSId>\n  <PartnerId>20261122101500123456_0A1B2C</PartnerId>\n",
        flags: IN_FLAGS,
        record: ["20261127101501", "SEND", "ERROR", "14", "Message not collected by recipient after 5 days"],
    }
}

/// The folders of a mailbox.
struct Site {
    root: tempfile::TempDir,
    config: Config,
}

impl Site {
    fn new(mailbox: &str) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        for place in Place::ALL {
            fs::create_dir(root.path().join(place.as_str())).expect("a folder");
        }
        let mut config = Config::new(mailbox.parse().expect("a mailbox"), root.path());
        config.reports.collect = true;
        config.reports.transfer = true;
        Self { root, config }
    }

    #[expect(clippy::disallowed_methods, reason = "an old client wrote it")]
    fn put(&self, place: Place, name: &str, text: &str) {
        fs::write(self.root.path().join(place.as_str()).join(name), text).expect("a file");
    }

    /// A pair, whose data is the same everywhere.
    fn pair(&self, place: Place, stem: &str, text: &str) {
        self.put(place, &format!("{stem}.dat"), "data");
        self.put(place, &format!("{stem}.ctl"), text);
    }

    /// Judges everything, and gives the one that is asked for.
    fn judge(&self, place: Place, name: &str) -> Judged {
        let places = Places::under(self.root.path()).expect("folders");
        let mut shadow = Shadow::new(self.config.clone(), places).expect("a shadow");
        let mut asked = None;
        for at in Place::ALL {
            for file in shadow.names(at).expect("names") {
                let judged = shadow.judge(at, &file, Timestamp::MAX).expect("a file");
                if at == place && file == name {
                    asked = Some(judged);
                }
            }
        }
        asked.expect("the file")
    }

    fn told(&self, place: Place, name: &str) -> String {
        told(&self.judge(place, name))
    }
}

fn told(judged: &Judged) -> String {
    match &judged.verdict {
        Verdict::Compared(comparison) if comparison.is_same() => "same".to_owned(),
        Verdict::Compared(comparison) => {
            let values = comparison.values.iter().map(|value| match &value.how {
                How::Shown { theirs, ours } => format!("{} {theirs}/{ours}", value.element),
                how => format!("{} {how:?}", value.element),
            });
            let layout = comparison.layout.iter().map(|lay| format!("{lay:?}"));
            values.chain(layout).collect::<Vec<_>>().join(", ")
        }
        Verdict::Refused(fault) => format!("refused {} {}", fault.event, fault.code),
        Verdict::NotWritten(why) => format!("not written: {why}"),
        Verdict::Untold => "untold".to_owned(),
        Verdict::NotDerivable => "not derivable".to_owned(),
        Verdict::Unreadable(error) => error.reason(),
        Verdict::Unopened(_) => "unopened".to_owned(),
        Verdict::Unfinished => "unfinished".to_owned(),
    }
}

#[test]
fn the_examples_are_what_the_relay_would_write() {
    let site = Site::new(SENDER);
    site.pair(Place::Sent, "ABC", &sent().write());
    site.put(Place::Inbox, "a.ctl", &collect().write());
    site.put(Place::Inbox, "b.ctl", &Text { kind: "Report", ..sent() }.write());
    site.put(Place::Inbox, &format!("{REPORT_ID}.ctl"), &uncollected().write());
    assert_eq!(site.told(Place::Sent, "ABC.ctl"), "same");
    assert_eq!(site.told(Place::Inbox, "a.ctl"), "same");
    assert_eq!(site.told(Place::Inbox, "b.ctl"), "same");
    assert_eq!(site.told(Place::Inbox, &format!("{REPORT_ID}.ctl")), "same");

    let site = Site::new(RECIPIENT);
    site.pair(Place::Inbox, ID, &received().write());
    let judged = site.judge(Place::Inbox, &format!("{ID}.ctl"));
    assert_eq!((told(&judged).as_str(), judged.notes.as_slice(), judged.differs()), ("same", &[][..], false));
}

#[test]
fn what_a_client_wrote_otherwise_into_sent_is_named() {
    for (from, to, says) in [
        ("<StatusCode>00<", "<StatusCode>0<", "StatusRecord/StatusCode 0/00"),
        ("<Status>SUCCESS<", "<Status>Success<", "StatusRecord/Status Success/SUCCESS"),
        (
            "<Event>TRANSFER<",
            "<Event>Transfer to DTS Server<",
            "StatusRecord/Event Transfer to DTS Server/TRANSFER",
        ),
        ("<IsCompressed>Y<", "<IsCompressed>N<", "IsCompressed N/Y"),
        ("  <IsCompressed>Y</IsCompressed>\n", "", "IsCompressed Absent { empty: false }"),
        (WITH_ID, "  <DTSId></DTSId>\n", "DTSId Empty"),
        (WITH_ID, "", "DTSId Absent { empty: false }"),
        ("<LocalId>", "<Mine>x</Mine>\n  <LocalId>", "Order"),
        ("<From_DTS>ZZZHC001<", "<From_DTS>zzzhc001<", "same"),
        ("<From_DTS>ZZZHC001<", "<From_DTS><", "From_DTS Empty"),
        ("<From_DTS>ZZZHC001<", "<From_DTS>ZZZHC009<", "refused SEND 07"),
        ("  <WorkflowId>EXAMPLE_REPORT_V1</WorkflowId>\n", "", "refused TRANSFER 06"),
        ("<MessageType>Data<", "<MessageType>DATA<", "MessageType DATA/Data"),
        ("</DTSControl>\n", "", "the file ends before </DTSControl>: it is cut off or still being written"),
    ] {
        let site = Site::new(SENDER);
        let text = sent().write().replacen(from, to, 1);
        assert_ne!(text, sent().write(), "{from}");
        site.pair(Place::Sent, "ABC", &text);
        // `same` where the application's own spelling is kept.
        assert_eq!(site.told(Place::Sent, "ABC.ctl"), says, "{from} {to}");
    }
}

#[test]
fn data_files_are_looked_for() {
    let site = Site::new(SENDER);
    site.put(Place::Sent, "ABC.ctl", &sent().write());
    let judged = site.judge(Place::Sent, "ABC.ctl");
    assert_eq!((told(&judged).as_str(), judged.notes.as_slice()), ("same", &[Note::NoData][..]));
    site.put(Place::Sent, "ABC.dat", "");
    assert_eq!(site.told(Place::Sent, "ABC.ctl"), "refused COLLECT 02");

    let site = Site::new(RECIPIENT);
    site.put(Place::Inbox, "other.ctl", &received().write());
    let judged = site.judge(Place::Inbox, "other.ctl");
    assert_eq!(judged.notes, [Note::OtherName, Note::NoData]);
    assert!(judged.differs());
}

#[test]
fn received_files_are_compared_by_the_profile() {
    let mut site = Site::new(RECIPIENT);
    let name = format!("{ID}.ctl");
    for (from, to, says) in [
        (
            "Transferred to recipient mailbox",
            "Delivered",
            "StatusRecord/Description Delivered/Transferred to recipient mailbox",
        ),
        ("<StatusCode>00<", "<StatusCode>0<", "StatusRecord/StatusCode 0/00"),
        ("<Compress>N<", "<Compress>Y<", "Compress Y/N"),
        ("zzzhc001@dts.nhs.uk", "ZZZHC001@dts.nhs.uk", "same"),
        ("  <ProcessId></ProcessId>\n", "", "ProcessId Absent { empty: true }"),
        ("<ProcessId></ProcessId>", "<ProcessId/>", "EmptyForm"),
        (
            "  <IsCompressed>",
            "  <AllowChunking>N</AllowChunking>\n  <IsCompressed>",
            "AllowChunking Extra { empty: false }",
        ),
    ] {
        site.pair(Place::Inbox, ID, &received().write().replacen(from, to, 1));
        assert_eq!(site.told(Place::Inbox, &name), says, "{from} {to}");
    }
    let control = ControlFile::read(received().write().as_bytes()).expect("a control file");
    site.pair(Place::Inbox, ID, &control.write_dts_era(dts_control::LineEnd::Lf));
    assert_eq!(site.told(Place::Inbox, &name), "PartnerId Absent { empty: true }, Order");
    site.config.profile = Profile::Dts;
    assert_eq!(site.told(Place::Inbox, &name), "same");
}

#[test]
fn reports_are_made_of_the_pair_that_they_are_about() {
    let mut site = Site::new(SENDER);
    site.put(Place::Inbox, "a.ctl", &collect().write());
    assert_eq!(site.told(Place::Inbox, "a.ctl"), "not derivable");
    // Two with one local id: the one that fits is meant.
    site.pair(Place::Sent, "ABC", &Text { subject: "Batch 1", ..sent() }.write());
    site.pair(Place::Sent, "DEF", &sent().write());
    assert_eq!(site.told(Place::Inbox, "a.ctl"), "same");
    // A pair that was put back in OUT: the report repeats the id of its earlier life (4.4).
    site.put(Place::Inbox, "a.ctl", &Text { ids: WITH_ID, ..collect() }.write());
    assert_eq!(site.told(Place::Inbox, "a.ctl"), "same");
    let swapped = Text { from_to: [RECIPIENT, SENDER], ..collect() }.write();
    site.put(Place::Inbox, "a.ctl", &swapped);
    assert_eq!(site.told(Place::Inbox, "a.ctl"), "From_DTS Text, To_DTS Text");
    site.config.reports.collect = false;
    assert_eq!(site.told(Place::Inbox, "a.ctl"), "not written: reports.collect is off");
}

#[test]
fn reports_on_the_mailbox_have_the_relays_words() {
    let mut site = Site::new(SENDER);
    site.config.reports.poll = true;
    let text = |control: &ControlFile| control_files::text(control);
    let at = "2026-07-22T10:15:00Z".parse().expect("a time");
    site.put(Place::Inbox, "a.ctl", &text(&control_files::polled(&site.config.mailbox, at)));
    assert_eq!(site.told(Place::Inbox, "a.ctl"), "same");
    for (event, trouble) in [
        (Event::Receive, control_files::Trouble::Unreachable),
        (Event::Receive, control_files::Trouble::LoginRefused),
        (Event::Transfer, control_files::Trouble::NotTrusted),
    ] {
        let report = text(&control_files::trouble(&site.config.mailbox, event, trouble, at));
        site.put(Place::Inbox, "a.ctl", &report);
        assert_eq!(site.told(Place::Inbox, "a.ctl"), "same", "{trouble:?}");
    }
    let other = text(&control_files::polled(&site.config.mailbox, at)).replace("Mailbox poll", "Poll");
    site.put(Place::Inbox, "a.ctl", &other);
    assert!(site.told(Place::Inbox, "a.ctl").starts_with("StatusRecord/Description Poll"));
}

#[test]
fn a_pair_in_failed_is_judged_and_its_report_says_what_mesh_said() {
    let site = Site::new(SENDER);
    // Unchanged from OUT, and nothing in IN.
    let bare = Text { record: ["", "", "", "", ""], ids: "", ..refused() }.write();
    site.pair(Place::Failed, "ABC", &bare);
    assert_eq!(site.told(Place::Failed, "ABC.ctl"), "untold");
    // MESH's refusal in IN (example G), whose IsCompressed the relay has otherwise.
    let report = Text { kind: "Report", flags: SENT_FLAGS, ..refused() }.write();
    site.put(Place::Inbox, "r.ctl", &report);
    assert_eq!(site.told(Place::Inbox, "r.ctl"), "IsCompressed Y/N");
    let told = site.told(Place::Failed, "ABC.ctl");
    assert!(told.contains("StatusRecord Absent") && told.contains("DTSId Absent"), "{told}");
    // A client that completes what is in FAILED.
    site.pair(Place::Failed, "ABC", &refused().write());
    assert_eq!(site.told(Place::Failed, "ABC.ctl"), "same");
    // What the relay refuses itself, with another code.
    let other = refused().write().replace("<From_DTS>ZZZHC001", "<From_DTS>ZZZHC009");
    site.pair(Place::Failed, "ABC", &other);
    let told = site.told(Place::Failed, "ABC.ctl");
    assert!(told.contains("StatusRecord/StatusCode 12/07") && told.contains("DTSId Extra"), "{told}");
    // What nobody can read is kept as it is.
    site.pair(Place::Failed, "ABC", "<DTSControl>");
    assert_eq!(site.told(Place::Failed, "ABC.ctl"), "same");
    // Without data.
    let record = ["20261122101500", "COLLECT", "ERROR", "02", "Data file is missing or inaccessible."];
    site.put(Place::Failed, "DEF.ctl", &Text { record, ids: "", ..refused() }.write());
    assert_eq!(site.told(Place::Failed, "DEF.ctl"), "same");
}

#[test]
fn reports_of_mesh_are_written_as_configured() {
    let mut site = Site::new(SENDER);
    let name = format!("{REPORT_ID}.ctl");
    site.put(Place::Inbox, &name, &uncollected().write());
    site.config.server_reports = ServerReports { swap: false, own_id: false };
    let judged = site.judge(Place::Inbox, &name);
    let Verdict::Compared(comparison) = &judged.verdict else { panic!("compared") };
    let elements: Vec<_> = comparison.values.iter().map(|value| value.element).collect();
    assert_eq!(elements, ["From_DTS", "To_DTS", "From_ESMTP", "To_ESMTP", "DTSId", "PartnerId"]);
    // As such a client would have written it; what it is about is known from SENT.
    let ids = "  <DTSId>20261122101500123456_0A1B2C</DTSId>\n  <PartnerId>20261127101501000042_7F7F01</PartnerId>\n";
    site.put(Place::Inbox, &name, &Text { from_to: [SENDER, RECIPIENT], ids, ..uncollected() }.write());
    assert_eq!(site.told(Place::Inbox, &name), "same");
    site.config.two_digit_codes = true;
    let record = ["20261127101501", "SEND", "ERROR", "EPL-152", "Invalid NHS Number"];
    site.put(
        Place::Inbox,
        &name,
        &Text { from_to: [SENDER, RECIPIENT], ids, record, ..uncollected() }.write(),
    );
    assert_eq!(
        site.told(Place::Inbox, &name),
        "StatusRecord/StatusCode EPL-152/12, StatusRecord/Description Invalid NHS Number/EPL-152 Invalid NHS Number"
    );
}

#[test]
fn what_is_being_written_is_no_difference_yet() {
    let mut site = Site::new(SENDER);
    site.config.grace = jiff::SignedDuration::from_hours(1);
    site.put(Place::Sent, "ABC.ctl", "");
    let places = Places::under(site.root.path()).expect("folders");
    let mut shadow = Shadow::new(site.config.clone(), places).expect("a shadow");
    let written = fs::metadata(site.root.path().join("SENT/ABC.ctl")).and_then(|file| file.modified());
    let written = Timestamp::try_from(written.expect("a time")).expect("a time");
    let judged = shadow.judge(Place::Sent, "ABC.ctl", written).expect("a file");
    assert!(matches!(judged.verdict, Verdict::Unfinished) && !judged.differs());
    let later = written + jiff::SignedDuration::from_hours(2);
    let judged = shadow.judge(Place::Sent, "ABC.ctl", later).expect("a file");
    assert!(matches!(judged.verdict, Verdict::Unreadable(ReadError::Empty)) && judged.differs());
    assert!(shadow.judge(Place::Sent, "gone.ctl", later).is_none());
}

#[test]
fn no_folder_is_made() {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir(root.path().join("sent")).expect("a folder");
    let places = Places::under(root.path()).expect("folders");
    assert_eq!(places.sent, Some(root.path().join("sent")));
    assert_eq!((places.inbox, places.failed), (None, None));
    assert_eq!(fs::read_dir(root.path()).expect("a listing").count(), 1);
}

#[test]
fn layout_alone_is_no_difference() {
    let site = Site::new(SENDER);
    site.pair(Place::Sent, "ABC", &sent().write().replace('\n', "\r\n"));
    let judged = site.judge(Place::Sent, "ABC.ctl");
    let Verdict::Compared(comparison) = &judged.verdict else { panic!("compared") };
    assert_eq!(comparison.layout.iter().copied().collect::<Vec<_>>(), [Lay::LineEnds]);
    assert!(!judged.differs());
}
