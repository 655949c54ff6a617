//! PEM texts (RFC 7468), with whatever stands between the sections passed over.

use base64ct::{Base64, Encoding};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use crate::material::SecretKey;
use crate::{ENTRIES_MAX, KeystoreError, encrypted};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// Whether a text has a PEM section.
pub(crate) fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(BEGIN.len()).any(|window| window == BEGIN.as_bytes())
}

/// The certificates of a text, in its order; none is no error.
pub(crate) fn certificates(
    what: &'static str,
    text: &[u8],
) -> Result<Vec<CertificateDer<'static>>, KeystoreError> {
    sections(what, text)?
        .iter()
        .filter(|section| matches!(section.label, "CERTIFICATE" | "X509 CERTIFICATE"))
        .map(|section| section.decode(what).map(|mut der| std::mem::take(&mut *der).into()))
        .collect()
}

/// The private key of a text, decrypted where it must be.
pub(crate) fn key(
    what: &'static str,
    text: &[u8],
    passphrase: Option<&SecretString>,
) -> Result<SecretKey, KeystoreError> {
    let sections = sections(what, text)?;
    let keys: Vec<_> = sections.iter().filter(|section| section.is_key()).collect();
    let section = match keys.as_slice() {
        [] => return Err(no_key(what, &sections)),
        [one] => one,
        more => return Err(KeystoreError::SeveralPemKeys { what, count: more.len() }),
    };
    if section.lines().any(|line| line.starts_with("Proc-Type:")) {
        return Err(KeystoreError::NotSupported {
            found: "a PEM key in the encryption that OpenSSL used before PKCS#8 (Proc-Type: 4,ENCRYPTED)",
            advice: "convert it: openssl pkcs8 -topk8 -v2 aes256 -in FILE -out key.pem",
        });
    }
    // Moved, so that it stays one.
    let plain = || section.decode(what).map(|mut der| std::mem::take(&mut *der));
    match section.label {
        "PRIVATE KEY" => Ok(PrivateKeyDer::from(PrivatePkcs8KeyDer::from(plain()?)).into()),
        "RSA PRIVATE KEY" => Ok(PrivateKeyDer::from(PrivatePkcs1KeyDer::from(plain()?)).into()),
        "EC PRIVATE KEY" => Ok(PrivateKeyDer::from(PrivateSec1KeyDer::from(plain()?)).into()),
        "ENCRYPTED PRIVATE KEY" => encrypted::decrypt(&section.decode(what)?, passphrase),
        "OPENSSH PRIVATE KEY" => Err(KeystoreError::NotSupported {
            found: "a key in OpenSSH's own form",
            advice: "convert a copy in place: ssh-keygen -p -m PKCS8 -f FILE",
        }),
        _ => Err(KeystoreError::NotSupported {
            found: "a private key of a kind that TLS does not use",
            advice: "use RSA 2048 or EC P-256",
        }),
    }
}

/// What to say where a key should be: people mix up the files that a certificate request leaves behind.
fn no_key(what: &'static str, sections: &[Section<'_>]) -> KeystoreError {
    let has = |label: &str| sections.iter().any(|section| section.label.ends_with(label));
    let advice = if has("CERTIFICATE REQUEST") {
        "it is the certificate request; give the key that was made with it"
    } else if has("PKCS7") {
        "it is a bundle of certificates (PKCS#7): openssl pkcs7 -print_certs -in FILE -out chain.pem, and give the \
         key in its own file"
    } else if has("CERTIFICATE") {
        "it has certificates only; add the key, or give it in its own file"
    } else {
        "give the key that the certificate request was made with"
    };
    KeystoreError::NoKey { what, advice }
}

struct Section<'a> {
    label: &'a str,
    body: &'a str,
}

impl<'a> Section<'a> {
    fn lines(&self) -> impl Iterator<Item = &'a str> {
        self.body.lines().map(str::trim)
    }

    fn is_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }

    /// The bytes of a section, decoded without a trace in the timing, and with no copy left behind.
    fn decode(&self, what: &'static str) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let damaged =
            || KeystoreError::Damaged { what, why: "what stands between BEGIN and END is not base64" };
        let mut text = Zeroizing::new(Vec::with_capacity(self.body.len()));
        text.extend(self.body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
        let mut bytes = Zeroizing::new(vec![0; text.len() / 4 * 3 + 3]);
        let decoded = Base64::decode(&*text, &mut bytes).map_err(|_| damaged())?.len();
        bytes.truncate(decoded);
        if bytes.is_empty() { Err(damaged()) } else { Ok(bytes) }
    }
}

/// Cuts a text into its sections.
fn sections<'a>(what: &'static str, text: &'a [u8]) -> Result<Vec<Section<'a>>, KeystoreError> {
    let damaged = |why| KeystoreError::Damaged { what, why };
    let mut found = Vec::new();
    let mut open: Option<(&str, usize)> = None;
    let mut at = 0;
    for raw in text.split_inclusive(|&byte| byte == b'\n') {
        let start = at;
        at += raw.len();
        // Remarks between the sections may be in any encoding; sections are ASCII.
        let line = match std::str::from_utf8(raw) {
            Ok(line) => line.trim().trim_start_matches('\u{feff}'),
            Err(_) if open.is_none() => continue,
            Err(_) => return Err(damaged("what stands between BEGIN and END is not text")),
        };
        if let Some(label) = frame(line, BEGIN) {
            if open.is_some() {
                return Err(damaged("an END line is missing"));
            }
            open = Some((label, at));
        } else if let Some(label) = frame(line, END) {
            let Some((begun, from)) = open.take().filter(|(begun, _)| *begun == label) else {
                return Err(damaged("an END line has no BEGIN line of the same name"));
            };
            if found.len() == ENTRIES_MAX {
                return Err(KeystoreError::TooMany { what, items: "sections", limit: ENTRIES_MAX });
            }
            let body = text.get(from..start).and_then(|body| std::str::from_utf8(body).ok());
            found.push(Section { label: begun, body: body.unwrap_or_default() });
        } else if line.starts_with(BEGIN) || line.starts_with(END) {
            return Err(damaged("a BEGIN or END line cannot be read"));
        }
    }
    if open.is_some() {
        return Err(damaged("an END line is missing"));
    }
    Ok(found)
}

