//! `[console.openid]`: the provider at which people sign in.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::environment::{host, is_loopback};
use crate::fault::Faults;
use crate::secret::SecretRef;
use crate::section::Section;

/// `[console.openid]`: an OpenID Connect provider, such as NHS care identity or the organisation's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenIdSection {
    /// `issuer`: the provider's address, exactly as it names itself. Required; `https`, or `http` on loopback.
    pub issuer: String,
    /// `client_id`: how it knows the relay. Required.
    pub client_id: String,
    /// `client_secret`: what it gave with it; none for a public client.
    pub client_secret: Option<SecretRef>,
    /// `scopes`: what to ask for beside `openid`. Default `["profile"]`.
    pub scopes: Vec<String>,
    /// `roles_claim`: the claim that holds roles, or a path with dots into it. Default `roles`.
    pub roles_claim: String,
    /// `operators`: its values that make an operator. With `viewers`, at least one.
    pub operators: Vec<String>,
    /// `viewers`: its values that make a viewer.
    pub viewers: Vec<String>,
    /// `name_claim`: the claim with the name under which deeds are recorded. Default `preferred_username`, then `sub`.
    pub name_claim: Option<String>,
    /// `roots`: whose certificates to trust (PEM). Required over `https`. Relative to the folder of the configuration
    /// file.
    pub roots: Option<PathBuf>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct OpenIdEntries {
    /// The provider's address, exactly as it names itself. Required; `https`, or `http` on loopback.
    #[schemars(required)]
    issuer: Option<String>,
    /// How it knows the relay. Required.
    #[schemars(required)]
    client_id: Option<String>,
    /// What it gave with it; none for a public client.
    client_secret: Option<SecretRef>,
    /// What to ask for beside `openid`. Default `["profile"]`.
    #[schemars(extend("default" = serde_json::json!(["profile"])))]
    scopes: Option<Vec<String>>,
    /// The claim that holds roles, or a path with dots into it. Default `roles`.
    #[schemars(extend("default" = "roles"))]
    roles_claim: Option<String>,
    /// Its values that make an operator. With `viewers`, at least one.
    operators: Option<Vec<String>>,
    /// Its values that make a viewer.
    viewers: Option<Vec<String>>,
    /// The claim with the name under which deeds are recorded. Default `preferred_username`, then `sub`.
    name_claim: Option<String>,
    /// Whose certificates to trust (PEM). Required over `https`. Relative to the folder of the configuration file.
    roots: Option<PathBuf>,
}

/// Whether a text may be an issuer: an address without login, query and fragment.
fn is_issuer(issuer: &str) -> bool {
    let rest = issuer.strip_prefix("https://");
    let rest =
        rest.or_else(|| issuer.strip_prefix("http://").filter(|_| is_loopback(host(issuer_host(issuer)))));
    rest.is_some_and(|rest| {
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | '?' | '#' | '\\');
        !rest.is_empty() && !rest.starts_with(['/', ':']) && !rest.contains(odd)
    })
}

/// The address up to its path.
fn issuer_host(issuer: &str) -> &str {
    let start = issuer.find("://").map_or(0, |at| at + 3);
    issuer[start..].find('/').map_or(issuer, |end| &issuer[..start + end])
}

impl OpenIdEntries {
    /// `leads_back`: whether the provider can lead people back, because the console's address is known.
    pub(crate) fn read(
        self,
        section: &Section,
        leads_back: bool,
        faults: &mut Faults,
    ) -> Option<OpenIdSection> {
        let hint = "such as issuer = \"https://id.example.nhs.uk/realms/staff\", exactly as the provider names itself";
        let issuer = section.require("openid.issuer", self.issuer, hint, faults);
        let client_id = section.require(
            "openid.client_id",
            self.client_id,
            "such as client_id = \"mesh-relay\": the provider gives it",
            faults,
        );
        let mut fault = |key: &str, message: &str, hint: &str| {
            faults.push(section.fault(Some(key), message, hint));
        };
        if issuer.as_deref().is_some_and(|issuer| !is_issuer(issuer)) {
            fault("openid.issuer", "`issuer` is not an https address (http on loopback alone)", hint);
        }
        if issuer.as_deref().is_some_and(|issuer| issuer.starts_with("https://")) && self.roots.is_none() {
            let hint = "such as roots = \"/etc/ssl/certs/ca-certificates.crt\", what a Debian system trusts";
            fault("openid", "missing key `roots` in `openid`", hint);
        }
        let (operators, viewers) = (self.operators.unwrap_or_default(), self.viewers.unwrap_or_default());
        if operators.is_empty() && viewers.is_empty() {
            let hint = "such as operators = [\"mesh-operators\"]: values of the roles claim";
            fault("openid", "neither `operators` nor `viewers` names a role; nobody could sign in", hint);
        }
        if operators.iter().any(|role| viewers.contains(role)) {
            let hint = "an operator may look, too: leave it out of `viewers`";
            fault("openid.viewers", "`operators` and `viewers` name the same role", hint);
        }
        for (key, claim) in [("roles_claim", &self.roles_claim), ("name_claim", &self.name_claim)] {
            if claim.as_deref().is_some_and(|claim| claim.trim().is_empty()) {
                fault(&format!("openid.{key}"), &format!("`{key}` is empty"), "leave it out for the default");
            }
        }
        if !leads_back {
            let hint =
                "such as public_url = \"https://relay.example.nhs.uk\": the provider leads people back there";
            fault("openid", "beyond loopback `openid` needs a `public_url`", hint);
        }
        Some(OpenIdSection {
            issuer: issuer?,
            client_id: client_id?,
            client_secret: self.client_secret,
            scopes: self.scopes.unwrap_or_else(|| vec!["profile".to_owned()]),
            roles_claim: self.roles_claim.unwrap_or_else(|| "roles".to_owned()),
            operators,
            viewers,
            name_claim: self.name_claim,
            roots: self.roots.map(|roots| section.file(roots)),
        })
    }
}
