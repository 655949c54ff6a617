//! Certificates made in the test: an authority, and identities that it vouches for.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// An authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate with its key, both PEM.
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS#8.
    pub key: String,
}

impl Authority {
    /// A new authority of this name.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are valid");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// The authority's certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A client's identity with this common name.
    pub fn client(&self, name: &str) -> Identity {
        self.sign(name, CertificateParams::new(Vec::new()).expect("no names are valid"))
    }

    /// A client's identity that ends with a year's first day.
    pub fn client_until(&self, name: &str, year: i32) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are valid");
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        self.sign(name, params)
    }

    /// A client's identity from one year's first day to another's.
    pub fn client_between(&self, name: &str, from: i32, until: i32) -> Identity {
        self.sign(name, between(CertificateParams::new(Vec::new()).expect("no names are valid"), from, until))
    }

    /// A server's identity for this host name or address, from one year's first day to another's.
    pub fn server_between(&self, name: &str, from: i32, until: i32) -> Identity {
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name or an address");
        self.sign_for(name, between(params, from, until), ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A server's identity for this host name or address.
    pub fn server(&self, name: &str) -> Identity {
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name or an address");
        self.sign_for(name, params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn sign(&self, name: &str, params: CertificateParams) -> Identity {
        self.sign_for(name, params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign_for(
        &self,
        name: &str,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> Identity {
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

fn between(mut params: CertificateParams, from: i32, until: i32) -> CertificateParams {
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    params
}