fn frame<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.strip_prefix(word)?.strip_suffix(DASHES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tests::{PASS, fixture, same_key};

    fn key_of(name: &str, passphrase: Option<&str>) -> Result<SecretKey, KeystoreError> {
        key("key file", &fixture(name), passphrase.map(SecretString::from).as_ref())
    }

    #[test]
    fn every_plain_form_is_read() {
        assert!(matches!(key_of("ec-pkcs8.pem", None).as_deref(), Ok(PrivateKeyDer::Pkcs8(_))));
        assert!(matches!(key_of("ec-sec1.pem", None).as_deref(), Ok(PrivateKeyDer::Sec1(_))));
        assert!(matches!(key_of("rsa-pkcs1.pem", None).as_deref(), Ok(PrivateKeyDer::Pkcs1(_))));
        assert!(same_key(&key_of("ec-pkcs8.pem", None).unwrap(), &key_of("ec-sec1.pem", None).unwrap()));
        assert!(same_key(&key_of("rsa-pkcs8.pem", None).unwrap(), &key_of("rsa-pkcs1.pem", None).unwrap()));
    }

    #[test]
    fn encrypted_keys_are_opened() {
        for (name, plain) in [
            ("ec-encrypted.pem", "ec-pkcs8.pem"),
            ("ec-encrypted-scrypt.pem", "ec-pkcs8.pem"),
            ("rsa-encrypted-3des.pem", "rsa-pkcs8.pem"),
        ] {
            assert_eq!(key_of(name, Some(PASS)), key_of(plain, None), "{name}");
            assert!(
                matches!(key_of(name, Some("wrong")), Err(KeystoreError::WrongPassphrase { .. })),
                "{name}"
            );
            assert!(matches!(key_of(name, None), Err(KeystoreError::PassphraseNeeded { .. })), "{name}");
        }
    }

    #[test]
    fn outdated_encryption_is_refused_with_the_command_that_helps() {
        for name in ["rsa-legacy-encrypted.pem", "ec-encrypted-pbes1.pem"] {
            let error = key_of(name, Some(PASS)).unwrap_err();
            assert!(matches!(error, KeystoreError::NotSupported { .. }), "{name}: {error}");
            assert!(error.to_string().contains("openssl pkcs8"), "{error}");
        }
    }

    #[test]
    fn a_key_that_costs_too_much_is_refused() {
        // The fixture's 2048 rounds, as DER, become 2^31 - 1.
        let der = {
            let text = fixture("ec-encrypted.pem");
            sections("key", &text).unwrap()[0].decode("key").unwrap()
        };
        let at = der.windows(4).position(|window| window == [2, 2, 8, 0]).unwrap();
        let mut heavy = der.clone();
        heavy.splice(at..at + 4, [2, 4, 0x7f, 0xff, 0xff, 0xff]);
        // Every length around it grows by two.
        for length_at in (0..at).filter(|&i| i + 1 < at && heavy[i] == 0x30).collect::<Vec<_>>() {
            let long = heavy[length_at + 1] == 0x81;
            let slot = length_at + 1 + usize::from(long);
            if slot + usize::from(heavy[slot]) >= at {
                heavy[slot] += 2;
            }
        }
        let error = encrypted::decrypt(&heavy, Some(&SecretString::from(PASS))).unwrap_err();
        assert!(error.to_string().contains("too much work"), "{error}");
    }

    #[test]
    fn what_is_missing_is_said() {
        let said = |text: &str| key("key file", text.as_bytes(), None).unwrap_err().to_string();
        assert!(said("").contains("holds no private key"));
        let request = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
        assert!(said(request).contains("certificate request"));
        let cut = "-----BEGIN PRIVATE KEY-----\nAAAA\n";
        assert!(said(cut).contains("END line is missing"));
        let crossed = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(said(crossed).contains("no BEGIN line"));
        let broken = "-----BEGIN PRIVATE KEY-----\n*\n-----END PRIVATE KEY-----\n";
        assert!(said(broken).contains("not base64"));
        let one = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(said(&one.repeat(2)).contains("2 private keys"));
        assert!(said(&one.repeat(ENTRIES_MAX + 1)).contains("more than 1000 sections"));
    }

    #[test]
    fn editors_and_mail_programs_are_forgiven() {
        let text = String::from_utf8(fixture("ec-pkcs8.pem")).unwrap();
        let windows = format!("\u{feff}Bag Attributes\r\n{}", text.replace('\n', "\r\n"));
        let indented: String = text.lines().map(|line| format!("  {line}  \n")).collect();
        let mut latin = b"gepr\xfcft\n".to_vec();
        latin.extend(text.as_bytes());
        for text in [windows.into_bytes(), indented.into_bytes(), latin] {
            assert_eq!(key("key", &text, None), key_of("ec-pkcs8.pem", None));
        }
    }
}
