//! Who signed in, from what the provider says of them.

use relay_core::Role;
use serde_json::Value;

use crate::access::config::OpenIdConfig;

/// Most levels of tables and lists that are looked into.
const DEPTH_MAX: usize = 8;

/// Somebody whom the provider knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Their name.
    pub(crate) name: String,
    /// Their role, if they have one here.
    pub(crate) role: Option<Role>,
}

impl Identity {
    /// Who the claims are about. Operator, if both roles fit.
    pub(crate) fn of(claims: &Value, config: &OpenIdConfig) -> Self {
        let values = texts_at(claims, &config.roles_claim);
        let holds =
            |wanted: &[String]| values.iter().any(|value| wanted.iter().any(|wanted| wanted == value));
        let role = match () {
            () if holds(&config.operators) => Some(Role::Operator),
            () if holds(&config.viewers) => Some(Role::Viewer),
            () => None,
        };
        let named = [name_claim(config), "sub"]
            .iter()
            .find_map(|claim| texts_at(claims, claim).into_iter().find(|name| !name.trim().is_empty()));
        Self { name: named.unwrap_or_default().to_owned(), role }
    }
}

fn name_claim(config: &OpenIdConfig) -> &str {
    config.name_claim.as_deref().unwrap_or("preferred_username")
}

/// Whether the claims hold both roles and a name.
pub(crate) fn is_told(claims: &Value, config: &OpenIdConfig) -> bool {
    [config.roles_claim.as_str(), name_claim(config)].iter().all(|path| !texts_at(claims, path).is_empty())
}

/// All texts at a path with dots. Names with dots in them are looked for as they are first.
fn texts_at<'a>(claims: &'a Value, path: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    match claims.get(path) {
        Some(value) => collect(value, "", DEPTH_MAX, &mut found),
        None => collect(claims, path, DEPTH_MAX, &mut found),
    }
    found
}

fn collect<'a>(value: &'a Value, path: &str, depth: usize, found: &mut Vec<&'a str>) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, path, depth, found)),
        Value::Object(fields) if !path.is_empty() => {
            let (first, rest) = path.split_once('.').unwrap_or((path, ""));
            if let Some(value) = fields.get(first) {
                collect(value, rest, depth, found);
            }
        }
        Value::String(text) if path.is_empty() => found.push(text),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn identity(roles_claim: &str, claims: &Value) -> Identity {
        let config = OpenIdConfig {
            issuer: "https://id.example".to_owned(),
            client_id: "relay".to_owned(),
            client_secret: None,
            scopes: Vec::new(),
            roles_claim: roles_claim.to_owned(),
            operators: vec!["op".to_owned()],
            viewers: vec!["view".to_owned(), "look".to_owned()],
            name_claim: None,
            roots: None,
        };
        Identity::of(claims, &config)
    }

    #[test]
    fn roles_are_found_wherever_providers_put_them() {
        for (path, claims, role) in [
            ("roles", json!({"roles": ["op"]}), Some(Role::Operator)),
            ("roles", json!({"roles": "look"}), Some(Role::Viewer)),
            ("roles", json!({"roles": ["view", "op"]}), Some(Role::Operator)),
            ("roles", json!({"roles": ["operator", "OP", "view "]}), None),
            ("roles", json!({"roles": [{"op": "op"}]}), None),
            ("roles", json!({"roles": {"op": true}}), None),
            ("roles", json!({"role": "op"}), None),
            ("realm.roles", json!({"realm": {"roles": ["view"]}}), Some(Role::Viewer)),
            ("a.b.code", json!({"a": [{"b": [{"code": "x"}, {"code": "op"}]}]}), Some(Role::Operator)),
            ("https://example/roles", json!({"https://example/roles": ["op"]}), Some(Role::Operator)),
            ("roles", json!({"roles": [[[[[[[[["op"]]]]]]]]]}), None),
        ] {
            assert_eq!(identity(path, &claims).role, role, "{path} {claims}");
        }
    }

    #[test]
    fn somebody_goes_by_their_login_or_by_what_the_provider_calls_them() {
        assert_eq!(identity("roles", &json!({"preferred_username": "jo", "sub": "7"})).name, "jo");
        assert_eq!(identity("roles", &json!({"preferred_username": " ", "sub": "7"})).name, "7");
        assert_eq!(identity("roles", &json!({"sub": "7"})).name, "7");
    }
}
