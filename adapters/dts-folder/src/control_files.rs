//! The control files that the relay writes into SENT, FAILED and IN, as data: who writes them asks here, and so does who
//! only wants to know what would be written ([`shadow`](crate::shadow)). Nothing here touches a file
//! (`dts-file-interface.md` 3.3 to 3.6, 4.4, 4.5, examples C to I).

use dts_control::{
    AddressType, ControlFile, Event, LineEnd, MessageType, Status, StatusRecord, codes, esmtp_address,
    from_utc_compact, texts, uk_local,
};
use jiff::Timestamp;
use relay_core::{Download, MailboxId, MessageKind, Outcome};

use crate::config::{Config, Profile, ServerReports};

/// What is wrong with a mailbox as long as it lasts. Reported once (4.6 I: the safe choice).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The two sides do not trust each other's certificates.
    NotTrusted,
    /// The mailbox's credentials are refused.
    LoginRefused,
    /// MESH cannot be reached, or does not answer as it should.
    Unreachable,
}

/// A control file as it stands in SENT, in FAILED, and in IN when it is a report of the relay's own.
pub fn text(control: &ControlFile) -> String {
    control.write(LineEnd::platform())
}

/// The status record of a pair that MESH has accepted.
pub fn accepted_status(now: Timestamp) -> StatusRecord {
    StatusRecord::at(now, Event::Transfer, Status::Success, codes::SUCCESS, texts::SENT)
}

/// The status record of a pair that has ended.
pub fn ended_status(outcome: &Outcome, two_digit_codes: bool, now: Timestamp) -> StatusRecord {
    let failed =
        |text: &str| StatusRecord::at(now, Event::Transfer, Status::Error, codes::TRANSFER_FAILED, text);
    let status = match outcome {
        Outcome::Accepted(_) => accepted_status(now),
        Outcome::Rejected(rejection) => {
            let Ok(event) = rejection.event.parse();
            let code = match rejection.code.as_str() {
                // A refusal without a code of its own; readers need one (Q9).
                "" => codes::TRANSFER_FAILED,
                code => code,
            };
            StatusRecord::at(now, event, Status::Error, code, rejection.description.as_str())
        }
        Outcome::Parked(reason) => failed(reason),
        Outcome::Expired => failed("MESH did not take the message in time; put the pair in OUT again"),
        Outcome::Cancelled => failed("an operator cancelled the message before anything of it was sent"),
    };
    if two_digit_codes { status.with_two_digit_code() } else { status }
}

/// The control file of an ended pair, for SENT when it was accepted, else for FAILED: the one in OUT, completed
/// (checks 13, 19; example C).
pub fn ended(
    mut control: ControlFile,
    mailbox: &MailboxId,
    message_id: Option<&str>,
    accepted: bool,
    status: StatusRecord,
) -> ControlFile {
    name_sender(&mut control, mailbox);
    // Whatever an earlier life of the pair left there is not about this one (check 13).
    control.dts_id = message_id.map(ToOwned::to_owned);
    control.is_compressed = Some(accepted && control.compress.unwrap_or(false));
    control.status = Some(status);
    control
}

/// The report on an ended pair: its control file in SENT or FAILED as a report (examples F, G).
pub fn ended_report(mut ended: ControlFile) -> ControlFile {
    ended.message_type = MessageType::Report;
    ended
}

/// The report on a control file of which nothing is known: what every report echoes is there and empty (4.6 I, check
/// 28), since some readers cannot do without it.
pub fn unknown_report(mailbox: &MailboxId, status: StatusRecord) -> ControlFile {
    let empty = || Some(String::new());
    ControlFile {
        message_type: MessageType::Report,
        from_dts: mailbox.to_string(),
        subject: empty(),
        local_id: empty(),
        workflow_id: empty(),
        status: Some(status),
        ..ControlFile::default()
    }
}

/// The report that a pair was picked up (4.4, example E).
pub fn collected(control: &ControlFile, mailbox: &MailboxId, now: Timestamp) -> ControlFile {
    let status = StatusRecord::at(now, Event::Collect, Status::Success, codes::SUCCESS, texts::COLLECTED);
    about(control, mailbox, status)
}

/// The report that a pair has to wait in OUT (code 05: SUCCESS although nothing was delivered).
pub fn delayed(control: &ControlFile, mailbox: &MailboxId, now: Timestamp) -> ControlFile {
    let status = StatusRecord::at(now, Event::Transfer, Status::Success, codes::DELAYED, texts::DELAYED);
    about(control, mailbox, status)
}

/// The report that the mailbox was looked into.
pub fn polled(mailbox: &MailboxId, now: Timestamp) -> ControlFile {
    let status = StatusRecord::at(now, Event::Receive, Status::Success, codes::SUCCESS, texts::POLLED);
    about_mailbox(mailbox, status)
}

/// The report that the mailbox cannot be looked into (event RECEIVE), or that nothing can be sent from it.
pub fn trouble(mailbox: &MailboxId, event: Event, trouble: Trouble, now: Timestamp) -> ControlFile {
    let (code, text) = match (&event, trouble) {
        (Event::Receive, Trouble::NotTrusted) => (codes::POLL_SERVER_NOT_TRUSTED, texts::POLL_NOT_TRUSTED),
        (Event::Receive, Trouble::LoginRefused) => (codes::POLL_LOGIN_REFUSED, texts::POLL_LOGIN_REFUSED),
        (Event::Receive, Trouble::Unreachable) => (codes::POLL_FAILED, texts::POLL_FAILED),
        (_, Trouble::NotTrusted) => (codes::SERVER_NOT_TRUSTED, texts::SERVER_NOT_TRUSTED),
        (_, Trouble::LoginRefused) => (codes::LOGIN_REFUSED, texts::LOGIN_REFUSED),
        (_, Trouble::Unreachable) => (codes::TRANSFER_FAILED, texts::UNREACHABLE),
    };
    about_mailbox(mailbox, StatusRecord::at(now, event, Status::Error, code, text))
}

