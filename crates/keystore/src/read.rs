//! Which form a file has, and the way from there to an identity.

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret, SecretString};

use crate::jks::{self, Jks};
use crate::{ENTRIES_MAX, FILE_BYTES_MAX, KeyMaterial, KeystoreError, facts, p12, pem};

const FILE: &str = "identity file";
const CERTIFICATES: &str = "certificate file";
const KEY: &str = "key file";
const KEYSTORE: &str = "Java keystore";
const PKCS12: &str = "PKCS#12 file";

/// Most aliases that an error lists.
const ALIASES_SHOWN: usize = 10;

/// What opens a file, and which key of it is meant.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlock<'a> {
    /// The passphrase of the store, or of a PEM key. PEM without encryption needs none, a PKCS#12 file may be made
    /// without one, and a Java keystore always has one.
    pub store: Option<&'a SecretString>,
    /// The passphrase of the key in a Java keystore, where it differs from the store's. Used first for a PEM key.
    pub key: Option<&'a SecretString>,
    /// Which key of a store with several; upper and lower case count as one, as in Java. Not for PEM.
    pub alias: Option<&'a str>,
}

/// Reads an identity from the bytes of one file: PEM with certificate and key in one text, PKCS#12, or a Java
/// keystore (JKS). The passphrase opens the store and the key; see [`read_with`] for a key with its own or for a
/// store with several keys.
///
/// # Errors
///
/// [`KeystoreError`]: too large, damaged, of a form that is not read, the passphrase missing or wrong, no key or
/// several. That the key belongs to the certificate is not checked here.
pub fn read(bytes: &[u8], passphrase: Option<&SecretString>) -> Result<KeyMaterial, KeystoreError> {
    read_with(bytes, &Unlock { store: passphrase, ..Unlock::default() })
}

/// [`read`], with a key's own passphrase or an alias.
///
/// # Errors
///
/// As [`read`], and [`KeystoreError::NoSuchAlias`].
pub fn read_with(bytes: &[u8], unlock: &Unlock<'_>) -> Result<KeyMaterial, KeystoreError> {
    match form(bytes)? {
        Form::Pem => pem_identity((FILE, bytes), (FILE, bytes), unlock.key.or(unlock.store)),
        Form::Pkcs12 => {
            let contents = p12::open(bytes, unlock.store)?;
            let aliases: Vec<&str> = contents.keys.iter().map(|(alias, _)| alias.as_str()).collect();
            let chosen = choose(PKCS12, &aliases, unlock.alias)?;
            let (_, key) = contents.keys.into_iter().nth(chosen).ok_or(NO_KEY_IN_STORE)?;
            KeyMaterial::assemble(PKCS12, key, contents.certificates, contents.trusted)
        }
        Form::Jks => {
            let store = Jks::parse(bytes)?;
            let passphrase = open_jks(&store, unlock.store)?;
            let aliases: Vec<&str> = store.keys.iter().map(|entry| entry.alias.as_str()).collect();
            let chosen = choose(KEYSTORE, &aliases, unlock.alias)?;
            let entry = store.keys.into_iter().nth(chosen).ok_or(NO_KEY_IN_STORE)?;
            let own = unlock.key.map_or(passphrase, ExposeSecret::expose_secret);
            let mut key = entry.open(own)?.ok_or(KeystoreError::WrongKeyPassphrase {
                what: KEYSTORE,
                advice: ": keytool -keypasswd -keystore FILE -alias ALIAS",
            })?;
            // Moved, so that it stays one.
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(std::mem::take(&mut *key)));
            KeyMaterial::assemble(KEYSTORE, key.into(), entry.chain, store.trusted)
        }
    }
}

const NO_KEY_IN_STORE: KeystoreError = KeystoreError::NoKey {
    what: "store",
    advice: "it is a trust store, good for authorities only; give the store with the client's own key",
};

/// Reads an identity from two PEM texts: certificates (ours and the intermediates) and the private key, which may
/// be PKCS#8 (plain or encrypted with `passphrase`), PKCS#1 or SEC1.
///
/// # Errors
///
/// As [`read`]. A file in another form is refused: a store has both parts in one file.
pub fn read_pem(
    certificates: &[u8],
    key: &[u8],
    passphrase: Option<&SecretString>,
) -> Result<KeyMaterial, KeystoreError> {
    for bytes in [certificates, key] {
        if form(bytes)? != Form::Pem {
            return Err(KeystoreError::NotSupported {
                found: "a store with certificate and key in one",
                advice: "give it alone, without a second file for the key",
            });
        }
    }
    pem_identity((CERTIFICATES, certificates), (KEY, key), passphrase)
}

