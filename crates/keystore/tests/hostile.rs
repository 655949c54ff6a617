//! No byte of a file, and no end that it may come to, makes the reader panic or gives another key than the file's.

#![expect(clippy::unwrap_used, reason = "a test ends at what it cannot go on from")]

use keystore::{KeyMaterial, Unlock, certified_key, check, read, read_authorities, read_with};
use proptest::prelude::*;
use rustls::pki_types::PrivateKeyDer;
use secrecy::SecretString;

const PASS: &str = "changeit";

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The public key that TLS would prove to hold: the damage to a plain PEM key shows here and nowhere before.
fn usable_public_key(material: &KeyMaterial) -> Option<Vec<u8>> {
    Some(certified_key(material).ok()?.key.public_key()?.as_ref().to_vec())
}

fn secret(key: &PrivateKeyDer<'_>) -> Vec<u8> {
    key.secret_der().to_vec()
}

/// Reads what was made of a file, with the whole identity for comparison.
struct Trial {
    name: &'static str,
    own: SecretString,
    whole: KeyMaterial,
    bytes: Vec<u8>,
    /// Whether the file carries proof of its content, so that the key must come back byte for byte.
    sealed: bool,
}

impl Trial {
    fn of(name: &'static str, own: &str, sealed: bool) -> Self {
        let bytes = fixture(name);
        let (store, own) = (SecretString::from(PASS), SecretString::from(own));
        let whole = read_with(&bytes, &Unlock { store: Some(&store), key: Some(&own), alias: None }).unwrap();
        Self { name, own, whole, bytes, sealed }
    }

    fn survives(&self, bytes: &[u8], how: &str) {
        let store = SecretString::from(PASS);
        let unlock = Unlock { store: Some(&store), key: Some(&self.own), alias: None };
        let Ok(material) = read_with(bytes, &unlock) else { return };
        if self.sealed {
            assert_eq!(secret(&material.key), secret(&self.whole.key), "{} {how}", self.name);
        } else if let Some(public) = usable_public_key(&material) {
            assert_eq!(Some(public), usable_public_key(&self.whole), "{} {how}", self.name);
        }
        let _ = check(&material, &self.whole.authorities, jiff::Timestamp::UNIX_EPOCH);
    }

    fn every_truncation(&self) {
        for length in 0..self.bytes.len() {
            self.survives(&self.bytes[..length], &format!("cut to {length}"));
        }
    }

    fn every_flip(&self, masks: &[u8]) {
        let mut bytes = self.bytes.clone();
        for at in 0..bytes.len() {
            for mask in masks {
                bytes[at] ^= mask;
                self.survives(&bytes, &format!("{mask:#x} at {at}"));
                bytes[at] ^= mask;
            }
        }
    }
}

/// A prime, so that no field is always met at the same place.
const COSTLY_STEP: usize = 37;
const EVERY_BIT: [u8; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 0xff];

#[test]
fn java_keystores() {
    for (name, own) in [("ec.jks", PASS), ("keypass.jks", "keypass")] {
        let trial = Trial::of(name, own, true);
        trial.every_truncation();
        trial.every_flip(&EVERY_BIT);
    }
}

#[test]
fn pkcs12() {
    let trial = Trial::of("openssl-quick.p12", PASS, true);
    trial.every_truncation();
    trial.every_flip(&EVERY_BIT);
}

/// These make a passphrase costly to check, so only some places of them are tried.
#[test]
fn pkcs12_as_it_comes() {
    for name in ["keytool-ec.p12", "openssl-legacy.p12", "openssl-ec.p12"] {
        let trial = Trial::of(name, PASS, true);
        let mut bytes = trial.bytes.clone();
        for at in (0..bytes.len()).step_by(COSTLY_STEP) {
            trial.survives(&bytes[..at], &format!("cut at {at}"));
            bytes[at] ^= 0xff;
            trial.survives(&bytes, &format!("0xff at {at}"));
            bytes[at] ^= 0xff;
        }
    }
}

#[test]
fn pem() {
    let trial = Trial::of("ec-whole.pem", PASS, false);
    trial.every_truncation();
    trial.every_flip(&[1, 0x20, 0x80]);
}

#[test]
fn encrypted_pem() {
    let key = String::from_utf8(fixture("ec-encrypted.pem")).unwrap();
    let bytes = [key.into_bytes(), fixture("ec.pem")].concat();
    let store = SecretString::from(PASS);
    let whole = read(&bytes, Some(&store)).unwrap();
    let trial = Trial { name: "encrypted", own: PASS.into(), whole, bytes, sealed: false };
    trial.every_truncation();
    trial.every_flip(&[1]);
}

#[test]
fn trust_stores() {
    let store = SecretString::from(PASS);
    let mut bytes = fixture("trust.jks");
    let whole = read_authorities(&bytes, Some(&store)).unwrap();
    for at in 0..bytes.len() {
        assert!(read_authorities(&bytes[..at], Some(&store)).is_err());
        for mask in EVERY_BIT {
            bytes[at] ^= mask;
            if let Ok(found) = read_authorities(&bytes, Some(&store)) {
                assert_eq!(found, whole, "{mask:#x} at {at}");
            }
            bytes[at] ^= mask;
        }
    }
}

proptest! {
    #[test]
    fn anything(front in prop::sample::select(vec![
        &b""[..], b"\xfe\xed\xfe\xed\0\0\0\x02\0\0\0\x01", b"\x30\x20\x02\x01\x03", b"\x30\x80\x02\x01\x03",
        b"-----BEGIN PRIVATE KEY-----\n", b"-----BEGIN ", b"\xce\xce\xce\xce",
    ]), rest in prop::collection::vec(any::<u8>(), 0..600)) {
        let bytes = [front, &rest].concat();
        let pass = SecretString::from(PASS);
        prop_assert!(read(&bytes, Some(&pass)).is_err());
        prop_assert!(read(&bytes, None).is_err());
        prop_assert!(read_authorities(&bytes, Some(&pass)).is_err());
    }
}
