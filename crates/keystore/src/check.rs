//! What is wrong with an identity, in words, before a connection finds out.

use std::fmt;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;

use crate::{Facts, KeyMaterial, KeystoreError, certified_key, facts};

/// How long before its end a certificate is worth a warning, in days: the NHS takes about five working days to issue
/// one (`mesh-api.md` 1.2), and the paperwork before it takes longer.
pub const EXPIRY_WARNING_DAYS: i64 = 60;

const DAY_SECONDS: i64 = 24 * 60 * 60;
const CN_SUFFIX: &str = ".api.mesh-client.nhs.uk";

/// First-generation authorities, which the NHS retired in May and June 2024 (`mesh-api.md` 1.3).
const RETIRED: [&str; 5] =
    ["NHS PTL Root Authority", "NHS INT Level 1C", "NHS DEP Level 1C", "NHS Root Authority", "NHS Level 1C"];

/// How bad a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; may well be right as it is.
    Hint,
    /// Works now, or may; will not for ever.
    Warning,
    /// MESH will refuse the connection.
    Error,
}

/// What a [`Finding`] is about, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingKind {
    /// A certificate of the chain cannot be read.
    Unreadable,
    /// A certificate of the chain has ended.
    Expired,
    /// A certificate of the chain has not begun.
    NotYetValid,
    /// A certificate of the chain ends within [`EXPIRY_WARNING_DAYS`].
    ExpiresSoon,
    /// The key is another certificate's.
    KeyMismatch,
    /// The TLS library does not take the key.
    KeyUnusable,
    /// The signer of the client certificate is in neither the chain nor the roots.
    IntermediateMissing,
    /// The common name is not that of a MESH client.
    NotAMeshName,
    /// Signed by an authority that the NHS retired.
    RetiredAuthority,
}

/// One thing to know about an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub kind: FindingKind,
    /// What is the matter, in one sentence.
    pub sentence: String,
    /// What to do about it.
    pub advice: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.sentence, self.advice)
    }
}

