//! Addresses that MESH resolves by itself to a patient's practice (`mesh-api.md` section 9):
//! `GPPROVIDER_<NHS number>_<date of birth>_<surname>`.
//!
//! Everything here is patient data, so nothing of it prints; errors say what is wrong, never with what.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use thiserror::Error;

use crate::id::{RECIPIENT_CHARS_MAX, Recipient};

/// What a routing address begins with.
pub const ROUTING_PREFIX: &str = "GPPROVIDER_";

/// Why an address cannot be built. The values are not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RoutingError {
    /// The NHS number has not ten digits; blanks and hyphens between them are taken.
    #[error("the NHS number does not have ten digits")]
    NhsNumberDigits,
    /// The NHS number's last digit does not agree with the others.
    #[error("the NHS number's check digit is wrong: one of its digits was mistyped")]
    NhsNumberCheck,
    /// The date of birth is before 1850 or after 2149, beyond anybody alive and any clock.
    #[error("the date of birth cannot be one; MESH wants it as year, month, day")]
    DateOfBirth,
    /// There is no surname.
    #[error("the surname is missing")]
    NoSurname,
    /// The surname holds a character that a MESH header cannot carry safely. How MESH wants names outside ASCII is
    /// not established.
    #[error(
        "the surname holds a character outside printable ASCII, or an underscore; ask the practice how MESH knows the patient"
    )]
    SurnameCharacter,
    /// The whole is longer than an address can be.
    #[error("the surname is too long: an address has {RECIPIENT_CHARS_MAX} characters at most")]
    TooLong,
}

/// An NHS number whose check digit is right. Does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct NhsNumber(String);

impl NhsNumber {
    /// The ten digits. They identify a patient: do not log them.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NhsNumber {
    type Err = RoutingError;

    /// Reads ten digits, with blanks or hyphens between them as people write them.
    fn from_str(text: &str) -> Result<Self, RoutingError> {
        let digits: String = text.trim().chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        if digits.len() != 10 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(RoutingError::NhsNumberDigits);
        }
        if !has_check_digit(digits.as_bytes()) {
            return Err(RoutingError::NhsNumberCheck);
        }
        Ok(Self(digits))
    }
}

/// Modulus 11: the last of ten ASCII digits is the check of the others.
fn has_check_digit(digits: &[u8]) -> bool {
    let value = |byte: &u8| u32::from(byte - b'0');
    let weights = (2..=10).rev();
    let sum: u32 = digits.iter().zip(weights).map(|(digit, weight)| value(digit) * weight).sum();
    let check = match 11 - sum % 11 {
        11 => 0,
        other => other,
    };
    digits.last().map(value) == Some(check)
}

impl fmt::Debug for NhsNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NhsNumber(…)")
    }
}

/// Builds the recipient of a message for a patient's practice.
///
/// MESH checks the three against the national record after it took the message; what does not agree comes back as a
/// report with one of the codes `EPL-150` to `EPL-154`, never in the answer to the send.
///
/// ```
/// use mesh_api::routing::{NhsNumber, routing_address};
///
/// let number: NhsNumber = "999 054 8609".parse()?;
/// let recipient = routing_address(&number, "1955-01-09".parse()?, "Sample")?;
/// assert_eq!(recipient.as_str(), "GPPROVIDER_9990548609_19550109_Sample");
/// assert_eq!(recipient.to_string(), "GPPROVIDER_…");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`RoutingError`] for what MESH could not take or would have to guess at.
pub fn routing_address(number: &NhsNumber, born: Date, surname: &str) -> Result<Recipient, RoutingError> {
    if !(1850..2150).contains(&born.year()) {
        return Err(RoutingError::DateOfBirth);
    }
    let surname = surname.trim();
    if surname.is_empty() {
        return Err(RoutingError::NoSurname);
    }
    if !surname.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'_') {
        return Err(RoutingError::SurnameCharacter);
    }
    let address = format!("{ROUTING_PREFIX}{}_{}_{surname}", number.as_str(), born.strftime("%Y%m%d"));
    address.parse().map_err(|_| RoutingError::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Result<NhsNumber, RoutingError> {
        text.parse()
    }

    #[test]
    fn nhs_numbers_are_checked() {
        for text in ["9990548609", " 999 054 8617 ", "999-054-8625"] {
            assert!(number(text).is_ok(), "{text}");
        }
        for (text, error) in [
            ("", RoutingError::NhsNumberDigits),
            ("999054860", RoutingError::NhsNumberDigits),
            ("99905486090", RoutingError::NhsNumberDigits),
            ("999054860x", RoutingError::NhsNumberDigits),
            ("999054860٩", RoutingError::NhsNumberDigits),
            ("9990548608", RoutingError::NhsNumberCheck),
            ("9990458609", RoutingError::NhsNumberCheck),
            // Nine digits whose check would be 10: there is no such number.
            ("9990548650", RoutingError::NhsNumberCheck),
        ] {
            assert_eq!(number(text), Err(error), "{text}");
        }
    }

    #[test]
    fn addresses_are_built_from_parts_that_can_be_one() {
        let sample = number("9990548609").expect("a number");
        let build = |born: &str, surname: &str| {
            routing_address(&sample, born.parse().expect("a date"), surname).map(|r| r.as_str().to_owned())
        };
        assert_eq!(
            build("1980-02-29", " O'Neil-Smith "),
            Ok("GPPROVIDER_9990548609_19800229_O'Neil-Smith".into())
        );
        assert_eq!(
            build("1980-02-29", "van der Berg"),
            Ok("GPPROVIDER_9990548609_19800229_van der Berg".into())
        );
        for (born, surname, error) in [
            ("1849-12-31", "Sample", RoutingError::DateOfBirth),
            ("2150-01-01", "Sample", RoutingError::DateOfBirth),
            ("1980-02-29", " ", RoutingError::NoSurname),
            ("1980-02-29", "Müller", RoutingError::SurnameCharacter),
            ("1980-02-29", "Two_Parts", RoutingError::SurnameCharacter),
            ("1980-02-29", "a\tb", RoutingError::SurnameCharacter),
        ] {
            assert_eq!(build(born, surname), Err(error), "{born}");
        }
        assert_eq!(build("1980-02-29", &"x".repeat(80)), Err(RoutingError::TooLong));
        assert_eq!(format!("{sample:?}"), "NhsNumber(…)");
    }
}
