//! What a certificate says, for the operator's eyes.

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::Oid;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Name;

use crate::KeystoreError;

/// Most characters of a name that are kept. A certificate may claim far more than a page or a log should show.
pub const NAME_CHARS_MAX: usize = 200;
/// Most DNS names that are kept of one certificate.
pub const DNS_NAMES_MAX: usize = 100;

/// What a certificate says of itself. Nothing here is verified: anyone can write any name into a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Common name of the owner, such as `MAILHOST7.Y99.api.mesh-client.nhs.uk`; at most [`NAME_CHARS_MAX`]
    /// characters, control characters replaced.
    pub subject_cn: Option<String>,
    /// Common name of the signer; bounded alike.
    pub issuer_cn: Option<String>,
    /// The first moment it is good for.
    pub not_before: Timestamp,
    /// The last moment it is good for.
    pub not_after: Timestamp,
    /// The kind of its public key.
    pub key: KeyKind,
    /// DNS names of the subject alternative name, at most [`DNS_NAMES_MAX`]; each bounded like the names above.
    pub dns_names: Vec<String>,
    /// Whether a client may show it: an extended key usage that is there names client authentication.
    pub for_clients: bool,
    /// SHA-256 over the certificate: 64 lower-case hex digits.
    pub fingerprint: String,
}

/// The kind of a public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA, with the length of its modulus in bits.
    Rsa(usize),
    /// Elliptic curve, with the curve's usual name, or its object identifier.
    Ec(String),
    /// Ed25519.
    Ed25519,
    /// Any other, by its object identifier.
    Other(String),
}

impl Facts {
    /// Reads a certificate.
    ///
    /// # Errors
    ///
    /// [`KeystoreError::Damaged`] if it is no X.509 certificate.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Self, KeystoreError> {
        let parsed = parse(certificate)
            .ok_or(KeystoreError::Damaged { what: "certificate", why: "it is no X.509 certificate" })?;
        let dns_names = match parsed.subject_alternative_name() {
            Ok(Some(names)) => names
                .value
                .general_names
                .iter()
                .filter_map(|name| match name {
                    GeneralName::DNSName(name) => Some(printable(name)),
                    _ => None,
                })
                .take(DNS_NAMES_MAX)
                .collect(),
            _ => Vec::new(),
        };
        Ok(Self {
            subject_cn: common_name(parsed.subject()),
            issuer_cn: common_name(parsed.issuer()),
            not_before: timestamp(parsed.validity().not_before),
            not_after: timestamp(parsed.validity().not_after),
            key: key_kind(&parsed),
            dns_names,
            for_clients: match parsed.extended_key_usage() {
                Ok(Some(usage)) => usage.value.any || usage.value.client_auth,
                _ => true,
            },
            fingerprint: hex::encode(Sha256::digest(certificate)),
        })
    }
}

/// A certificate that is one and nothing behind it.
pub(crate) fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    match x509_parser::parse_x509_certificate(certificate.as_ref()) {
        Ok(([], parsed)) => Some(parsed),
        _ => None,
    }
}

/// The last common name: the most specific one, where a name has several.
pub(crate) fn common_name(name: &X509Name<'_>) -> Option<String> {
    name.iter_common_name().last().and_then(|attribute| attribute.as_str().ok()).map(printable)
}

/// Text of a file as it may be shown: short, on one line, and without what steers a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().take(NAME_CHARS_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// RFC 5280's "never" (the end of the year 9999) lies just outside of what a [`Timestamp`] holds, so it is cut.
fn timestamp(time: ASN1Time) -> Timestamp {
    Timestamp::from_second(time.timestamp()).unwrap_or(if time.timestamp() < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

fn key_kind(certificate: &X509Certificate<'_>) -> KeyKind {
    let key = certificate.public_key();
    let algorithm = key.algorithm.algorithm.to_id_string();
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => KeyKind::Rsa(rsa.key_size()),
        Ok(PublicKey::EC(_)) => {
            let curve = key.algorithm.parameters.as_ref().and_then(|any| Oid::try_from(any).ok());
            KeyKind::Ec(match curve.map(|oid| oid.to_id_string()).as_deref() {
                Some("1.2.840.10045.3.1.7") => "P-256".to_owned(),
                Some("1.3.132.0.34") => "P-384".to_owned(),
                Some("1.3.132.0.35") => "P-521".to_owned(),
                Some(other) => printable(other),
                None => "unnamed".to_owned(),
            })
        }
        _ if algorithm == "1.3.101.112" => KeyKind::Ed25519,
        _ => KeyKind::Other(printable(&algorithm)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tests::fixture;

    fn facts(name: &str) -> Facts {
        let pem = fixture(name);
        Facts::read(&crate::read_authorities(&pem, None).unwrap()[0]).unwrap()
    }

    #[test]
    fn a_certificate_tells_its_facts() {
        let ec = facts("ec.pem");
        assert_eq!(ec.subject_cn.as_deref(), Some("MAILHOST7.Y99.api.mesh-client.nhs.uk"));
        assert_eq!(ec.issuer_cn.as_deref(), Some("NHS Test Authentication G2"));
        assert_eq!(ec.key, KeyKind::Ec("P-256".to_owned()));
        assert_eq!(ec.dns_names, ["MAILHOST7.Y99.api.mesh-client.nhs.uk"]);
        assert!(ec.for_clients);
        assert_eq!(ec.fingerprint.len(), 64);
        let days = ec.not_after.duration_since(ec.not_before).as_hours() / 24;
        assert_eq!(days, 7300);
        assert_eq!(facts("rsa.pem").key, KeyKind::Rsa(2048));
    }

    #[test]
    fn names_are_fit_to_print() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(printable(&"x".repeat(10_000)).len(), NAME_CHARS_MAX);
    }

    #[test]
    fn the_end_of_time_is_cut() {
        let never = ASN1Time::from_timestamp(253_402_300_799).unwrap();
        assert_eq!(timestamp(never), Timestamp::MAX);
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let nothing = CertificateDer::from(vec![0x30, 0x03, 1, 2, 3]);
        assert!(matches!(Facts::read(&nothing), Err(KeystoreError::Damaged { .. })));
        let mut longer = crate::read_authorities(&fixture("ec.pem"), None).unwrap()[0].to_vec();
        longer.push(0);
        assert!(Facts::read(&CertificateDer::from(longer)).is_err());
    }
}
