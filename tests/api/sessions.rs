//! People's sessions, forged forms and names that are not the console's.

use serde_json::{Value, json};

use crate::caller::Caller;
use crate::scene::{OPERATOR, Running, Scene, VIEWER, token};

/// What a browser holds after sign-in.
struct Session {
    cookie: String,
    csrf: String,
}

/// The cookie that an answer sets, by a part of its name.
fn cookie(answer: &crate::caller::Answer, name: &str) -> String {
    let set = answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    let set = set.filter_map(|value| value.split(';').next()).find(|value| value.contains(name));
    set.unwrap_or_else(|| panic!("no cookie {name}: {:?}", answer.headers)).to_owned()
}

/// The value of the hidden field that shows where a form comes from.
fn csrf(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a form");
    rest.split('"').next().expect("a value").to_owned()
}

async fn sign_in(running: &Running, name: &str) -> Session {
    let nobody = running.nobody();
    let page = nobody.get("/sign-in").await;
    let form = cookie(&page, "form");
    let body = format!("csrf={}&token={}&next=/", csrf(&page.text()), token(name));
    let headers = [("cookie", form.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let answer = nobody.call("POST", "/sign-in", &headers, body).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    let cookie = cookie(&answer, "session");
    let page = nobody.clone().with("cookie", &cookie).get("/").await;
    Session { cookie, csrf: csrf(&page.text()) }
}

impl Session {
    fn caller(&self, running: &Running) -> Caller {
        running.nobody().with("cookie", &self.cookie)
    }

    /// Pauses a mailbox with this as the sign that it comes from a page.
    async fn pause(
        &self,
        running: &Running,
        csrf: Option<&str>,
        more: &[(&str, &str)],
    ) -> crate::caller::Answer {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(csrf.map(|csrf| ("x-csrf-token", csrf)));
        headers.extend(more);
        self.caller(running).call("POST", "/v1/mailboxes/X26ABC1/pause", &headers, "{}").await
    }
}

async fn is_paused(running: &Running) -> bool {
    let mailboxes = running.nobody().ask("/v1/mailboxes").await;
    mailboxes["mailboxes"][0]["paused"] != Value::Null
}

#[tokio::test]
async fn nothing_of_one_session_serves_another() {
    let (_scene, running) = Scene::running().await;
    let (olive, vic) = (sign_in(&running, OPERATOR).await, sign_in(&running, VIEWER).await);
    let again = sign_in(&running, OPERATOR).await;
    assert_ne!(olive.cookie, vic.cookie);
    assert!(olive.csrf != vic.csrf && olive.csrf != again.csrf, "each has its own");
    // Neither the viewer's sign with the operator's cookie, nor the other way, nor that of the same person elsewhere.
    olive.pause(&running, Some(&vic.csrf), &[]).await.refused(403, "forged-form");
    olive.pause(&running, Some(&again.csrf), &[]).await.refused(403, "forged-form");
    vic.pause(&running, Some(&olive.csrf), &[]).await.refused(403, "forged-form");
    vic.pause(&running, Some(&vic.csrf), &[]).await.refused(403, "not-allowed");
    assert!(!is_paused(&running).await && running.deeds("pause").await.is_empty(), "nothing was done");
    let page = vic.caller(&running).get("/").await.text();
    assert!(page.contains(VIEWER) && !page.contains(OPERATOR), "each page says who looks at it");
    let page = olive.caller(&running).get("/").await;
    assert!(page.text().contains(OPERATOR) && !page.text().contains(VIEWER));
    assert_eq!(page.header("cache-control"), "no-store", "nor does a cache keep it for another");

    olive.pause(&running, Some(&olive.csrf), &[]).await.good(200);
    assert!(is_paused(&running).await);
    assert_eq!(running.deeds("pause").await[0]["who"], OPERATOR);
    // One signs out, and only that one is out.
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let out =
        olive.caller(&running).call("POST", "/sign-out", &headers, format!("csrf={}", olive.csrf)).await;
    assert_eq!(out.status, 303);
    olive.caller(&running).get("/v1/deeds").await.refused(401, "sign-in-needed");
    assert_eq!(again.caller(&running).get("/v1/deeds").await.status, 200);
    running.ends_well().await;
}

#[tokio::test]
async fn a_forged_form_does_nothing() {
    let (_scene, running) = Scene::running().await;
    let olive = sign_in(&running, OPERATOR).await;
    let own = format!("http://{}", running.address);
    olive.pause(&running, None, &[]).await.refused(403, "forged-form");
    olive.pause(&running, Some(""), &[]).await.refused(403, "forged-form");
    olive.pause(&running, Some("00000000000000000000000000000000"), &[]).await.refused(403, "forged-form");
    for more in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:1"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        olive.pause(&running, Some(&olive.csrf), &[more]).await.refused(403, "cross-site");
    }
    // A form without a script, as another site would have a browser send it.
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let answer =
        olive.caller(&running).call("POST", "/v1/mailboxes/X26ABC1/pause", &headers, "reason=x").await;
    answer.refused(403, "forged-form");
    let answer = olive.caller(&running).call("POST", "/mailboxes/X26ABC1/pause", &headers, "reason=x").await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    // Nor does a token help a page elsewhere.
    let headers = [("content-type", "application/json"), ("origin", "http://evil.example")];
    let answer = running.operator().call("POST", "/v1/mailboxes/X26ABC1/pause", &headers, "{}").await;
    answer.refused(403, "cross-site");
    assert!(!is_paused(&running).await && running.deeds("pause").await.is_empty(), "nothing was done");
    olive.pause(&running, Some(&olive.csrf), &[("origin", &own)]).await.good(200);
    running.ends_well().await;
}

#[tokio::test]
async fn a_name_that_is_not_the_consoles_is_refused() {
    let (_scene, running) = Scene::running().await;
    let port = running.address.port();
    for host in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        "127.0.0.1".to_owned(),
        format!("x@127.0.0.1:{port}"),
    ] {
        for path in ["/v1/overview", "/", "/openapi.json", "/sign-in"] {
            let answer = running.nobody().call("GET", path, &[("host", &host)], "").await;
            answer.refused(421, "other-host");
        }
        let headers = [("host", host.as_str()), ("content-type", "application/json")];
        let answer = running.operator().call("POST", "/v1/mailboxes/X26ABC1/pause", &headers, "{}").await;
        answer.refused(421, "other-host");
    }
    let headers = [("host", &*format!("localhost:{port}"))];
    assert_eq!(running.nobody().call("GET", "/v1/overview", &headers, "").await.status, 200);
    assert!(!is_paused(&running).await);
    running.ends_well().await;
}

