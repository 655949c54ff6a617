//! Encrypted PKCS#8 keys (RFC 5958 and RFC 8018), and the frame that Java's key protector shares with them.

use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Decode, Reader, SliceReader};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{EncryptedPrivateKeyInfoRef, ObjectIdentifier, PrivateKeyInfoRef};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret, SecretString};

use crate::KeystoreError;
use crate::material::SecretKey;

/// Most rounds of PBKDF2 that are run for a key. OpenSSL writes 2048 by default, the careful write 600 000; a
/// hostile file could ask for an hour's work.
pub const KDF_ROUNDS_MAX: u32 = 2_000_000;
/// Most memory that scrypt may ask for, in bytes. OpenSSL's default takes 16 MiB.
pub const SCRYPT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most runs of scrypt's inner mix (its parameter `p`) for a key. OpenSSL's default is 1.
pub const SCRYPT_PARALLEL_MAX: u16 = 16;

const WHAT: &str = "private key";

/// Algorithm and content of an `EncryptedPrivateKeyInfo`, whatever its algorithm. `None` if it is none.
pub(crate) fn parts(der: &[u8]) -> Option<(ObjectIdentifier, &[u8])> {
    let mut reader = SliceReader::new(der).ok()?;
    let parts = reader
        .sequence(|reader| {
            let algorithm = AlgorithmIdentifierRef::decode(reader)?;
            let content = <&OctetStringRef>::decode(reader)?;
            Ok::<_, pkcs8::der::Error>((algorithm.oid, content.as_bytes()))
        })
        .ok()?;
    reader.is_finished().then_some(parts)
}

/// Decrypts a PKCS#8 key.
pub(crate) fn decrypt(der: &[u8], passphrase: Option<&SecretString>) -> Result<SecretKey, KeystoreError> {
    const OLD: KeystoreError = KeystoreError::NotSupported {
        found: "a private key encrypted in an outdated or unknown way",
        advice: "encrypt it anew: openssl pkcs8 -in FILE -topk8 -v2 aes256 -out key.pem",
    };
    const HEAVY: KeystoreError = KeystoreError::NotSupported {
        found: "a private key whose passphrase takes too much work or memory to check",
        advice: "encrypt it anew: openssl pkcs8 -in FILE -topk8 -v2 aes256 -iter 100000 -out key.pem",
    };
    parts(der).ok_or(KeystoreError::Damaged { what: WHAT, why: "what it holds is no encrypted key" })?;
    let info = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| OLD)?;
    let EncryptionScheme::Pbes2(scheme) = &info.encryption_algorithm else {
        return Err(OLD);
    };
    let bearable = match &scheme.kdf {
        Kdf::Pbkdf2(pbkdf2) => pbkdf2.iteration_count <= KDF_ROUNDS_MAX,
        Kdf::Scrypt(scrypt) => {
            let memory = scrypt.cost_parameter.checked_mul(u64::from(scrypt.block_size) * 128);
            scrypt.parallelization <= SCRYPT_PARALLEL_MAX
                && memory.is_some_and(|bytes| bytes <= SCRYPT_BYTES_MAX)
        }
        _ => return Err(OLD),
    };
    if !bearable {
        return Err(HEAVY);
    }
    let passphrase = passphrase.ok_or(KeystoreError::PassphraseNeeded { what: WHAT })?.expose_secret();
    let plain = info.decrypt(passphrase).map_err(|_| KeystoreError::wrong_passphrase(WHAT, passphrase))?;
    // One wrong passphrase in 256 leaves what looks like good padding; it does not leave a key.
    PrivateKeyInfoRef::try_from(plain.as_bytes())
        .map_err(|_| KeystoreError::wrong_passphrase(WHAT, passphrase))?;
    Ok(PrivateKeyDer::from(PrivatePkcs8KeyDer::from(plain.as_bytes().to_vec())).into())
}
