//! Java keystores (JKS, versions 1 and 2), read as `sun.security.provider.JavaKeyStore` writes them.
//!
//! ```text
//! magic FEEDFEED, version u32, count u32, entries, SHA-1 over (password, "Mighty Aphrodite", all before)
//! key entry:     1u32, alias, date u64, protected key (u32 length), chain count u32, certificates
//! trusted entry: 2u32, alias, date u64, certificate
//! certificate:   its type (version 2 only), u32 length, DER          texts: u16 length, modified UTF-8
//! ```
//!
//! A protected key is an `EncryptedPrivateKeyInfo` of Sun's own algorithm: salt, the key under a SHA-1 key stream,
//! and SHA-1 over (password, key). Passwords count as UTF-16, high byte first. All of this is weak by today's
//! measure; it is read because MESH clients have it, and never written.

use rustls::pki_types::CertificateDer;
use secrecy::zeroize::Zeroizing;
use sha1::{Digest, Sha1};

use crate::{CHAIN_MAX, ENTRIES_MAX, KeystoreError, encrypted};

/// First four bytes of a JKS.
pub(crate) const MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

const WHAT: &str = "Java keystore";
const SEAL_WORDS: &[u8] = b"Mighty Aphrodite";
const DIGEST: usize = 20;
/// Sun's key protector.
const PROTECTOR: &str = "1.3.6.1.4.1.42.2.17.1.1";

/// A keystore whose form was read and whose seal was not checked yet.
pub(crate) struct Jks<'a> {
    pub(crate) keys: Vec<KeyEntry<'a>>,
    pub(crate) trusted: Vec<CertificateDer<'static>>,
    sealed: &'a [u8],
    seal: &'a [u8],
}

/// A key, still protected, with the chain that was stored with it.
pub(crate) struct KeyEntry<'a> {
    pub(crate) alias: String,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    protected: &'a [u8],
}

impl<'a> Jks<'a> {
    /// Reads the form of a keystore. That it reads to its very end is good evidence that the file is whole, which
    /// makes a seal that does not fit the password's fault.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, KeystoreError> {
        const SHORT: KeystoreError = KeystoreError::Damaged { what: WHAT, why: "it ends too early" };
        let (sealed, seal) =
            bytes.len().checked_sub(DIGEST).and_then(|middle| bytes.split_at_checked(middle)).ok_or(SHORT)?;
        let mut rest = Cursor(sealed);
        let magic = rest.take(MAGIC.len())?;
        let version = rest.u32()?;
        if magic != MAGIC || !matches!(version, 1 | 2) {
            return Err(damaged("its version is neither 1 nor 2"));
        }
        let count = rest.count(ENTRIES_MAX, "entries")?;
        let mut store = Self { keys: Vec::new(), trusted: Vec::new(), sealed, seal };
        for _ in 0..count {
            let tag = rest.u32()?;
            let alias = rest.text()?;
            rest.take(size_of::<u64>())?; // when the entry was made
            match tag {
                1 => {
                    let protected = rest.block()?;
                    let length = rest.count(CHAIN_MAX, "certificates in a chain")?;
                    let chain = (0..length).map(|_| rest.certificate(version)).collect::<Result<_, _>>()?;
                    store.keys.push(KeyEntry { alias, chain, protected });
                }
                2 => store.trusted.push(rest.certificate(version)?),
                _ => return Err(damaged("an entry is of an unknown kind")),
            }
        }
        if !rest.0.is_empty() {
            return Err(damaged("it goes on behind its last entry"));
        }
        Ok(store)
    }

    /// Checks the seal over the whole store.
    pub(crate) fn check_seal(&self, passphrase: &str) -> Result<(), KeystoreError> {
        let password = utf16(passphrase);
        let seal =
            Sha1::new().chain_update(&password).chain_update(SEAL_WORDS).chain_update(self.sealed).finalize();
        if seal.as_slice() == self.seal {
            return Ok(());
        }
        // A password that opens a key is right, so then it is the file that is wrong.
        Err(if self.keys.iter().any(|entry| entry.open(passphrase).is_ok_and(|key| key.is_some())) {
            damaged("its content does not fit its seal")
        } else {
            KeystoreError::wrong_passphrase(WHAT, passphrase)
        })
    }
}

impl KeyEntry<'_> {
    /// The key as PKCS#8, or nothing if the passphrase is not its own.
    pub(crate) fn open(&self, passphrase: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeystoreError> {
        let (algorithm, content) =
            encrypted::parts(self.protected).ok_or(damaged("a key in it cannot be read"))?;
        if algorithm.to_string() != PROTECTOR {
            return Err(KeystoreError::NotSupported {
                found: "a Java keystore with a key under an unknown protection",
                advice: "convert it: keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 \
                         -deststoretype PKCS12",
            });
        }
        let short = damaged("a key in it is too short");
        let (salt, rest) = content.split_at_checked(DIGEST).ok_or(short.clone())?;
        let (hidden, check) =
            rest.len().checked_sub(DIGEST).and_then(|middle| rest.split_at_checked(middle)).ok_or(short)?;
        let password = utf16(passphrase);
        let mut plain = Zeroizing::new(Vec::with_capacity(hidden.len()));
        let mut stream: [u8; DIGEST] = salt.try_into().map_err(|_| damaged("a key in it is too short"))?;
        for block in hidden.chunks(DIGEST) {
            stream = Sha1::new().chain_update(&password).chain_update(stream).finalize().into();
            plain.extend(block.iter().zip(stream).map(|(byte, mask)| byte ^ mask));
        }
        let digest = Sha1::new().chain_update(&password).chain_update(&plain).finalize();
        Ok((digest.as_slice() == check).then_some(plain))
    }
}