/// Reads the certificates to trust from a PEM bundle, a PKCS#12 file or a Java keystore. Of a PEM text and of a
/// PKCS#12 file without a key every certificate counts. Of a store with a key it is those that it marks as trusted,
/// and the authorities beside its key, so that the MESH Java client's store serves as both (`dts-file-interface.md`
/// 6.1).
///
/// # Errors
///
/// As [`read`], but for the key, and [`KeystoreError::NoCertificate`] if there is none to trust.
pub fn read_authorities(
    bytes: &[u8],
    passphrase: Option<&SecretString>,
) -> Result<Vec<CertificateDer<'static>>, KeystoreError> {
    let (what, mut found, beside_key) = match form(bytes)? {
        Form::Pem => (FILE, pem::certificates(FILE, bytes)?, Vec::new()),
        Form::Pkcs12 => {
            let contents = p12::open(bytes, passphrase)?;
            let (mut found, certificates) = (contents.trusted, contents.certificates);
            if contents.keys.is_empty() {
                found.extend(certificates);
                (PKCS12, found, Vec::new())
            } else {
                (PKCS12, found, certificates)
            }
        }
        Form::Jks => {
            let store = Jks::parse(bytes)?;
            open_jks(&store, passphrase)?;
            let chains = store.keys.into_iter().flat_map(|entry| entry.chain).collect();
            (KEYSTORE, store.trusted, chains)
        }
    };
    found.extend(beside_key.into_iter().filter(|der| facts::parse(der).is_some_and(|parsed| parsed.is_ca())));
    let mut unique = Vec::with_capacity(found.len());
    for der in found {
        if facts::parse(&der).is_none() {
            return Err(KeystoreError::Damaged { what, why: "one of its certificates cannot be read" });
        }
        if !unique.contains(&der) {
            unique.push(der);
        }
        if unique.len() > ENTRIES_MAX {
            return Err(KeystoreError::TooMany { what, items: "certificates", limit: ENTRIES_MAX });
        }
    }
    if unique.is_empty() { Err(KeystoreError::NoCertificate { what }) } else { Ok(unique) }
}

