//! The console: what its section refers to, and whether its port can be had.

use std::io;
use std::net::{SocketAddr, TcpListener};

use keystore::Severity;
use relay_config::{ConsoleSection, Faults, Secrets};
use relay_core::diagnosis::{Finding, RUNNING};

use super::{aside, faults_of};
use crate::console::ConsoleSettings;

/// Whether what the section refers to can be read.
const SETTINGS: &str = "console.settings";
/// What is to be known of its certificate.
const CERTIFICATE: &str = "console.certificate";
/// Whether its port can be had.
pub(super) const PORT: &str = "console.port";

pub(super) async fn look(section: ConsoleSection, secrets: Secrets) -> Vec<Finding> {
    let listen = section.listen;
    let reading = aside(move || {
        let (mut notes, mut faults) = (Vec::new(), Faults::new());
        let is_whole = ConsoleSettings::read(&section, &secrets, &mut notes, &mut faults).is_some();
        (is_whole, notes, faults)
    });
    let (is_whole, notes, faults) = reading.await.unwrap_or_default();
    let mut findings = faults_of(SETTINGS, "[console]", &faults);
    if is_whole {
        findings.push(Finding::sound(SETTINGS, "[console]", "what it refers to can be read"));
    }
    findings.extend(
        notes
            .into_iter()
            .filter(|note| note.severity == Severity::Warning)
            .map(|note| Finding::warning(CERTIFICATE, "[console]", note.fault.message, note.fault.hint)),
    );
    findings.push(port(listen));
    findings
}

/// Opens the port for a moment.
fn port(listen: SocketAddr) -> Finding {
    let item = format!("console at {listen}");
    let error = match TcpListener::bind(listen) {
        Ok(_) => return Finding::sound(PORT, item, "the port is free"),
        Err(error) => error,
    };
    let (found, advice) = match error.kind() {
        io::ErrorKind::AddrInUse => (
            "another program listens there".to_owned(),
            "choose another port as `listen` of [console], or stop that program",
        ),
        io::ErrorKind::AddrNotAvailable => (
            "this machine has no such address".to_owned(),
            "write an address of this machine as `listen` of [console]",
        ),
        io::ErrorKind::PermissionDenied => (
            "this account may not listen there".to_owned(),
            "choose a port of 1024 or more as `listen` of [console]",
        ),
        _ => {
            (format!("it cannot be listened at: {error}"), "choose another address as `listen` of [console]")
        }
    };
    Finding::fault(PORT, item, found, advice)
}

/// A port that is taken while a relay runs here is that relay's.
pub(super) fn make_peace(findings: &mut [Finding]) {
    if !findings.iter().any(|finding| finding.found == RUNNING) {
        return;
    }
    for finding in findings.iter_mut().filter(|finding| finding.check == PORT && finding.is_fault()) {
        *finding = Finding::sound(PORT, finding.item.clone(), RUNNING);
    }
}
