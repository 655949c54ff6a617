//! Examples A–I of `dts-file-interface.md` 4.6: what is read, and what is written to the letter.

use super::read;
use crate::{
    AddressType, ControlFile, Event, Fault, LineEnd, MessageType, ReadError, Status, StatusRecord, codes,
    esmtp_address, texts,
};

pub(super) const A: &str = "\
<DTSControl>
  <Version>1.0</Version>
  <AddressType>DTS</AddressType>
  <MessageType>Data</MessageType>
  <WorkflowId>EXAMPLE_REPORT_V1</WorkflowId>
  <To_DTS>QQQHC002</To_DTS>
  <From_DTS>ZZZHC001</From_DTS>
  <Subject>Batch 417</Subject>
  <LocalId>ZZZ-2026-000417</LocalId>
  <Compress>Y</Compress>
  <AllowChunking>Y</AllowChunking>
  <Encrypted>N</Encrypted>
</DTSControl>
";

pub(super) const B: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<DTSControl>
    <Version>1.0</Version>
    <AddressType>DTS</AddressType>
    <MessageType>Data</MessageType>
    <From_DTS>zzz1HC1</From_DTS>
    <To_DTS>qqq2HC2</To_DTS>
    <Subject></Subject>
    <LocalId>LAB00000417</LocalId>
    <DTSId/>
    <PartnerId/>
    <Compress>Y</Compress>
    <Encrypted>N</Encrypted>
    <WorkflowId>EXAMPLE_REPORT_V1</WorkflowId>
    <ProcessId/>
    <DataChecksum/>
    <IsCompressed>N</IsCompressed>
</DTSControl>
"#;

pub(super) const C: &str = "\
<DTSControl>
  <Version>1.0</Version>
  <AddressType>DTS</AddressType>
  <MessageType>Data</MessageType>
  <From_DTS>ZZZHC001</From_DTS>
  <To_DTS>QQQHC002</To_DTS>
  <Subject>Batch 417</Subject>
  <LocalId>ZZZ-2026-000417</LocalId>
  <DTSId>20261122101500123456_0A1B2C</DTSId>
  <Compress>Y</Compress>
  <Encrypted>N</Encrypted>
  <WorkflowId>EXAMPLE_REPORT_V1</WorkflowId>
  <IsCompressed>Y</IsCompressed>
  <AllowChunking>Y</AllowChunking>
  <StatusRecord>
    <DateTime>20261122101500</DateTime>
    <Event>TRANSFER</Event>
    <Status>SUCCESS</Status>
    <StatusCode>00</StatusCode>
    <Description>Data Transfer success confirmation.</Description>
  </StatusRecord>
</DTSControl>
";

pub(super) const D: &str = "\
<DTSControl>
  <Version>1.0</Version>
  <AddressType>ALL</AddressType>
  <MessageType>Data</MessageType>
  <From_DTS>ZZZHC001</From_DTS>
  <To_DTS>QQQHC002</To_DTS>
  <From_ESMTP>zzzhc001@dts.nhs.uk</From_ESMTP>
  <To_ESMTP>qqqhc002@dts.nhs.uk</To_ESMTP>
  <Subject>Batch 417</Subject>
  <LocalId>ZZZ-2026-000417</LocalId>
  <DTSId>20261122101500123456_0A1B2C</DTSId>
  <PartnerId></PartnerId>
  <Compress>N</Compress>
  <Encrypted>N</Encrypted>
  <WorkflowId>EXAMPLE_REPORT_V1</WorkflowId>
  <ProcessId></ProcessId>
  <DataChecksum></DataChecksum>
  <IsCompressed>N</IsCompressed>
  <StatusRecord>
    <DateTime>20261122101500</DateTime>
    <Event>TRANSFER</Event>
    <Status>SUCCESS</Status>
    <StatusCode>00</StatusCode>
    <Description>Transferred to recipient mailbox</Description>
  </StatusRecord>
</DTSControl>
";

