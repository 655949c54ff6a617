//! PKCS#12 files (RFC 7292), by the `p12-keystore` crate: what keytool and OpenSSL write, the legacy forms included.
//! The crate bounds the rounds that a file may ask for to a million.

use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret, SecretString};

use crate::material::SecretKey;
use crate::{ENTRIES_MAX, KeystoreError};

const WHAT: &str = "PKCS#12 file";

/// The key derivation scrypt as DER (1.3.6.1.4.1.11591.4.11).
const SCRYPT: [u8; 11] = [0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b];

/// What a file holds, its keys decrypted.
pub(crate) struct Contents {
    pub(crate) keys: Vec<(String, SecretKey)>,
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    /// Those that Java marked as trusted.
    pub(crate) trusted: Vec<CertificateDer<'static>>,
}

/// Whether bytes begin like a PKCS#12 file: a sequence whose first element is the number 3.
pub(crate) fn is_p12(bytes: &[u8]) -> bool {
    let [0x30, length, rest @ ..] = bytes else { return false };
    // The long form says in its low bits how many bytes of length follow; 0x80 is BER's "until the end".
    let skipped = if *length < 0x80 { 0 } else { usize::from(length & 0x7f) };
    rest.get(skipped..).is_some_and(|rest| rest.starts_with(&[2, 1, 3]))
}

/// Opens a file. One passphrase opens seal, certificates and keys: neither keytool nor OpenSSL writes other ones.
pub(crate) fn open(bytes: &[u8], passphrase: Option<&SecretString>) -> Result<Contents, KeystoreError> {
    if bytes.get(1) == Some(&0x80) {
        return Err(KeystoreError::NotSupported {
            found: "a PKCS#12 file in a streamed form (BER)",
            advice: "write it anew: openssl pkcs12 -in FILE -out all.pem, then use all.pem",
        });
    }
    // The crate would let scrypt take a gigabyte, and no known program writes it.
    if bytes.windows(SCRYPT.len()).any(|window| window == SCRYPT) {
        return Err(KeystoreError::NotSupported {
            found: "a PKCS#12 file under scrypt",
            advice: "write it anew: openssl pkcs12 -in FILE -out all.pem, then use all.pem",
        });
    }
    let given = passphrase.map(ExposeSecret::expose_secret);
    // Such a file counts a passphrase in characters of 16 bits; the crate calls others a fault of the file.
    if let Some(wide) = given.filter(|given| given.chars().any(|c| c > '\u{ffff}')) {
        return Err(KeystoreError::wrong_passphrase(WHAT, wide));
    }
    let archive = Pkcs12Archive::from_pkcs12(bytes, given.unwrap_or_default())
        .map_err(|error| explained(&error, given))?;
    if archive.keys.len() + archive.certs.len() + archive.secrets.len() > ENTRIES_MAX {
        return Err(KeystoreError::TooMany { what: WHAT, items: "entries", limit: ENTRIES_MAX });
    }
    let mut contents = Contents { keys: Vec::new(), certificates: Vec::new(), trusted: Vec::new() };
    for bag in archive.certs {
        let certificate = CertificateDer::from(bag.cert.as_der().to_vec());
        if bag.trusted { &mut contents.trusted } else { &mut contents.certificates }.push(certificate);
    }
    for (number, bag) in (1..).zip(archive.keys) {
        let alias = bag.friendly_name.unwrap_or_else(|| format!("key {number}"));
        // The crate wipes nothing of its own.
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(bag.key.as_der().to_vec()));
        contents.keys.push((alias, key.into()));
    }
    Ok(contents)
}

fn explained(error: &Error, passphrase: Option<&str>) -> KeystoreError {
    match (error, passphrase) {
        (Error::MacError(_) | Error::Pkcs5Error(_) | Error::UnpadError, None) => {
            KeystoreError::PassphraseNeeded { what: WHAT }
        }
        (Error::MacError(_) | Error::Pkcs5Error(_) | Error::UnpadError, Some(passphrase)) => {
            KeystoreError::wrong_passphrase(WHAT, passphrase)
        }
        (Error::UnsupportedEncryptionScheme | Error::UnsupportedMacAlgorithm, _) => {
            KeystoreError::NotSupported {
                found: "a PKCS#12 file under an encryption or seal that is not known",
                advice: "write it anew: openssl pkcs12 -in FILE -out all.pem, then use all.pem",
            }
        }
        (Error::InvalidParameters, _) => KeystoreError::NotSupported {
            found: "a PKCS#12 file whose passphrase takes too much work to check",
            advice: "write it anew: openssl pkcs12 -in FILE -out all.pem, then use all.pem",
        },
        _ => KeystoreError::Damaged { what: WHAT, why: "its form cannot be read" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tests::{PASS, fixture};

    #[test]
    fn every_writer_is_read() {
        for name in
            ["keytool-ec", "keytool-rsa", "openssl-ec", "openssl-rsa", "openssl-legacy", "openssl-quick"]
        {
            let bytes = fixture(&format!("{name}.p12"));
            assert!(is_p12(&bytes), "{name}");
            let contents = open(&bytes, Some(&SecretString::from(PASS))).unwrap();
            assert_eq!(contents.keys.len(), 1, "{name}");
            assert_eq!(contents.keys[0].0, "mesh", "{name}");
            for wrong in [Some("wrong"), None] {
                let error = open(&bytes, wrong.map(SecretString::from).as_ref()).err().unwrap();
                assert_eq!(
                    matches!(error, KeystoreError::WrongPassphrase { .. }),
                    wrong.is_some(),
                    "{error}"
                );
                assert_eq!(
                    matches!(error, KeystoreError::PassphraseNeeded { .. }),
                    wrong.is_none(),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn java_marks_what_it_trusts() {
        let contents = open(&fixture("trust.p12"), Some(&SecretString::from(PASS))).unwrap();
        assert_eq!((contents.keys.len(), contents.certificates.len(), contents.trusted.len()), (0, 0, 1));
    }

    #[test]
    fn an_empty_passphrase_is_one() {
        let bytes = fixture("openssl-empty.p12");
        assert!(open(&bytes, Some(&SecretString::from(""))).is_ok());
        assert!(open(&bytes, None).is_ok());
    }

    #[test]
    fn a_passphrase_may_have_a_pound_sign() {
        let bytes = fixture("openssl-pound.p12");
        assert!(open(&bytes, Some(&SecretString::from("pa££word"))).is_ok());
        for wrong in ["paÂ£Â£word", "pa\u{1f511}word"] {
            let error = open(&bytes, Some(&SecretString::from(wrong))).err().unwrap();
            assert!(error.to_string().contains("UTF-8"), "{error}");
        }
    }

    #[test]
    fn costly_and_streamed_files_are_refused() {
        let scrypt = [&[0x30, 20, 2, 1, 3][..], &SCRYPT].concat();
        let streamed = [0x30, 0x80, 2, 1, 3];
        assert!(is_p12(&scrypt) && is_p12(&streamed));
        for bytes in [&scrypt[..], &streamed] {
            assert!(matches!(open(bytes, None), Err(KeystoreError::NotSupported { .. })));
        }
    }

    #[test]
    fn the_beginning_tells() {
        assert!(!is_p12(&fixture("certificate.der")));
        assert!(!is_p12(&[0x30]));
        assert!(!is_p12(&[0x30, 0xff, 2, 1, 3]));
    }
}
