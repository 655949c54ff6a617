//! Routing to a patient's practice (`mesh-api.md` section 9): `GPPROVIDER_<NHS number>_<date of birth>_<surname>`.
//!
//! The patients are invented. Addresses and patients carry what would be personal data, so they do not print.

use std::collections::HashMap;
use std::fmt;

use mesh_api::code;
use mesh_api::routing::{NhsNumber, ROUTING_PREFIX};
use serde::Deserialize;

use crate::directory::{Directory, DirectoryError, DirectoryFile, Mailbox, lines};

/// Patients of a server started without others, at practices of the stock mailboxes. The numbers are of the range
/// that is never given to a person.
const STOCK_PATIENTS: &str = r#"
{"nhs_number": "9990548609", "date_of_birth": "19550109", "surname": "Sample", "ods_code": "X26"}
{"nhs_number": "9990548617", "date_of_birth": "19800229", "surname": "O'Example", "ods_code": "X27"}
{"nhs_number": "9990548625", "date_of_birth": "20120704", "surname": "Nowhere", "ods_code": "Y99"}
"#;

/// Why an address leads to nobody. All of them reach the sender as a report (section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoutingError {
    SeveralMailboxes,
    NoMailbox,
    InvalidNumber,
    UnknownNumber,
    OtherDemographics,
}

impl RoutingError {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::SeveralMailboxes => "EPL-150",
            Self::NoMailbox => code::NO_MAILBOX,
            Self::InvalidNumber => "EPL-152",
            Self::UnknownNumber => "EPL-153",
            Self::OtherDemographics => "EPL-154",
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::SeveralMailboxes => "Multiple mailboxes matches",
            Self::NoMailbox => "No mailbox matched",
            Self::InvalidNumber => "Invalid NHS Number",
            Self::UnknownNumber => "NHS Number not found",
            Self::OtherDemographics => "NHS Number supplied does not match the demographics",
        }
    }
}

/// Whether a recipient is a routing address. Case does not count: the server reads recipients in upper case.
pub(crate) fn is_routing(recipient: &str) -> bool {
    recipient.get(..ROUTING_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(ROUTING_PREFIX))
}

/// The one mailbox that an address leads to for a workflow.
pub(crate) fn resolve<'a>(
    directory: &'a Directory,
    address: &str,
    workflow: &str,
) -> Result<&'a Mailbox, RoutingError> {
    let mut parts = address.get(ROUTING_PREFIX.len()..).unwrap_or_default().splitn(3, '_');
    let mut part = || parts.next().unwrap_or_default().trim();
    let (number, born, surname) = (part(), part(), part());
    if !is_nhs_number(number) {
        return Err(RoutingError::InvalidNumber);
    }
    let patient = directory.patients().0.get(number).ok_or(RoutingError::UnknownNumber)?;
    if patient.date_of_birth != born || !patient.surname.eq_ignore_ascii_case(surname) {
        return Err(RoutingError::OtherDemographics);
    }
    let practice = patient.ods_code.to_uppercase();
    let mut found = directory.receivers_at(&practice, workflow);
    match (found.next(), found.next()) {
        (None, _) => Err(RoutingError::NoMailbox),
        (Some(mailbox), None) => Ok(mailbox),
        (Some(_), Some(_)) => Err(RoutingError::SeveralMailboxes),
    }
}

/// Ten digits in a row, as an address has them, with the right check digit.
fn is_nhs_number(text: &str) -> bool {
    text.parse::<NhsNumber>().is_ok_and(|number| number.as_str() == text)
}

#[derive(Clone)]
struct Patient {
    date_of_birth: String,
    surname: String,
    ods_code: String,
}

/// Test patients by NHS number.
#[derive(Clone)]
pub(crate) struct Patients(HashMap<String, Patient>);

impl Patients {
    #[expect(clippy::expect_used, reason = "the stock is a constant of this file, read by a test")]
    pub(crate) fn stock() -> Self {
        Self::from_jsonl(STOCK_PATIENTS).expect("the stock patients are well formed")
    }

    pub(crate) fn from_jsonl(text: &str) -> Result<Self, DirectoryError> {
        let mut patients = HashMap::new();
        for (line, entry) in lines::<PatientLine>(DirectoryFile::Patients, text)? {
            let key = |value: Option<String>, key| {
                value.ok_or(DirectoryError::Missing { file: DirectoryFile::Patients, line, key })
            };
            let number = key(entry.nhs_number, "nhs_number")?;
            if !is_nhs_number(&number) {
                return Err(DirectoryError::NhsNumber { line });
            }
            let patient = Patient {
                date_of_birth: key(entry.date_of_birth, "date_of_birth")?,
                surname: key(entry.surname, "surname")?,
                ods_code: key(entry.ods_code, "ods_code")?,
            };
            patients.insert(number, patient);
        }
        Ok(Self(patients))
    }
}

impl fmt::Debug for Patients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Patients({})", self.0.len())
    }
}

#[derive(Deserialize)]
struct PatientLine {
    nhs_number: Option<String>,
    date_of_birth: Option<String>,
    surname: Option<String>,
    ods_code: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_one_mailbox_or_to_one_of_five_reports() {
        let directory = Directory::stock();
        let found = |address: &str, workflow: &str| {
            resolve(&directory, address, workflow).map(|mailbox| mailbox.id.to_string())
        };
        let sample = "GPPROVIDER_9990548609_19550109_SAMPLE";
        assert_eq!(found(sample, "TEST_WORKFLOW"), Ok("X26ABC2".to_owned()));
        assert_eq!(
            found("gpprovider_9990548617_19800229_o'example", "TEST_WORKFLOW2"),
            Ok("X26ABC3".to_owned())
        );
        for (address, workflow, error) in [
            (sample, "TEST_WORKFLOW2", RoutingError::SeveralMailboxes),
            (sample, "OTHER", RoutingError::NoMailbox),
            ("GPPROVIDER_9990548625_20120704_Nowhere", "TEST_WORKFLOW", RoutingError::NoMailbox),
            ("GPPROVIDER_9990548608_19550109_Sample", "TEST_WORKFLOW", RoutingError::InvalidNumber),
            ("GPPROVIDER_", "TEST_WORKFLOW", RoutingError::InvalidNumber),
            ("GPPROVIDER_999054860٩_19550109_Sample", "TEST_WORKFLOW", RoutingError::InvalidNumber),
            ("GPPROVIDER_9990548633_19550109_Sample", "TEST_WORKFLOW", RoutingError::UnknownNumber),
            ("GPPROVIDER_9990548609_09011955_Sample", "TEST_WORKFLOW", RoutingError::OtherDemographics),
            ("GPPROVIDER_9990548609_19550109_Other", "TEST_WORKFLOW", RoutingError::OtherDemographics),
        ] {
            assert_eq!(found(address, workflow), Err(error), "{address} {workflow}");
        }
        assert!(is_routing("gpprovider_x") && !is_routing("GPPROVIDER") && !is_routing("X26ABC1"));
    }

    #[test]
    fn patients_of_ones_own_are_read_and_do_not_print() {
        let line = r#"{"nhs_number": "9990548609", "date_of_birth": "19550109", "surname": "canary", "ods_code": "A1"}"#;
        let patients = Patients::from_jsonl(line).expect("patients");
        assert_eq!(format!("{patients:?}"), "Patients(1)");
        let error = Patients::from_jsonl(&line.replace("8609", "8608")).expect_err("a wrong check digit");
        assert_eq!(error, DirectoryError::NhsNumber { line: 1 });
        assert!(!error.to_string().contains("9990548608"));
    }
}
