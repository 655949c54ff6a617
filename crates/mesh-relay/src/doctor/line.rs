//! A connection, step by step: name, TCP, TLS. Each step says what it found, where the clients that carry messages say only how
//! the whole of it ended.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keystore::{Facts, SwappableIdentity};
use relay_core::diagnosis::Finding;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::aside;

/// How long a name server may take.
const NAME_WITHIN: Duration = Duration::from_secs(10);
/// How long a server may take to let a connection stand.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long it may take to agree on TLS.
const TLS_WITHIN: Duration = Duration::from_secs(10);
/// Most certificates of a presented chain that are named.
const CHAIN_SHOWN_MAX: usize = 5;

/// Where a connection leads, and what its checks are called.
#[derive(Debug, Clone)]
pub(super) struct End {
    /// Whose server it is, such as `MESH`.
    pub(super) whose: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) name: &'static str,
    pub(super) connection: &'static str,
    pub(super) tls: &'static str,
    /// What in the configuration leads here.
    pub(super) key: String,
    /// What in the configuration says whom to trust here.
    pub(super) roots_key: String,
}

impl End {
    /// The item of the checks about it.
    pub(super) fn item(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{} {host}:{}", self.whose, self.port)
    }

    /// The addresses of its name.
    ///
    /// # Errors
    /// The fault.
    pub(super) async fn resolve(&self, findings: &mut Vec<Finding>) -> Result<Vec<SocketAddr>, Finding> {
        let (host, port) = (self.host.clone(), self.port);
        let asking = aside(move || (host.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>));
        let fault = |found: String| {
            let advice = format!("correct {}, or this machine's name servers (/etc/resolv.conf)", self.key);
            Finding::fault(self.name, self.item(), found, advice)
        };
        match timeout(NAME_WITHIN, asking).await {
            Ok(Some(Ok(addresses))) if !addresses.is_empty() => {
                let shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
                findings.push(Finding::sound(self.name, self.item(), shown.join(", ")));
                Ok(addresses)
            }
            Ok(Some(Err(error))) => {
                Err(fault(format!("the host name {} was not found ({error})", self.host)))
            }
            Ok(_) => Err(fault(format!("the host name {} has no address", self.host))),
            Err(_) => {
                Err(fault(format!("no name server knew {} within {} s", self.host, NAME_WITHIN.as_secs())))
            }
        }
    }

    /// A connection to the first address that takes one.
    ///
    /// # Errors
    /// The fault.
    pub(super) async fn connect(
        &self,
        addresses: &[SocketAddr],
        findings: &mut Vec<Finding>,
    ) -> Result<TcpStream, Finding> {
        let fault =
            |found: String, advice: String| Finding::fault(self.connection, self.item(), found, advice);
        match timeout(CONNECT_WITHIN, TcpStream::connect(addresses)).await {
            Ok(Ok(stream)) => {
                findings.push(Finding::sound(self.connection, self.item(), "a connection stands"));
                Ok(stream)
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                let advice = format!("correct host and port in {}, or see that the server runs", self.key);
                Err(fault("nothing listens at this port, or a firewall refuses".to_owned(), advice))
            }
            Ok(Err(error)) => {
                let advice = format!("check the network and firewalls on the way, and {}", self.key);
                Err(fault(format!("no connection: {error}"), advice))
            }
            Err(_) => {
                let advice = "ask whether a firewall on the way drops connections there, and whether a proxy is needed";
                let found = format!("no connection within {} s", CONNECT_WITHIN.as_secs());
                Err(fault(found, advice.to_owned()))
            }
        }
    }

