//! Tests that use more than one file of the crate. All data is invented.

mod checking;
mod comparing;
mod examples;
mod hostile;
mod linting;
mod reading;

use crate::{ControlFile, ReadError};

/// A file with every element that [`ControlFile::check`] asks for, and `more` at its end.
fn with(more: &str) -> String {
    format!(
        "<DTSControl><Version>1.0</Version><AddressType>DTS</AddressType><MessageType>Data</MessageType>\
         <From_DTS>ZZZHC001</From_DTS><To_DTS>QQQHC002</To_DTS><WorkflowId>EXAMPLE_REPORT_V1</WorkflowId>\
         {more}</DTSControl>"
    )
}

fn read(text: &str) -> ControlFile {
    ControlFile::read(text.as_bytes()).expect("a control file")
}

fn refused(bytes: impl AsRef<[u8]>) -> ReadError {
    ControlFile::read(bytes.as_ref()).expect_err("no control file")
}
