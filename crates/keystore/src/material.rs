//! What was read, put in order.

use std::fmt;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::zeroize::Zeroizing;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

use crate::{CHAIN_MAX, Facts, KeystoreError, facts};

/// A private key as a file holds it, wiped when it is dropped.
pub(crate) type SecretKey = Zeroizing<PrivateKeyDer<'static>>;

/// A client's identity: certificate chain, private key, and what stood beside them.
pub struct KeyMaterial {
    /// Our certificate first, then the intermediates in the order that TLS wants, whatever order the file had. At
    /// most [`CHAIN_MAX`], never empty. A self-signed root is not sent, so it stands in `authorities`.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key. That it belongs to `chain[0]` is likely and not certain; [`crate::check`] and
    /// [`crate::certified_key`] find out. Wiped when it is dropped.
    pub key: Zeroizing<PrivateKeyDer<'static>>,
    /// Whom the file trusts: trusted certificate entries of a store, and authorities beside the key that are not
    /// part of the chain.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Certificates that are none of these, such as those of other clients.
    pub extra: Vec<CertificateDer<'static>>,
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.chain.first().and_then(|leaf| Facts::read(leaf).ok()?.subject_cn);
        f.debug_struct("KeyMaterial")
            .field("subject_cn", &subject)
            .field("chain", &self.chain.len())
            .field("key", &"…")
            .field("authorities", &self.authorities.len())
            .field("extra", &self.extra.len())
            .finish()
    }
}

impl KeyMaterial {
    /// Finds the certificate of `key` among `beside` and orders the rest around it. `trusted` are entries that the
    /// file marks so; they may complete the chain, because keystores often hold the intermediate only there.
    pub(crate) fn assemble(
        what: &'static str,
        key: SecretKey,
        beside: Vec<CertificateDer<'static>>,
        trusted: Vec<CertificateDer<'static>>,
    ) -> Result<Self, KeystoreError> {
        let pool: Vec<Candidate<'_>> = beside.iter().chain(&trusted).filter_map(Candidate::read).collect();
        // Without a match the first certificate is taken, so that a check can say that the key is another's.
        let leaf =
            match spki(&key).and_then(|spki| pool.iter().find(|one| one.parsed.public_key().raw == spki)) {
                Some(leaf) => leaf,
                None => {
                    let first = beside.first().ok_or(KeystoreError::NoCertificate { what })?;
                    pool.iter().find(|one| one.der == first).ok_or(KeystoreError::Damaged {
                        what,
                        why: "its first certificate is no X.509 certificate",
                    })?
                }
            };
        let mut chain = vec![leaf];
        while let Some(next) = chain.last().and_then(|last| last.signer(&pool)) {
            // A signature over names in a circle would never end.
            if next.is_self_issued() || chain.iter().any(|one| one.der == next.der) {
                break;
            }
            if chain.len() == CHAIN_MAX {
                return Err(KeystoreError::TooMany {
                    what,
                    items: "certificates in a chain",
                    limit: CHAIN_MAX,
                });
            }
            chain.push(next);
        }
        let chain: Vec<CertificateDer<'static>> = chain.into_iter().map(|one| one.der.clone()).collect();
        let is_authority =
            |der: &CertificateDer<'static>| pool.iter().any(|one| one.der == der && one.is_authority());
        let mut authorities = Vec::new();
        let mut extra = Vec::new();
        for der in &trusted {
            push_new(&mut authorities, der);
        }
        for der in beside.iter().filter(|der| !chain.contains(der)) {
            push_new(if is_authority(der) { &mut authorities } else { &mut extra }, der);
        }
        Ok(Self { chain, key, authorities, extra })
    }
}

fn push_new(list: &mut Vec<CertificateDer<'static>>, der: &CertificateDer<'static>) {
    if !list.contains(der) {
        list.push(der.clone());
    }
}

/// The public key that belongs to a private one, as certificates hold it.
fn spki(key: &PrivateKeyDer<'static>) -> Option<Vec<u8>> {
    Some(any_supported_type(key).ok()?.public_key()?.as_ref().to_vec())
}