/// A report made of a control file in OUT, whatever an earlier life left there included (4.4).
fn about(control: &ControlFile, mailbox: &MailboxId, status: StatusRecord) -> ControlFile {
    let mut report = control.clone();
    name_sender(&mut report, mailbox);
    report.message_type = MessageType::Report;
    report.is_compressed = Some(false);
    report.status = Some(status);
    report
}

/// A report on no message: from the mailbox to itself.
fn about_mailbox(mailbox: &MailboxId, status: StatusRecord) -> ControlFile {
    ControlFile { to_dts: mailbox.to_string(), ..unknown_report(mailbox, status) }
}

/// A control file without a sender means the configured mailbox (3.2).
fn name_sender(control: &mut ControlFile, mailbox: &MailboxId) {
    if control.from_dts.trim().is_empty() {
        control.from_dts = mailbox.to_string();
    }
}

/// The control file of a received message or report, in the order that the profile asks for. `recipient`: who the
/// message was for that a report is about, where that is known and MESH may not say it.
pub fn received_text(
    config: &Config,
    download: &Download,
    recipient: Option<&str>,
    now: Timestamp,
) -> String {
    let control = received(config, download, recipient, now);
    match config.profile {
        Profile::Mesh => control.write(LineEnd::platform()),
        Profile::Dts => control.write_dts_era(LineEnd::platform()),
    }
}

/// The control file of a received message (3.6 and example D) or report (4.5 and example H).
pub fn received(
    config: &Config,
    download: &Download,
    recipient: Option<&str>,
    now: Timestamp,
) -> ControlFile {
    let mailbox = config.mailbox.as_str();
    let report = download.kind == MessageKind::Report;
    let status = match received_status(download, report, now) {
        status if config.two_digit_codes => status.with_two_digit_code(),
        status => status,
    };
    let control = from_headers(download, mailbox, report, status);
    if report { as_configured(control, config.server_reports, download, mailbox, recipient) } else { control }
}

/// Addresses and ids of a report of MESH's. Its headers name the recipient of the message that it is about in one place
/// or in another, or nowhere (4.5).
fn as_configured(
    control: ControlFile,
    ServerReports { swap, own_id }: ServerReports,
    download: &Download,
    mailbox: &str,
    recipient: Option<&str>,
) -> ControlFile {
    let is_other = |address: &&str| !address.is_empty() && !address.eq_ignore_ascii_case(mailbox);
    let named = [&*download.from, &*download.to, recipient.unwrap_or_default()];
    let other = named.into_iter().find(is_other).unwrap_or_default().to_owned();
    let other_smtp = if other.is_empty() { String::new() } else { esmtp_address(&other) };
    let recipient = (other, other_smtp);
    let own = (mailbox.to_owned(), esmtp_address(mailbox));
    let (from, to) = if swap { (recipient, own) } else { (own, recipient) };
    let (report, message) = (download.message_id.to_string(), download.linked_message_id.clone());
    // PartnerId is otherwise empty, so a site can find the other of the two there.
    let (dts_id, partner_id) = if own_id { (report, message) } else { (message, report) };
    ControlFile {
        from_dts: from.0,
        to_dts: to.0,
        from_esmtp: Some(from.1),
        to_esmtp: Some(to.1),
        dts_id: Some(dts_id),
        partner_id: Some(partner_id),
        ..control
    }
}

fn from_headers(download: &Download, mailbox: &str, report: bool, status: StatusRecord) -> ControlFile {
    let given = |text: &str| Some(text.to_owned());
    let to = if download.to.is_empty() { mailbox } else { &download.to };
    let esmtp = |given: &str, mailbox: &str| match given {
        "" if mailbox.is_empty() => String::new(),
        "" => esmtp_address(mailbox),
        given => given.to_owned(),
    };
    ControlFile {
        address_type: AddressType::All,
        message_type: if report { MessageType::Report } else { MessageType::Data },
        from_dts: download.from.clone(),
        to_dts: to.to_owned(),
        from_esmtp: Some(esmtp(&download.from_smtp, &download.from)),
        to_esmtp: Some(esmtp(&download.to_smtp, to)),
        subject: given(&download.subject),
        local_id: given(&download.local_id),
        dts_id: Some(download.message_id.to_string()),
        partner_id: given(&download.partner_id),
        compress: Some(false),
        encrypted: Some(download.encrypted),
        workflow_id: given(&download.workflow),
        process_id: given(&download.process_id),
        data_checksum: given(&download.checksum),
        is_compressed: Some(false),
        status: Some(status),
        ..ControlFile::default()
    }
}

/// The status as MESH gave it. Where MESH gave none, a message that is here was delivered.
fn received_status(download: &Download, report: bool, now: Timestamp) -> StatusRecord {
    let given = &download.status;
    let or = |given: &str, usual: &str| {
        if given.is_empty() { usual.to_owned() } else { given.to_owned() }
    };
    let (event, code, success, text) = if report {
        (Event::Send, codes::NOT_DELIVERED, Status::Error, "")
    } else {
        (Event::Transfer, codes::SUCCESS, Status::Success, texts::RECEIVED)
    };
    let Ok(event) = or(&given.event, event.as_str()).parse();
    let Ok(status) = or(&given.success, success.as_str()).parse();
    StatusRecord {
        date_time: from_utc_compact(&given.timestamp).unwrap_or_else(|_| uk_local(now)),
        event,
        status,
        code: or(&given.code, code),
        description: or(&given.description, text),
    }
}
