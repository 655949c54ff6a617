//! What a browser is told, and what of it is believed.

use super::*;

#[tokio::test]
async fn every_answer_tells_the_browser_what_it_may_do() {
    let house = House::new();
    for path in ["/", "/sign-in", "/nowhere", "/v1/messages", "/broken", "/payload"] {
        let told = house.get(path, &[]).await;
        let policy = told.header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(policy.contains("form-action 'self';"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("x-frame-options", "DENY"),
            ("strict-transport-security", ""),
        ] {
            assert_eq!(told.header(name), value, "{path} {name}");
        }
        assert!(told.header("permissions-policy").contains("camera=()"));
    }
    let other_host = house.get("/", &[("host", "evil.example")]).await;
    assert_eq!(other_host.header("x-content-type-options"), "nosniff");
    assert_eq!(house.get("/style.css", &[]).await.header("cache-control"), "max-age=60");
}

#[tokio::test]
async fn over_tls_browsers_are_told_to_stay_there() {
    let public_url = Some("https://relay.example".parse().expect("a url"));
    let house = House::with(AccessConfig { public_url, read_without_sign_in: false, tls: true, ..config() });
    let told = house.get("/sign-in", &[("host", "relay.example")]).await;
    assert_eq!(told.header("strict-transport-security"), "max-age=31536000");
    let cookie = told.cookie("form");
    assert!(cookie.starts_with("__Host-mesh-relay-form="), "{cookie}");
    assert!(told.header("set-cookie").ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"));
    let local = house.get("/sign-in", &[]).await;
    assert_eq!(local.header("strict-transport-security"), "", "not for all that localhost is");
}

#[tokio::test]
async fn a_name_that_was_made_to_resolve_here_is_refused() {
    let house = House::new();
    let cookie = house.sign_in("olive").await;
    for host in ["evil.example:8710", "evil.example", "localhost:80", "127.0.0.1.nip.example:8710"] {
        house.get("/", &[("host", host), ("cookie", &cookie)]).await.is_problem(421, "other-host");
    }
}

#[tokio::test]
async fn another_site_changes_nothing_whatever_it_shows() {
    let house = House::new();
    let cookie = house.sign_in("olive").await;
    let (csrf, bearer) = (house.csrf(&cookie).await, format!("Bearer {}", token("olive")));
    for by in [("cookie", cookie.as_str()), ("authorization", bearer.as_str())] {
        for from in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:9999"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let form = format!("note=x&csrf={csrf}");
            let told = house.post("/park", &[by, from, ("x-csrf-token", &csrf)], &form).await;
            told.is_problem(403, "cross-site");
        }
        let own = ("origin", "http://localhost:8710");
        let told = house.post("/park", &[by, own], &format!("note=x&csrf={csrf}")).await;
        assert_eq!(told.text, "olive: x");
    }
}

#[tokio::test]
async fn a_handler_that_fails_tells_nothing() {
    let told = House::new().get("/broken", &[]).await;
    told.is_problem(500, "internal");
    assert!(!told.text.contains("canary"));
}
