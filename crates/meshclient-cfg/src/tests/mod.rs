//! Whole files, as sites have them and as nobody should.

mod hostile;
mod notes;
mod reading;

use crate::{MeshClientCfg, ReadError};

/// The constructed example of the reference, section 6.1.
const SAMPLE: &str = include_str!("sample.cfg");

/// One mailbox, every key that must be there.
const SMALL: &str = "<MESHConfig>
  <PrimaryURL>https://mesh.example.test</PrimaryURL>
  <Client>
    <ClientIdentity>X26ABC1</ClientIdentity>
    <ClientAuthentication>canary-1</ClientAuthentication>
    <InterfaceRoot>/data/X26ABC1</InterfaceRoot>
  </Client>
</MESHConfig>
";

/// The small file with one text replaced.
fn with(text: &str, by: &str) -> String {
    assert!(SMALL.contains(text), "no {text}");
    SMALL.replacen(text, by, 1)
}

fn read(text: &str) -> MeshClientCfg {
    MeshClientCfg::read(text.as_bytes()).expect("a configuration")
}

fn refused(bytes: impl AsRef<[u8]>) -> ReadError {
    let error = MeshClientCfg::read(bytes.as_ref()).expect_err("an error");
    assert!(!error.to_string().contains("canary"), "{error}");
    error
}
