//! What a TLS refusal means, in words that say what to do.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};
use thiserror::Error as ThisError;

/// Why two sides did not come to trust each other.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum TlsFault {
    /// None of the configured roots signed the server's certificate.
    #[error(
        "the server's certificate is not signed by the configured roots; check that the roots are those of this \
         MESH environment"
    )]
    UntrustedServer,
    /// The server's certificate is for another name.
    #[error("the server's certificate is not valid for this host name; check the MESH address")]
    WrongName,
    /// The server's certificate is out of date, or our clock is wrong.
    #[error(
        "the server's certificate has expired; check this machine's clock, then ask the MESH service desk"
    )]
    ServerExpired,
    /// The server's certificate is not valid yet, or our clock is wrong.
    #[error("the server's certificate is not valid yet; check this machine's clock")]
    ServerNotYetValid,
    /// The server's certificate is wrong in another way.
    #[error("the server's certificate cannot be used: {0}")]
    BadServerCertificate(String),
    /// The server asks for a client certificate and got none.
    #[error(
        "the server asks for a client certificate; configure the certificate and key of this environment"
    )]
    CertificateWanted,
    /// The server does not know who issued our certificate.
    #[error(
        "the server does not trust the issuer of our client certificate; use the one issued for this MESH \
         environment, with its intermediate certificate"
    )]
    OurIssuerUnknown,
    /// Our certificate is out of date.
    #[error("the server says that our client certificate has expired; renew it")]
    OursExpired,
    /// The server refuses our certificate for another reason.
    #[error(
        "the server refuses our client certificate ({0}); check that it is the one issued to this system"
    )]
    OursRefused(String),
    /// The two sides share no version or cipher, or a certificate is missing under TLS 1.2.
    #[error(
        "no TLS settings that both sides accept were found ({0}); if no client certificate is configured, \
         configure one"
    )]
    NoCommonGround(String),
    /// The other side does not speak TLS.
    #[error("the server's answer is not TLS; check the port and that no proxy stands between")]
    NotTls,
    /// Something else.
    #[error("TLS failed: {0}")]
    Other(String),
}

impl TlsFault {
    /// Looks for a TLS refusal in an error and everything beneath it.
    pub fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        find_in::<rustls::Error>(error).map(Self::from_rustls)
    }

    /// Whether the server ended the connection because of who we are. Under TLS 1.3 that may reach us after our
    /// request was written, but the server never looked at it.
    pub fn refuses_us(&self) -> bool {
        matches!(
            self,
            Self::CertificateWanted | Self::OurIssuerUnknown | Self::OursExpired | Self::OursRefused(_)
        )
    }

    fn from_rustls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(why) => Self::from_certificate(why),
            rustls::Error::AlertReceived(alert) => Self::from_alert(*alert),
            rustls::Error::PeerIncompatible(why) => Self::NoCommonGround(format!("{why:?}")),
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            other => Self::Other(other.to_string()),
        }
    }

    fn from_certificate(why: &CertificateError) -> Self {
        match why {
            // A root of the same name with another key, as after a renewal, shows as a bad signature.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UntrustedServer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::ServerExpired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::ServerNotYetValid
            }
            other => Self::BadServerCertificate(other.to_string()),
        }
    }

    fn from_alert(alert: AlertDescription) -> Self {
        match alert {
            AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
                Self::CertificateWanted
            }
            AlertDescription::UnknownCA => Self::OurIssuerUnknown,
            AlertDescription::CertificateExpired => Self::OursExpired,
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied => Self::OursRefused(format!("{alert:?}")),
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity => Self::NoCommonGround(format!("{alert:?}")),
            other => Self::Other(format!("the server sent the alert {other:?}")),
        }
    }
}

/// The first error of type `T` in a chain. An [`io::Error`] hides its own content from `source`, so it is opened
/// where it is met.
pub(crate) fn find_in<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_found_beneath_io_errors() {
        let rustls = rustls::Error::AlertReceived(AlertDescription::UnknownCA);
        let nested = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, rustls));
        assert_eq!(TlsFault::find(&nested), Some(TlsFault::OurIssuerUnknown));
        assert_eq!(TlsFault::find(&io::Error::other("plain")), None);
    }
}