/// A certificate that may take a place in the chain.
struct Candidate<'a> {
    der: &'a CertificateDer<'static>,
    parsed: X509Certificate<'a>,
}

impl<'a> Candidate<'a> {
    fn read(der: &'a CertificateDer<'static>) -> Option<Self> {
        Some(Self { der, parsed: facts::parse(der)? })
    }

    fn is_self_issued(&self) -> bool {
        self.parsed.subject().as_raw() == self.parsed.issuer().as_raw()
    }

    fn is_authority(&self) -> bool {
        self.is_self_issued() || self.parsed.is_ca()
    }

    /// Who may have signed this: the owner of the issuer's name. An authority that renewed its key has several
    /// certificates under one name; the key's identifier tells them apart where it is given.
    fn signer<'b>(&self, pool: &'b [Candidate<'a>]) -> Option<&'b Candidate<'a>> {
        if self.is_self_issued() {
            return None;
        }
        let named =
            || pool.iter().filter(|one| one.parsed.subject().as_raw() == self.parsed.issuer().as_raw());
        let wanted = self.signer_key();
        named().find(|one| wanted.is_some() && one.own_key() == wanted).or_else(|| named().next())
    }

    fn own_key(&self) -> Option<&[u8]> {
        self.parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(key) => Some(key.0),
            _ => None,
        })
    }

    fn signer_key(&self) -> Option<&[u8]> {
        self.parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(key) => key.key_identifier.as_ref().map(|key| key.0),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tests::fixture;
    use crate::read_pem;

    fn one(name: &str) -> CertificateDer<'static> {
        crate::read_authorities(&fixture(name), None).unwrap().remove(0)
    }

    fn pem(names: &[&str]) -> Vec<u8> {
        names.iter().flat_map(|name| fixture(name)).collect()
    }

    fn assembled(names: &[&str]) -> KeyMaterial {
        read_pem(&pem(names), &fixture("ec-pkcs8.pem"), None).unwrap()
    }

    #[test]
    fn any_order_becomes_leaf_first() {
        for names in [
            ["ec.pem", "intermediate.pem", "root.pem"],
            ["root.pem", "intermediate.pem", "ec.pem"],
            ["intermediate.pem", "ec.pem", "root.pem"],
        ] {
            let material = assembled(&names);
            assert_eq!(material.chain, [one("ec.pem"), one("intermediate.pem")]);
            assert_eq!(material.authorities, [one("root.pem")]);
            assert!(material.extra.is_empty());
        }
    }

    #[test]
    fn strangers_are_kept_apart() {
        let material = assembled(&["rsa.pem", "retired.pem", "ec.pem", "rsa.pem"]);
        assert_eq!(material.chain, [one("ec.pem")]);
        assert_eq!(material.authorities, [one("retired.pem")]);
        assert_eq!(material.extra, [one("rsa.pem")]);
    }

    #[test]
    fn a_foreign_key_leaves_the_first_certificate_first() {
        let material = assembled(&["rsa.pem", "intermediate.pem"]);
        assert_eq!(material.chain, [one("rsa.pem"), one("intermediate.pem")]);
    }

    #[test]
    fn a_trusted_entry_may_complete_the_chain() {
        let key = read_pem(&pem(&["ec.pem"]), &fixture("ec-pkcs8.pem"), None).unwrap().key;
        let trusted = vec![one("root.pem"), one("intermediate.pem")];
        let material = KeyMaterial::assemble("test", key, vec![one("ec.pem")], trusted.clone()).unwrap();
        assert_eq!(material.chain, [one("ec.pem"), one("intermediate.pem")]);
        assert_eq!(material.authorities, trusted);
    }

    #[test]
    fn no_key_prints() {
        let material = assembled(&["ec.pem"]);
        let printed = format!("{material:?}");
        assert!(printed.contains("MAILHOST7") && printed.contains("key: \"…\""), "{printed}");
        assert!(printed.len() < 200, "{printed}");
    }
}
