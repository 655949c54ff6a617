//! The identity that rustls shows, replaceable while connections are made.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, SignatureScheme};

use crate::{KeyMaterial, KeystoreError};

/// Makes what rustls signs with, and proves on the way that the key is the certificate's.
///
/// # Errors
///
/// [`KeystoreError::KeyMismatch`], or [`KeystoreError::Unusable`] for a key or a certificate that the TLS library
/// does not take.
pub fn certified_key(material: &KeyMaterial) -> Result<Arc<CertifiedKey>, KeystoreError> {
    let unusable = |error: Error| KeystoreError::Unusable { why: error.to_string() };
    // By reference: the library's own way to do both takes a copy of the key, and leaves it in memory.
    let key = CertifiedKey::new(material.chain.clone(), any_supported_type(&material.key).map_err(unusable)?);
    match key.keys_match() {
        // A key that does not tell is not one that does not fit.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Arc::new(key)),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(KeystoreError::KeyMismatch),
        Err(other) => Err(unusable(other)),
    }
}

/// A resolver of the certificate that a client, or a server, shows, whose identity can be replaced at any time. New handshakes take the new one;
/// connections that stand keep theirs.
///
/// Turn resumption off in the `ClientConfig` that it is given to
/// (`config.resumption = rustls::client::Resumption::disabled()`): a resumed session shows the server the
/// certificate of the handshake that began it, so a replaced identity would live on until its tickets run out.
pub struct SwappableIdentity {
    current: Mutex<Option<Arc<CertifiedKey>>>,
}

impl SwappableIdentity {
    /// Begins with an identity, or with none: then no certificate is shown.
    #[must_use]
    pub fn new(identity: Option<Arc<CertifiedKey>>) -> Self {
        Self { current: Mutex::new(identity) }
    }

    /// Replaces the identity and gives back the one before.
    pub fn swap(&self, identity: Option<Arc<CertifiedKey>>) -> Option<Arc<CertifiedKey>> {
        std::mem::replace(&mut *self.lock(), identity)
    }

    /// The identity that the next handshake shows.
    #[must_use]
    pub fn current(&self) -> Option<Arc<CertifiedKey>> {
        self.lock().clone()
    }

    /// Nothing under the lock can leave the slot half changed, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, Option<Arc<CertifiedKey>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SwappableIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.has_certs() { "SwappableIdentity(…)" } else { "SwappableIdentity(none)" })
    }
}

impl ResolvesClientCert for SwappableIdentity {
    fn resolve(&self, _hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // The hints are passed over: servers send incomplete ones, and there is one identity to choose from.
        self.current().filter(|identity| identity.key.choose_scheme(schemes).is_some())
    }

    fn has_certs(&self) -> bool {
        self.lock().is_some()
    }
}

impl ResolvesServerCert for SwappableIdentity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // There is one to choose from; a client that cannot use it says so itself.
        self.current()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tests::fixture;
    use crate::read_pem;

    fn material(certificate: &str, key: &str) -> KeyMaterial {
        read_pem(&fixture(certificate), &fixture(key), None).unwrap()
    }

    #[test]
    fn the_key_must_be_the_certificates() {
        assert!(certified_key(&material("ec.pem", "ec-sec1.pem")).is_ok());
        assert!(certified_key(&material("rsa.pem", "rsa-pkcs1.pem")).is_ok());
        assert_eq!(
            certified_key(&material("rsa.pem", "ec-pkcs8.pem")).err(),
            Some(KeystoreError::KeyMismatch)
        );
        let mut broken = material("ec.pem", "ec-pkcs8.pem");
        let none = rustls::pki_types::PrivatePkcs8KeyDer::from(vec![0x30, 0]);
        broken.key = rustls::pki_types::PrivateKeyDer::from(none).into();
        assert!(matches!(certified_key(&broken), Err(KeystoreError::Unusable { .. })));
    }

    #[test]
    fn an_identity_is_swapped_and_never_printed() {
        let identity = SwappableIdentity::new(None);
        assert!(identity.current().is_none() && !identity.has_certs());
        assert_eq!(format!("{identity:?}"), "SwappableIdentity(none)");
        let first = certified_key(&material("ec.pem", "ec-pkcs8.pem")).unwrap();
        assert!(identity.swap(Some(first.clone())).is_none());
        assert_eq!(format!("{identity:?}"), "SwappableIdentity(…)");
        let schemes = [SignatureScheme::ECDSA_NISTP256_SHA256];
        let resolve = |schemes: &[_]| ResolvesClientCert::resolve(&identity, &[], schemes);
        assert!(Arc::ptr_eq(&resolve(&schemes).unwrap(), &first));
        assert!(resolve(&[SignatureScheme::ED25519]).is_none());
        assert!(Arc::ptr_eq(&identity.swap(None).unwrap(), &first));
    }
}