pub(super) const E: &str = "\
<DTSControl>
  <Version>1.0</Version>
  <AddressType>DTS</AddressType>
  <MessageType>Report</MessageType>
  <From_DTS>ZZZHC001</From_DTS>
  <To_DTS>QQQHC002</To_DTS>
  <Subject>Batch 417</Subject>
  <LocalId>ZZZ-2026-000417</LocalId>
  <Compress>Y</Compress>
  <Encrypted>N</Encrypted>
  <WorkflowId>EXAMPLE_REPORT_V1</WorkflowId>
  <IsCompressed>N</IsCompressed>
  <AllowChunking>Y</AllowChunking>
  <StatusRecord>
    <DateTime>20261122101459</DateTime>
    <Event>COLLECT</Event>
    <Status>SUCCESS</Status>
    <StatusCode>00</StatusCode>
    <Description>Data collect success confirmation.</Description>
  </StatusRecord>
</DTSControl>
";

pub(super) const G: &str = "\
<DTSControl>
  <Version>1.0</Version>
  <AddressType>DTS</AddressType>
  <MessageType>Report</MessageType>
  <From_DTS>ZZZHC001</From_DTS>
  <To_DTS>NOSUCHBOX</To_DTS>
  <Subject>Batch 417</Subject>
  <LocalId>ZZZ-2026-000417</LocalId>
  <DTSId>20261122101500223456_0A1B2D</DTSId>
  <Compress>Y</Compress>
  <Encrypted>N</Encrypted>
  <WorkflowId>EXAMPLE_REPORT_V1</WorkflowId>
  <IsCompressed>Y</IsCompressed>
  <StatusRecord>
    <DateTime>20261122101500</DateTime>
    <Event>SEND</Event>
    <Status>ERROR</Status>
    <StatusCode>12</StatusCode>
    <Description>Unregistered to address</Description>
  </StatusRecord>
</DTSControl>
";

pub(super) const H: &str = "\
<DTSControl>
  <Version>1.0</Version>
  <AddressType>ALL</AddressType>
  <MessageType>Report</MessageType>
  <From_DTS>QQQHC002</From_DTS>
  <To_DTS>ZZZHC001</To_DTS>
  <From_ESMTP>qqqhc002@dts.nhs.uk</From_ESMTP>
  <To_ESMTP>zzzhc001@dts.nhs.uk</To_ESMTP>
  <Subject>NDR: Batch 417</Subject>
  <LocalId>ZZZ-2026-000417</LocalId>
  <DTSId>20261127101501000042_7F7F01</DTSId>
  <PartnerId>20261122101500123456_0A1B2C</PartnerId>
  <Compress>N</Compress>
  <Encrypted>N</Encrypted>
  <WorkflowId>EXAMPLE_REPORT_V1</WorkflowId>
  <ProcessId></ProcessId>
  <DataChecksum></DataChecksum>
  <IsCompressed>N</IsCompressed>
  <StatusRecord>
    <DateTime>20261127101501</DateTime>
    <Event>SEND</Event>
    <Status>ERROR</Status>
    <StatusCode>14</StatusCode>
    <Description>Message not collected by recipient after 5 days</Description>
  </StatusRecord>
</DTSControl>
";

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn transferred() -> StatusRecord {
    let at = "2026-11-22T10:15:00Z".parse().expect("a timestamp");
    StatusRecord::at(at, Event::Transfer, Status::Success, codes::SUCCESS, texts::SENT)
}

#[test]
fn a_is_read_in_full_and_passes() {
    let control = read(A);
    let expected = ControlFile {
        from_dts: "ZZZHC001".to_owned(),
        to_dts: "QQQHC002".to_owned(),
        subject: text("Batch 417"),
        local_id: text("ZZZ-2026-000417"),
        compress: Some(true),
        encrypted: Some(false),
        workflow_id: text("EXAMPLE_REPORT_V1"),
        allow_chunking: Some(true),
        ..ControlFile::default()
    };
    assert!(control == expected, "{control:?}");
    assert_eq!(control.check("ZZZHC001"), Ok(()));
}

