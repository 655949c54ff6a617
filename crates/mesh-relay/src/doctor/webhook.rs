//! A webhook: name, connection and TLS. Nothing is asked of it.

use std::sync::Arc;

use keystore::SwappableIdentity;
use mesh_client::TlsFault;
use relay_core::diagnosis::Finding;
use rustls::pki_types::CertificateDer;
use url::Url;

use super::line::End;

const NAME: &str = "webhook.name";
const CONNECTION: &str = "webhook.connection";
const TLS: &str = "webhook.tls";

/// One webhook of an adapter.
pub(crate) struct Hook {
    /// `inbound` or `events`.
    pub(crate) key: &'static str,
    /// Its host, and its port if it is no usual one.
    pub(crate) host: String,
    /// Whether it is `https`.
    pub(crate) secure: bool,
}

/// Looks at a webhook of the adapter `name`.
pub(crate) async fn look(
    name: &str,
    hook: Hook,
    roots: &[CertificateDer<'static>],
    identity: Option<Arc<SwappableIdentity>>,
) -> Vec<Finding> {
    let scheme = if hook.secure { "https" } else { "http" };
    let parsed = Url::parse(&format!("{scheme}://{}", hook.host)).ok();
    let host =
        parsed.as_ref().and_then(Url::host_str).unwrap_or(&hook.host).trim_matches(['[', ']']).to_owned();
    let end = End {
        whose: format!("adapter {name}: {} at", hook.key),
        host,
        port: parsed.as_ref().and_then(Url::port_or_known_default).unwrap_or_default(),
        name: NAME,
        connection: CONNECTION,
        tls: TLS,
        key: format!("{}.url of adapter {name}", hook.key),
        roots_key: format!("`roots` of adapter {name}"),
    };
    let mut findings = Vec::new();
    match reach(&end, hook.secure, roots, identity, &mut findings).await {
        Ok(()) => {}
        Err(fault) => {
            let stopped = fault.check;
            findings.push(fault);
            for check in
                [CONNECTION, TLS].into_iter().skip_while(|check| stopped != NAME && *check != stopped)
            {
                if check != stopped && (check != TLS || hook.secure) {
                    findings.push(Finding::not_checked(check, end.item(), format!("{stopped} is at fault")));
                }
            }
        }
    }
    findings
}

async fn reach(
    end: &End,
    secure: bool,
    roots: &[CertificateDer<'static>],
    identity: Option<Arc<SwappableIdentity>>,
    findings: &mut Vec<Finding>,
) -> Result<(), Finding> {
    let addresses = end.resolve(findings).await?;
    let stream = end.connect(&addresses, findings).await?;
    if !secure {
        return Ok(());
    }
    let handshake = end.secure(stream, roots, identity).await?;
    let judged = end.judge(&handshake, roots)?;
    // Under TLS 1.2; under 1.3 only the first request would tell.
    match handshake.outcome.as_ref().err().and_then(|error| TlsFault::find(error)) {
        Some(refused) => {
            let told = refused.to_string();
            let (found, _) = told.split_once("; ").unwrap_or((&told, ""));
            let advice = "see `identity` of the adapter, and whom the receiver trusts";
            Err(Finding::fault(TLS, end.item(), found, advice))
        }
        None => {
            findings.push(judged);
            Ok(())
        }
    }
}