    /// Agrees on TLS over a stream. Whoever is shown, and whoever is not trusted, is in the answer.
    ///
    /// # Errors
    /// The fault, when it cannot be tried at all.
    pub(super) async fn secure(
        &self,
        stream: TcpStream,
        roots: &[CertificateDer<'static>],
        identity: Option<Arc<SwappableIdentity>>,
    ) -> Result<Handshake, Finding> {
        let broken = |what: String| {
            Finding::fault(
                self.tls,
                self.item(),
                format!("TLS cannot be tried: {what}"),
                format!("mend {}", self.roots_key),
            )
        };
        let name = ServerName::try_from(self.host.clone()).map_err(|error| broken(error.to_string()))?;
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root.clone()).map_err(|error| broken(error.to_string()))?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
            .build()
            .map_err(|error| broken(error.to_string()))?;
        let witness = Arc::new(Witness { verifier, presented: Mutex::default() });
        let asked = Arc::new(Asked { identity, asked: AtomicBool::new(false) });
        // The usual verifier decides; the witness only remembers what it was shown.
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| broken(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&witness) as _)
            .with_client_cert_resolver(Arc::clone(&asked) as _);
        let outcome =
            match timeout(TLS_WITHIN, TlsConnector::from(Arc::new(config)).connect(name, stream)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            };
        let presented = witness.presented.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Handshake { outcome, presented, asked: asked.asked.load(Ordering::Relaxed) })
    }

    /// What was found of the server's side. `Err` is a fault.
    pub(super) fn judge(
        &self,
        handshake: &Handshake,
        roots: &[CertificateDer<'static>],
    ) -> Result<Finding, Finding> {
        let fault = |found: String, advice: String| Err(Finding::fault(self.tls, self.item(), found, advice));
        let error = match &handshake.outcome {
            Ok(_) => {
                let shown = handshake.presented.first().map_or_else(String::new, person);
                return Ok(Finding::sound(
                    self.tls,
                    self.item(),
                    format!("its certificate is trusted: {shown}"),
                ));
            }
            Err(error) => error,
        };
        let refusal = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match refusal {
            Some(rustls::Error::InvalidCertificate(why)) => {
                let (found, advice) = self.distrust(why, roots);
                fault(format!("{found}; it presents {}", chain(&handshake.presented)), advice)
            }
            // Ours is at fault, and has a check of its own.
            Some(rustls::Error::AlertReceived(_)) if !handshake.presented.is_empty() => {
                let shown = handshake.presented.first().map_or_else(String::new, person);
                Ok(Finding::sound(self.tls, self.item(), format!("its certificate is trusted: {shown}")))
            }
            Some(rustls::Error::InvalidMessage(_)) => {
                let advice =
                    format!("correct the port in {}, and see that no other server stands between", self.key);
                fault("what answers there does not speak TLS".to_owned(), advice)
            }
            Some(other) => fault(format!("TLS failed: {other}"), "ask whoever runs the server".to_owned()),
            None if error.kind() == io::ErrorKind::TimedOut => {
                let found = format!("no agreement on TLS within {} s", TLS_WITHIN.as_secs());
                fault(found, "ask whether something on the way inspects or drops TLS".to_owned())
            }
            None => {
                let advice = format!(
                    "see that {} leads to a server with TLS, and whether something on the way ends it",
                    self.key
                );
                fault(format!("the connection ended before TLS was agreed on ({})", error.kind()), advice)
            }
        }
    }

    /// Why its certificate is not taken, and what to do.
    fn distrust(&self, why: &CertificateError, roots: &[CertificateDer<'static>]) -> (String, String) {
        let roots_key = &self.roots_key;
        let clock = "check this machine's clock, then ask whoever runs the server for a new certificate";
        match why {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                let trusted: Vec<String> =
                    roots.iter().filter_map(|root| Facts::read(root).ok()?.subject_cn).collect();
                (
                    format!(
                        "none of the trusted authorities ({}) signed its certificate",
                        trusted.join(", ")
                    ),
                    format!(
                        "name the authority above that certificate in {roots_key}, if this is the server that is meant"
                    ),
                )
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
                format!("its certificate is for another name than {}", self.host),
                format!("write a name that the certificate has in {}", self.key),
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                ("its certificate has expired".to_owned(), clock.to_owned())
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                ("its certificate is not valid yet".to_owned(), clock.to_owned())
            }
            CertificateError::Other(OtherError(error)) => (
                format!("its certificate cannot be used ({error})"),
                "ask whoever runs the server".to_owned(),
            ),
            other => (
                format!("its certificate cannot be used ({other})"),
                "ask whoever runs the server".to_owned(),
            ),
        }
    }
}

/// An agreement on TLS, or why there is none.
pub(super) struct Handshake {
    pub(super) outcome: io::Result<TlsStream<TcpStream>>,
    /// What the server presented, its own certificate first.
    pub(super) presented: Vec<Facts>,
    /// Whether it asked for a client's certificate.
    pub(super) asked: bool,
}

fn chain(presented: &[Facts]) -> String {
    if presented.is_empty() {
        return "nothing that can be read".to_owned();
    }
    presented.iter().take(CHAIN_SHOWN_MAX).map(person).collect::<Vec<_>>().join(", then ")
}

/// A certificate in words.
pub(super) fn person(facts: &Facts) -> String {
    let name = facts.subject_cn.clone().unwrap_or_else(|| match facts.dns_names.as_slice() {
        [] => "(no name)".to_owned(),
        names => names.join(" "),
    });
    let issuer = facts.issuer_cn.as_deref().unwrap_or("(no name)");
    let names: Vec<&str> =
        facts.dns_names.iter().map(String::as_str).filter(|dns| *dns != name).take(5).collect();
    let names = if names.is_empty() { String::new() } else { format!(" for {}", names.join(" ")) };
    let day = |time: jiff::Timestamp| time.strftime("%Y-%m-%d").to_string();
    format!("{name}{names} (issued by {issuer}, valid {} to {})", day(facts.not_before), day(facts.not_after))
}

/// Remembers what a server presents; whether it is to be trusted is for the usual verifier to say.
#[derive(Debug)]
struct Witness {
    verifier: Arc<WebPkiServerVerifier>,
    presented: Mutex<Vec<Facts>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let all = std::iter::once(end_entity).chain(intermediates);
        let facts = all.filter_map(|certificate| Facts::read(certificate).ok()).collect();
        *self.presented.lock().unwrap_or_else(PoisonError::into_inner) = facts;
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Shows the identity, if there is one, and remembers that it was asked for.
#[derive(Debug)]
struct Asked {
    identity: Option<Arc<SwappableIdentity>>,
    asked: AtomicBool,
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        ResolvesClientCert::resolve(&**self.identity.as_ref()?, hints, schemes)
    }

    fn has_certs(&self) -> bool {
        // Otherwise nobody would be told that one was asked for.
        true
    }
}