/// Looks an identity over. `roots` are the authorities that are configured beside it, `now` is the time of day. The
/// worst finding comes first; an empty list is a good identity. Signatures are not verified: the server does that.
#[must_use]
pub fn check(material: &KeyMaterial, roots: &[CertificateDer<'_>], now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (place, certificate) in material.chain.iter().enumerate() {
        let owner = if place == 0 { "the client certificate" } else { "the intermediate certificate" };
        match Facts::read(certificate) {
            Ok(facts) => findings.extend(check_validity(owner, &facts, now)),
            Err(_) => findings.push(Finding {
                severity: Severity::Error,
                kind: FindingKind::Unreadable,
                sentence: format!("{owner} cannot be read"),
                advice: "restore the identity file from a backup",
            }),
        }
    }
    findings.extend(check_key(material));
    if let Some(Ok(facts)) = material.chain.first().map(Facts::read) {
        findings.extend(check_issuer(material, roots, &facts));
        findings.extend(check_name(&facts));
    }
    findings.extend(check_generation(material));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

fn check_validity(owner: &str, facts: &Facts, now: Timestamp) -> Option<Finding> {
    const RENEW: &str = "ask the NHS for a new certificate now: it takes about five working days";
    let name = named(facts.subject_cn.as_deref());
    let left = facts.not_after.as_second().saturating_sub(now.as_second());
    let (severity, kind, sentence, advice) = if now < facts.not_before {
        (
            Severity::Error,
            FindingKind::NotYetValid,
            format!("{owner} of {name} is not valid before {}", facts.not_before),
            "check this machine's clock, or wait",
        )
    } else if left < 0 {
        (
            Severity::Error,
            FindingKind::Expired,
            format!("{owner} of {name} expired on {}", facts.not_after),
            RENEW,
        )
    } else if left / DAY_SECONDS < EXPIRY_WARNING_DAYS {
        let days = match left / DAY_SECONDS {
            0 => "less than a day".to_owned(),
            1 => "1 day".to_owned(),
            more => format!("{more} days"),
        };
        (
            Severity::Warning,
            FindingKind::ExpiresSoon,
            format!("{owner} of {name} expires in {days}, on {}", facts.not_after),
            RENEW,
        )
    } else {
        return None;
    };
    Some(Finding { severity, kind, sentence, advice })
}

fn check_key(material: &KeyMaterial) -> Option<Finding> {
    let (kind, sentence, advice) = match certified_key(material) {
        Ok(_) => return None,
        Err(KeystoreError::KeyMismatch) => (
            FindingKind::KeyMismatch,
            "the private key does not belong to the client certificate".to_owned(),
            "use the key that the certificate request was made with, or ask for a certificate with a new request",
        ),
        Err(other) => (
            FindingKind::KeyUnusable,
            other.to_string(),
            "make a new key and certificate request: openssl req -new -newkey rsa:2048",
        ),
    };
    Some(Finding { severity: Severity::Error, kind, sentence, advice })
}

fn check_issuer(material: &KeyMaterial, roots: &[CertificateDer<'_>], leaf: &Facts) -> Option<Finding> {
    let parsed = material.chain.first().and_then(facts::parse)?;
    let wanted = parsed.issuer().as_raw();
    let is_wanted =
        |der: &CertificateDer<'_>| facts::parse(der).is_some_and(|one| one.subject().as_raw() == wanted);
    // Only what is sent counts, and what the server surely has: its roots. An authority in our own store that is no
    // part of the chain is a root too, because intermediates were taken into the chain.
    let known =
        material.chain.iter().chain(&material.authorities).any(is_wanted) || roots.iter().any(is_wanted);
    (!known).then(|| Finding {
        severity: Severity::Warning,
        kind: FindingKind::IntermediateMissing,
        sentence: format!(
            "the client certificate was signed by {}, whose certificate is in neither the chain nor the roots",
            named(leaf.issuer_cn.as_deref())
        ),
        advice: "add that intermediate behind the client certificate: MESH may not find it otherwise",
    })
}

fn check_name(leaf: &Facts) -> Option<Finding> {
    if leaf.subject_cn.as_deref().is_some_and(is_mesh_name) {
        return None;
    }
    Some(Finding {
        severity: Severity::Hint,
        kind: FindingKind::NotAMeshName,
        sentence: format!(
            "the client certificate is for {}, which is not of the form \
             <local_id>.<ods_code>.api.mesh-client.nhs.uk",
            named(leaf.subject_cn.as_deref())
        ),
        advice: "this is right for a Spine endpoint certificate over HSCN; over the internet use a MESH certificate",
    })
}

/// `<local_id>.<ods_code>.api.mesh-client.nhs.uk` (`mesh-api.md` 1.2). The local id may be a server's full name.
fn is_mesh_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let Some((local_id, ods_code)) = name.strip_suffix(CN_SUFFIX).and_then(|front| front.rsplit_once('.'))
    else {
        return false;
    };
    !local_id.split('.').any(str::is_empty)
        && !ods_code.is_empty()
        && ods_code.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn check_generation(material: &KeyMaterial) -> Option<Finding> {
    let issuer = material
        .chain
        .iter()
        .filter_map(|certificate| Facts::read(certificate).ok()?.issuer_cn)
        .find(|issuer| RETIRED.contains(&issuer.as_str()))?;
    Some(Finding {
        severity: Severity::Warning,
        kind: FindingKind::RetiredAuthority,
        sentence: format!(
            "the chain leads to {issuer}, a first-generation (G1) authority that the NHS retired in 2024"
        ),
        advice: "ask for a certificate of the second generation (G2)",
    })
}

fn named(name: Option<&str>) -> &str {
    name.unwrap_or("(no common name)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tests::fixture;
    use crate::{read_authorities, read_pem};
    use jiff::ToSpan;

    fn material(names: &[&str], key: &str) -> KeyMaterial {
        let pem: Vec<u8> = names.iter().flat_map(|name| fixture(name)).collect();
        read_pem(&pem, &fixture(key), None).unwrap()
    }

    fn whole() -> KeyMaterial {
        material(&["ec.pem", "intermediate.pem"], "ec-pkcs8.pem")
    }

    /// A moment in the fixtures' lives.
    fn noon() -> Timestamp {
        Facts::read(&whole().chain[0]).unwrap().not_before + (24 * 365).hours()
    }

    fn kinds(findings: &[Finding]) -> Vec<(Severity, FindingKind)> {
        findings.iter().map(|finding| (finding.severity, finding.kind)).collect()
    }

    #[test]
    fn a_good_identity_has_no_findings() {
        assert_eq!(check(&whole(), &[], noon()), []);
    }

    #[test]
    fn validity_is_told_in_days() {
        let leaf = Facts::read(&whole().chain[0]).unwrap();
        let at = |moment| check(&whole(), &[], moment);
        let early = at(leaf.not_before - 1.hour());
        // The intermediate is as young.
        assert_eq!(kinds(&early)[0], (Severity::Error, FindingKind::NotYetValid));
        let soon = at(leaf.not_after - (24 * 10 + 1).hours());
        assert_eq!(kinds(&soon)[0], (Severity::Warning, FindingKind::ExpiresSoon));
        assert!(soon.iter().any(|finding| finding.sentence.contains("expires in 10 days")), "{soon:?}");
        let edge = at(leaf.not_after - (24 * 62).hours());
        assert_eq!(edge, []);
        let last = at(leaf.not_after);
        assert!(last.iter().any(|finding| finding.sentence.contains("less than a day")), "{last:?}");
        let late = at(leaf.not_after + 1.second());
        assert_eq!(kinds(&late)[0], (Severity::Error, FindingKind::Expired));
        assert!(late[0].to_string().contains("ask the NHS"));
    }

    #[test]
    fn a_foreign_key_is_an_error() {
        let found = check(&material(&["rsa.pem", "intermediate.pem"], "ec-pkcs8.pem"), &[], noon());
        assert_eq!(kinds(&found), [(Severity::Error, FindingKind::KeyMismatch)]);
        let mut broken = whole();
        let none = rustls::pki_types::PrivatePkcs8KeyDer::from(vec![0x30, 0]);
        broken.key = rustls::pki_types::PrivateKeyDer::from(none).into();
        assert_eq!(kinds(&check(&broken, &[], noon())), [(Severity::Error, FindingKind::KeyUnusable)]);
    }

    #[test]
    fn a_missing_intermediate_is_named() {
        let alone = material(&["ec.pem"], "ec-pkcs8.pem");
        let found = check(&alone, &read_authorities(&fixture("root.pem"), None).unwrap(), noon());
        assert_eq!(kinds(&found), [(Severity::Warning, FindingKind::IntermediateMissing)]);
        assert!(found[0].sentence.contains("NHS Test Authentication G2"), "{}", found[0].sentence);
        let roots = read_authorities(&fixture("intermediate.pem"), None).unwrap();
        assert_eq!(check(&alone, &roots, noon()), []);
    }

    #[test]
    fn a_retired_authority_and_a_foreign_name_are_told() {
        let found = check(&material(&["old.pem", "retired.pem"], "old-pkcs8.pem"), &[], noon());
        assert_eq!(
            kinds(&found),
            [(Severity::Warning, FindingKind::RetiredAuthority), (Severity::Hint, FindingKind::NotAMeshName)]
        );
        assert!(found[0].sentence.contains("NHS INT Level 1C"));
    }

    #[test]
    fn mesh_names_are_known() {
        for name in [
            "MAILHOST7.Y99.api.mesh-client.nhs.uk",
            "x26ex001.x26.API.mesh-client.nhs.uk",
            "host.example.org.RAX01.api.mesh-client.nhs.uk",
        ] {
            assert!(is_mesh_name(name), "{name}");
        }
        for name in [
            "api.mesh-client.nhs.uk",
            "Y99.api.mesh-client.nhs.uk",
            ".Y99.api.mesh-client.nhs.uk",
            "a..api.mesh-client.nhs.uk",
            "a.Y-9.api.mesh-client.nhs.uk",
            "a.Y99.api.mesh-client.nhs.uk.example.org",
        ] {
            assert!(!is_mesh_name(name), "{name}");
        }
    }
}