#[test]
fn b_keeps_its_padding_and_its_spelling() {
    let control = read(B);
    assert_eq!(control.check("ZZZ1HC1"), Ok(()));
    assert_eq!(control.from_dts, "zzz1HC1");
    for empty in
        [&control.subject, &control.dts_id, &control.partner_id, &control.process_id, &control.data_checksum]
    {
        assert_eq!(empty.as_deref(), Some(""));
    }
    assert_eq!(control.is_compressed, Some(false));
    assert_eq!((control.allow_chunking, control.from_esmtp.as_deref()), (None, None));
    let written = control.write(LineEnd::Lf);
    assert!(written.contains("\n  <Subject></Subject>\n"));
    assert!(!written.contains("AllowChunking") && !written.contains("ESMTP"));
}

#[test]
fn a_becomes_c_in_sent() {
    let mut control = read(A);
    control.dts_id = text("20261122101500123456_0A1B2C");
    control.is_compressed = Some(true);
    control.status = Some(transferred());
    assert_eq!(control.write(LineEnd::Lf), C);
    assert_eq!(control.write(LineEnd::CrLf), C.replace('\n', "\r\n"));
}

#[test]
fn d_is_written_at_the_recipient() {
    let received = ControlFile {
        address_type: AddressType::All,
        from_dts: "ZZZHC001".to_owned(),
        to_dts: "QQQHC002".to_owned(),
        from_esmtp: Some(esmtp_address("ZZZHC001")),
        to_esmtp: Some(esmtp_address(" QQQHC002 ")),
        subject: text("Batch 417"),
        local_id: text("ZZZ-2026-000417"),
        dts_id: text("20261122101500123456_0A1B2C"),
        partner_id: text(""),
        compress: Some(false),
        encrypted: Some(false),
        workflow_id: text("EXAMPLE_REPORT_V1"),
        process_id: text(""),
        data_checksum: text(""),
        is_compressed: Some(false),
        status: Some(StatusRecord { description: texts::RECEIVED.to_owned(), ..transferred() }),
        ..ControlFile::default()
    };
    assert_eq!(received.write(LineEnd::Lf), D);
}

#[test]
fn e_and_f_are_reports_made_from_a() {
    let mut report = read(A);
    report.message_type = MessageType::Report;
    report.is_compressed = Some(false);
    let at = "2026-11-22T10:14:59Z".parse().expect("a timestamp");
    report.status =
        Some(StatusRecord::at(at, Event::Collect, Status::Success, codes::SUCCESS, texts::COLLECTED));
    assert_eq!(report.write(LineEnd::Lf), E);

    report.dts_id = text("20261122101500123456_0A1B2C");
    report.is_compressed = Some(true);
    report.status = Some(transferred());
    assert_eq!(report.write(LineEnd::Lf), C.replace(">Data<", ">Report<"));
}

#[test]
fn files_in_canonical_order_are_written_back_to_the_letter() {
    for example in [C, D, E, G, H] {
        assert_eq!(read(example).write(LineEnd::Lf), example);
    }
}

#[test]
fn g_is_a_refused_message() {
    let status = read(G).status.expect("a status record");
    let at = "2026-11-22T10:15:00Z".parse().expect("a timestamp");
    let expected =
        StatusRecord::at(at, Event::Send, Status::Error, codes::NOT_REGISTERED, texts::NOT_REGISTERED);
    assert_eq!(status, expected);
}

#[test]
fn i_of_unreadable_files() {
    let at = "2026-07-01T09:00:00Z".parse().expect("a timestamp");
    let record = Fault::unreadable(None, &ReadError::Empty).status_record(at);
    assert_eq!((record.event, record.status, record.code.as_str()), (Event::Collect, Status::Error, "01"));
    assert_eq!(record.date_time, "20260701100000");
    let record = Fault::no_data().status_record(at);
    assert_eq!((record.event, record.status, record.code.as_str()), (Event::Collect, Status::Error, "02"));
    assert_eq!(record.description, "Data file is missing or inaccessible.");
}

#[test]
fn a_sent_pair_dropped_again_is_accepted() {
    assert_eq!(read(C).check("ZZZHC001"), Ok(()));
    assert_eq!(read(C).dts_id.as_deref(), Some("20261122101500123456_0A1B2C"));
}