fn pem_identity(
    (certificates_are, certificates): (&'static str, &[u8]),
    (key_is, key): (&'static str, &[u8]),
    passphrase: Option<&SecretString>,
) -> Result<KeyMaterial, KeystoreError> {
    let found = pem::certificates(certificates_are, certificates)?;
    if found.is_empty() {
        return Err(KeystoreError::NoCertificate { what: certificates_are });
    }
    KeyMaterial::assemble(certificates_are, pem::key(key_is, key, passphrase)?, found, Vec::new())
}

fn open_jks<'a>(store: &Jks<'_>, passphrase: Option<&'a SecretString>) -> Result<&'a str, KeystoreError> {
    let passphrase = passphrase.ok_or(KeystoreError::PassphraseNeeded { what: KEYSTORE })?.expose_secret();
    store.check_seal(passphrase)?;
    Ok(passphrase)
}

/// The place of the key that is meant.
fn choose(what: &'static str, aliases: &[&str], wanted: Option<&str>) -> Result<usize, KeystoreError> {
    let listed = || {
        let mut shown: Vec<String> =
            aliases.iter().take(ALIASES_SHOWN).map(|alias| facts::printable(alias)).collect();
        if aliases.len() > ALIASES_SHOWN {
            shown.push(format!("and {} more", aliases.len() - ALIASES_SHOWN));
        }
        shown.join(", ")
    };
    match (aliases, wanted) {
        ([], _) => Err(NO_KEY_IN_STORE),
        (_, Some(wanted)) => aliases
            .iter()
            .position(|alias| alias.to_lowercase() == wanted.to_lowercase())
            .ok_or_else(|| KeystoreError::NoSuchAlias { what, aliases: listed() }),
        ([_], None) => Ok(0),
        (_, None) => Err(KeystoreError::SeveralKeys { what, count: aliases.len(), aliases: listed() }),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Form {
    Pem,
    Pkcs12,
    Jks,
}

/// What bytes are. Forms that are known and not read are refused with what converts them.
fn form(bytes: &[u8]) -> Result<Form, KeystoreError> {
    let not = |found, advice| Err(KeystoreError::NotSupported { found, advice });
    if bytes.len() > FILE_BYTES_MAX {
        return Err(KeystoreError::TooLarge { what: FILE, limit: FILE_BYTES_MAX });
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(KeystoreError::Empty { what: FILE });
    }
    if bytes.starts_with(&jks::MAGIC) {
        return Ok(Form::Jks);
    }
    if p12::is_p12(bytes) {
        return Ok(Form::Pkcs12);
    }
    if pem::is_pem(bytes) {
        return Ok(Form::Pem);
    }
    match bytes {
        [0xce, 0xce, 0xce, 0xce, ..] => not(
            "a Java keystore of the JCEKS kind",
            "convert it: keytool -importkeystore -srckeystore FILE -srcstoretype JCEKS -destkeystore FILE.p12 \
             -deststoretype PKCS12",
        ),
        [0, 0, 0, 1 | 2, 0, 0, 0, _, ..] => not(
            "probably a Bouncy Castle keystore (BKS or UBER)",
            "convert it: keytool -importkeystore -srckeystore FILE -srcstoretype BKS -providerclass \
             org.bouncycastle.jce.provider.BouncyCastleProvider -providerpath bcprov.jar -destkeystore FILE.p12 \
             -deststoretype PKCS12",
        ),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => not("a text in UTF-16", "save it as UTF-8 or ASCII"),
        [b'M', b'I', ..]
            if bytes.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) =>
        {
            not("base64 without BEGIN and END lines", "decode it: base64 -d FILE > FILE.p12")
        }
        [0x30, ..] if facts::parse(&CertificateDer::from(bytes)).is_some() => not(
            "a bare certificate (DER) without a key",
            "convert it: openssl x509 -inform DER -in FILE -out certificate.pem, and give the key in its own file",
        ),
        [0x30, ..] => not(
            "binary (DER), but no PKCS#12: perhaps a bare key or a bundle of certificates",
            "convert a key: openssl pkey -inform DER -in FILE -out key.pem; a bundle: openssl pkcs7 -inform DER \
             -print_certs -in FILE -out chain.pem",
        ),
        _ => Err(KeystoreError::Unknown),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::material::SecretKey;
    use rustls::crypto::aws_lc_rs::sign::any_supported_type;

    /// Opens every fixture.
    pub(crate) const PASS: &str = "changeit";

    pub(crate) fn fixture(name: &str) -> Vec<u8> {
        let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Whether two keys are one, however they are written.
    pub(crate) fn same_key(one: &PrivateKeyDer<'static>, other: &PrivateKeyDer<'static>) -> bool {
        let public = |key| any_supported_type(key).unwrap().public_key().unwrap().into_owned();
        public(one) == public(other)
    }

    fn plain(name: &str) -> SecretKey {
        pem::key("key", &fixture(name), None).unwrap()
    }

    fn opened(name: &str) -> KeyMaterial {
        read(&fixture(name), Some(&SecretString::from(PASS)))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn fails(bytes: &[u8]) -> String {
        read(bytes, Some(&SecretString::from(PASS))).unwrap_err().to_string()
    }

    #[test]
    fn every_form_gives_the_same_identity() {
        let certificate = |name: &str| read_authorities(&fixture(name), None).unwrap().remove(0);
        for name in ["ec-whole.pem", "openssl-ec.p12", "keytool-ec.p12", "ec.jks"] {
            let material = opened(name);
            assert!(same_key(&material.key, &plain("ec-pkcs8.pem")), "{name}");
            assert_eq!(material.chain, [certificate("ec.pem"), certificate("intermediate.pem")], "{name}");
            assert!(material.authorities.contains(&certificate("root.pem")), "{name}");
        }
        for name in ["openssl-rsa.p12", "openssl-legacy.p12", "keytool-rsa.p12", "rsa.jks"] {
            let material = opened(name);
            assert!(same_key(&material.key, &plain("rsa-pkcs8.pem")), "{name}");
            assert_eq!(material.chain, [certificate("rsa.pem"), certificate("intermediate.pem")], "{name}");
            assert_eq!(material.authorities, [certificate("root.pem")], "{name}");
        }
    }

    #[test]
    fn keytool_reads_from_a_jks_what_we_read() {
        let own = SecretString::from("keypass");
        let pass = SecretString::from(PASS);
        let unlock = Unlock { store: Some(&pass), key: Some(&own), alias: None };
        let ours = read_with(&fixture("keypass.jks"), &unlock).unwrap();
        let javas = opened("from-keypass-jks.p12");
        assert_eq!((ours.key, ours.chain), (javas.key, javas.chain));
        let (ours, javas) = (opened("rsa.jks"), opened("from-rsa-jks.p12"));
        assert_eq!((ours.key, ours.chain), (javas.key, javas.chain));
    }

    #[test]
    fn one_of_several_keys_is_named() {
        let pass = SecretString::from(PASS);
        for name in ["several.jks", "several.p12"] {
            let error = fails(&fixture(name));
            assert!(error.contains("2 private keys") && error.contains("second"), "{error}");
            let unlock = Unlock { store: Some(&pass), alias: Some("SECOND"), key: None };
            let material = read_with(&fixture(name), &unlock).unwrap();
            assert!(same_key(&material.key, &plain("rsa-pkcs8.pem")), "{name}");
            assert!(crate::certified_key(&material).is_ok(), "{name}");
            let missing = Unlock { alias: Some("third"), ..unlock };
            assert!(matches!(read_with(&fixture(name), &missing), Err(KeystoreError::NoSuchAlias { .. })));
        }
    }

    #[test]
    fn aliases_in_errors_are_few_and_harmless() {
        let many: Vec<String> = (0..50).map(|n| format!("a{n}\n")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let error = choose("store", &many, None).unwrap_err().to_string();
        assert!(error.contains("and 40 more") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn trust_stores_give_authorities_and_no_key() {
        let pass = SecretString::from(PASS);
        let root = read_authorities(&fixture("root.pem"), None).unwrap();
        for name in ["trust.jks", "trust.p12", "openssl-nokey.p12"] {
            assert_eq!(read_authorities(&fixture(name), Some(&pass)).unwrap(), root, "{name}");
            assert!(fails(&fixture(name)).contains("trust store"), "{name}");
        }
        for name in ["ec.jks", "keytool-ec.p12", "rsa.jks"] {
            let authorities = read_authorities(&fixture(name), Some(&pass)).unwrap();
            assert_eq!(authorities.len(), 2, "{name}");
            assert!(authorities.contains(&root[0]), "{name}");
        }
        let key_alone = read_authorities(&fixture("ec-pkcs8.pem"), None);
        assert!(matches!(key_alone, Err(KeystoreError::NoCertificate { .. })));
    }

    #[test]
    fn what_is_not_read_is_named_with_the_way_out() {
        assert!(fails(&fixture("ec.jceks")).contains("-srcstoretype JCEKS"));
        assert!(fails(&fixture("certificate.der")).contains("openssl x509 -inform DER"));
        assert!(fails(&[0, 0, 0, 2, 0, 0, 0, 20, 1]).contains("Bouncy Castle"));
        assert!(fails(b"MIIKmQIBAzCCCl8GCSqGSIb3DQEHAaCC\nCk==\n").contains("base64 -d"));
        assert!(fails(&[0xff, 0xfe, b'-', 0]).contains("UTF-16"));
        assert!(fails(&[0x30, 3, 2, 1, 0]).contains("openssl pkey"));
        assert!(fails(b"hello").contains("neither PEM"));
        assert!(fails(b" \n").contains("is empty"));
        assert!(fails(&vec![0; FILE_BYTES_MAX + 1]).contains("larger than"));
    }

    #[test]
    fn two_files_are_pem() {
        let error = read_pem(&fixture("ec.jks"), &fixture("ec-pkcs8.pem"), None).unwrap_err();
        assert!(error.to_string().contains("give it alone"));
        let swapped = read_pem(&fixture("ec-pkcs8.pem"), &fixture("ec.pem"), None);
        assert_eq!(swapped.unwrap_err(), KeystoreError::NoCertificate { what: CERTIFICATES });
        assert!(fails(&fixture("ec.pem")).contains("certificates only"));
        let needed = read(&fixture("ec.jks"), None).unwrap_err();
        assert!(matches!(needed, KeystoreError::PassphraseNeeded { .. }));
    }
}