fn damaged(why: &'static str) -> KeystoreError {
    KeystoreError::Damaged { what: WHAT, why }
}

/// A passphrase as Java counts it.
fn utf16(passphrase: &str) -> Zeroizing<Vec<u8>> {
    // The full size at once, so that no half of it is left behind in memory by a move.
    let mut bytes = Zeroizing::new(Vec::with_capacity(passphrase.len() * 2));
    bytes.extend(passphrase.encode_utf16().flat_map(u16::to_be_bytes));
    bytes
}

/// What is left of a store.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], KeystoreError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(damaged("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, KeystoreError> {
        Ok(self.take(size_of::<u32>())?.iter().fold(0, |number, &byte| number << 8 | u32::from(byte)))
    }

    fn count(&mut self, limit: usize, items: &'static str) -> Result<usize, KeystoreError> {
        let count = self.u32()? as usize;
        if count > limit { Err(KeystoreError::TooMany { what: WHAT, items, limit }) } else { Ok(count) }
    }

    fn block(&mut self) -> Result<&'a [u8], KeystoreError> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    /// Modified UTF-8 differs from the usual one in NUL and in what lies beyond 16 bits; an alias has neither.
    fn text(&mut self) -> Result<String, KeystoreError> {
        let length =
            self.take(size_of::<u16>())?.iter().fold(0, |number, &byte| number << 8 | usize::from(byte));
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn certificate(&mut self, version: u32) -> Result<CertificateDer<'static>, KeystoreError> {
        if version == 2 && self.text()? != "X.509" {
            return Err(damaged("a certificate in it is not X.509"));
        }
        Ok(CertificateDer::from(self.block()?.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tests::{PASS, fixture};
    use crate::{Unlock, read, read_with};
    use secrecy::SecretString;

    fn resealed(mut content: Vec<u8>) -> Vec<u8> {
        let seal =
            Sha1::new().chain_update(utf16(PASS)).chain_update(SEAL_WORDS).chain_update(&content).finalize();
        content.extend(seal);
        content
    }

    fn fails(bytes: &[u8], passphrase: &str) -> KeystoreError {
        read(bytes, Some(&SecretString::from(passphrase))).unwrap_err()
    }

    #[test]
    fn the_seal_tells_a_wrong_password_from_a_damaged_file() {
        let store = fixture("ec.jks");
        assert!(matches!(fails(&store, "wrong"), KeystoreError::WrongPassphrase { .. }));
        // The date of the first entry: no part of the form depends on it.
        let mut touched = store.clone();
        let at = 12 + 4 + 2 + "mesh".len();
        touched[at + 3] ^= 1;
        assert!(matches!(fails(&touched, PASS), KeystoreError::Damaged { .. }));
        assert!(matches!(fails(&store[..store.len() - 1], PASS), KeystoreError::Damaged { .. }));
    }

    #[test]
    fn a_key_may_have_a_password_of_its_own() {
        let store = fixture("keypass.jks");
        assert!(matches!(fails(&store, PASS), KeystoreError::WrongKeyPassphrase { .. }));
        let (pass, own) = (SecretString::from(PASS), SecretString::from("keypass"));
        let unlock = Unlock { store: Some(&pass), key: Some(&own), alias: None };
        assert!(read_with(&store, &unlock).is_ok());
    }

    #[test]
    fn a_password_counts_as_utf_16() {
        assert_eq!(utf16("a£").as_slice(), [0, 0x61, 0, 0xa3]);
        let store = fixture("pound.jks");
        assert!(read(&store, Some(&SecretString::from("pa££word"))).is_ok());
        // As a program reads it that takes UTF-8 for Latin-1.
        let error = fails(&store, "paÂ£Â£word");
        assert!(error.to_string().contains("save the file that holds it as UTF-8"), "{error}");
    }

    #[test]
    fn version_1_has_no_certificate_types() {
        let store = fixture("trust.jks");
        let parsed = Jks::parse(&store).unwrap();
        let kind = b"\0\x05X.509";
        let at = store.windows(kind.len()).position(|window| window == kind).unwrap();
        let mut old = store[..store.len() - DIGEST].to_vec();
        old.drain(at..at + kind.len());
        old[7] = 1;
        let old = resealed(old);
        let again = Jks::parse(&old).unwrap();
        assert_eq!(again.trusted, parsed.trusted);
        assert!(again.check_seal(PASS).is_ok());
    }

    #[test]
    fn claimed_lengths_are_bounded() {
        let store = |count: u32, rest: &[u8]| {
            let mut bytes = [MAGIC.as_slice(), &2u32.to_be_bytes(), &count.to_be_bytes()].concat();
            bytes.extend(rest);
            resealed(bytes)
        };
        assert!(Jks::parse(&store(0, &[])).is_ok());
        assert!(matches!(Jks::parse(&store(1001, &[])).err(), Some(KeystoreError::TooMany { .. })));
        assert!(matches!(Jks::parse(&store(0, &[1])).err(), Some(KeystoreError::Damaged { .. })));
        let huge = [&[0, 0, 0, 1, 0, 0][..], &[0; 8], &u32::MAX.to_be_bytes()].concat();
        assert!(matches!(Jks::parse(&store(1, &huge)).err(), Some(KeystoreError::Damaged { .. })));
        let long_chain = [&[0, 0, 0, 1, 0, 0][..], &[0; 8], &[0; 4], &11u32.to_be_bytes()].concat();
        assert!(matches!(
            Jks::parse(&store(1, &long_chain)).err(),
            Some(KeystoreError::TooMany { limit: CHAIN_MAX, .. })
        ));
    }
}