#[tokio::test]
async fn wrong_credentials_are_never_taken_for_none() {
    let (_scene, running) = Scene::running().await;
    assert_eq!(running.nobody().get("/v1/overview").await.status, 200, "who shows none may look");
    let right = token(OPERATOR);
    for wrong in [
        "Bearer not-a-token-of-anybody-here-0123456789".to_owned(),
        format!("Bearer {}x", right),
        format!("Bearer {}", &right[..right.len() - 1]),
        "Bearer ".to_owned(),
        "Bearer".to_owned(),
        format!("Basic {right}"),
        right.clone(),
    ] {
        let caller = running.nobody().with("authorization", &wrong);
        for path in ["/v1/overview", "/openapi.json"] {
            let answer = caller.get(path).await;
            assert!([401, 429].contains(&answer.status), "{wrong}: {}", answer.status);
            if answer.status == 401 {
                answer.refused(401, "sign-in-needed");
                assert!(answer.header("www-authenticate").starts_with("Bearer"));
            }
        }
    }
    let twice = running.operator().with("authorization", &format!("Bearer {right}"));
    twice.get("/v1/overview").await.refused(401, "sign-in-needed");
    // However often others guess, who has the right one is let in.
    for _ in 0..20 {
        let answer =
            running.nobody().with_token("another-guess-of-thirty-two-characters").get("/v1/overview").await;
        assert!([401, 429].contains(&answer.status));
    }
    assert_eq!(running.operator().get("/v1/deeds").await.status, 200);
    assert!(!running.deeds("sign-in-refused").await.is_empty(), "it is recorded");
    assert!(running.deeds("sign-in-refused").await.len() <= 20, "and not without bound");
    running.ends_well().await;
}

#[tokio::test]
async fn who_only_looks_or_sends_may_do_nothing_else() {
    let (_scene, running) = Scene::running().await;
    let id = "00000000-0000-0000-0000-000000000000";
    let acts = [
        "/v1/mailboxes/X26ABC1/pause".to_owned(),
        "/v1/mailboxes/X26ABC1/resume".to_owned(),
        "/v1/adapters/bob/pause".to_owned(),
        "/v1/adapters/bob/resume".to_owned(),
        format!("/v1/messages/{id}/park"),
        "/v1/mailboxes/X26ABC1/inbox/20200101000000000000_0A1B2C/acknowledge".to_owned(),
    ];
    for path in &acts {
        running.as_(VIEWER).post(path, &json!({})).await.refused(403, "not-allowed");
        running.as_(crate::scene::SENDER).post(path, &json!({})).await.refused(403, "not-allowed");
        running.nobody().post(path, &json!({})).await.refused(401, "sign-in-needed");
    }
    for path in
        ["/v1/overview", "/v1/messages", "/v1/mailboxes", "/v1/adapters", "/v1/reports/partners", "/v1/deeds"]
    {
        running.as_(crate::scene::SENDER).get(path).await.refused(403, "not-allowed");
    }
    let send = |caller: Caller| async move {
        caller.call("POST", "/v1/messages", &[("idempotency-key", "1")], "x").await
    };
    send(running.as_(VIEWER)).await.refused(403, "not-allowed");
    send(running.nobody()).await.refused(401, "sign-in-needed");
    assert!(!is_paused(&running).await && running.deeds("pause").await.is_empty());
    running.ends_well().await;
}
