//! Who may look, act and send.

use super::*;

fn bearer(name: &str) -> String {
    format!("Bearer {}", token(name))
}

#[tokio::test]
async fn each_role_may_do_its_own_and_no_more() {
    let house = House::signed_in_only();
    for (method, path, may) in [
        ("GET", "/v1/messages", ["olive", "vera", ""]),
        ("GET", "/payload", ["olive", "", ""]),
        ("POST", "/v1/park", ["olive", "", ""]),
        ("POST", "/v1/messages", ["olive", "", "engine"]),
    ] {
        for name in ["olive", "vera", "engine"] {
            let told = house.send(request(method, path, &[("authorization", &bearer(name))], "")).await;
            if may.contains(&name) {
                assert_eq!((told.status, told.text.as_str()), (StatusCode::OK, name), "{method} {path}");
            } else {
                assert_eq!(told.status, StatusCode::FORBIDDEN, "{method} {path} {name}");
                assert!(told.text.contains("may not do this"), "{}", told.text);
            }
        }
    }
    let page = house.get("/payload", &[("authorization", &bearer("vera"))]).await;
    assert!(page.header("content-type").starts_with("text/html"));
    let api = house.send(request("POST", "/v1/park", &[("authorization", &bearer("vera"))], "")).await;
    api.is_problem(403, "not-allowed");
}

#[tokio::test]
async fn a_wrong_token_is_refused_where_nobody_would_be_let_in() {
    let house = House::new();
    assert_eq!(house.get("/v1/messages", &[]).await.text, "(this machine)");
    let cookie = house.sign_in("olive").await;
    for wrong in ["Bearer wrong", "Bearer", "Basic b2xpdmU6", "Bearer  ", &format!("{}x", bearer("olive"))] {
        for path in ["/v1/messages", "/", "/style.css"] {
            let told = house.get(path, &[("authorization", wrong), ("cookie", &cookie)]).await;
            if told.status != StatusCode::TOO_MANY_REQUESTS {
                told.is_problem(401, "sign-in-needed");
                assert!(told.header("www-authenticate").starts_with("Bearer"));
            }
        }
    }
    let twice = [("authorization", bearer("olive")), ("authorization", bearer("olive"))];
    let twice = twice.each_ref().map(|(name, value)| (*name, value.as_str()));
    house.get("/", &twice).await.is_problem(401, "sign-in-needed");
}

#[tokio::test(start_paused = true)]
async fn guesses_are_bounded_and_those_who_know_a_token_are_not_shut_out() {
    let house = House::new();
    let guess = async || house.get("/v1/messages", &[("authorization", "Bearer guess")]).await;
    for _ in 0..FAILURES_PER_PEER_MAX {
        guess().await.is_problem(401, "sign-in-needed");
    }
    let told = guess().await;
    told.is_problem(429, "too-many-failures");
    assert_eq!(told.header("retry-after"), "61");
    let refused = (DeedKind::SignInRefused, "(unknown)".to_owned());
    assert_eq!(
        house.record.kinds(),
        vec![refused; FAILURES_PER_PEER_MAX],
        "no record of what is over the bound"
    );
    assert!(!format!("{:?}", house.record.deeds).contains("guess"));
    assert_eq!(house.get("/v1/messages", &[("authorization", &bearer("vera"))]).await.text, "vera");
}

#[tokio::test]
async fn nobody_may_look_from_elsewhere_or_through_something_that_listens_elsewhere() {
    let house = House::new();
    assert_eq!(house.get("/v1/messages", &[]).await.status, StatusCode::OK);
    for name in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
        let told = house.get("/v1/messages", &[(name, "10.0.0.9")]).await;
        told.is_problem(401, "sign-in-needed");
    }
    let mut from_elsewhere = request("GET", "/v1/messages", &[], "");
    let end = |last, port| ([10, 0, 0, last], port).into();
    from_elsewhere.extensions_mut().insert(Connection { peer: end(9, 5000), local: end(1, 8710) });
    house.send(from_elsewhere).await.is_problem(401, "sign-in-needed");
    let acting = house.send(request("POST", "/v1/park", &[], "")).await;
    acting.is_problem(401, "sign-in-needed");
    let page = house.get("/payload?x=1&y=%2F", &[]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(page.header("location"), "/sign-in?next=%2Fpayload%3Fx%3D1%26y%3D%252F");
    let form = house.post("/park", &[], "note=x").await;
    assert_eq!((form.status, form.header("location")), (StatusCode::SEE_OTHER, "/sign-in"));
}

#[tokio::test]
async fn a_relay_without_sign_in_says_so() {
    let house = House::with(AccessConfig { tokens: Vec::new(), ..config() });
    assert_eq!(house.get("/", &[]).await.status, StatusCode::OK);
    house.send(request("POST", "/v1/park", &[], "")).await.is_problem(403, "not-allowed");
    let page = house.get("/payload", &[]).await;
    assert!(page.status == StatusCode::FORBIDDEN && page.text.contains("[console]"), "{}", page.text);
    assert!(house.get("/sign-in", &[]).await.text.contains("no sign-in"));
}

#[tokio::test]
async fn a_route_that_is_not_protected_lets_nobody_in() {
    let bare = Router::new().route("/", get(async |_: Looker| ""));
    let response = bare.oneshot(request("GET", "/", &[], "")).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[test]
fn what_cannot_be_is_not_configured() {
    let new = |config: AccessConfig| {
        let clock = Arc::new(Standing(Mutex::new(Timestamp::UNIX_EPOCH)));
        Access::new(config, Arc::new(Record::default()), clock).map(|_| ()).expect_err("a fault")
    };
    let token = |name: &str, secret: &str| StaticToken {
        name: name.to_owned(),
        role: Role::Viewer,
        secret: SecretString::from(secret.to_owned()),
    };
    let tokens = |tokens: &[StaticToken]| new(AccessConfig { tokens: tokens.to_vec(), ..config() });
    let (one, other) = ("a".repeat(32), "b".repeat(32));
    assert!(matches!(tokens(&[token("x", &"a".repeat(31))]), AccessError::TokenShort { .. }));
    assert!(matches!(tokens(&[token("x", &" ".repeat(32))]), AccessError::TokenCharacters { .. }));
    assert!(matches!(tokens(&[token("(x)", &one)]), AccessError::TokenName));
    assert!(matches!(tokens(&[token("x", &one), token("x", &other)]), AccessError::TokenNameTwice { .. }));
    assert!(matches!(tokens(&[token("x", &one), token("y", &one)]), AccessError::TokenTwice { .. }));
    let beyond = AccessConfig { listen: "10.0.0.1:8710".parse().expect("an address"), tls: true, ..config() };
    assert!(matches!(new(beyond.clone()), AccessError::OpenBeyondLoopback));
    let nobody = AccessConfig { read_without_sign_in: false, tokens: Vec::new(), ..beyond };
    assert!(matches!(new(nobody), AccessError::NobodyCanSignIn));
    let public = |url: &str, open| AccessConfig {
        public_url: Some(url.parse().expect("a url")),
        read_without_sign_in: open,
        ..config()
    };
    assert!(matches!(new(public("https://relay.example", true)), AccessError::OpenBeyondLoopback));
    for url in
        ["http://relay.example", "https://relay.example/x", "https://u:p@relay.example", "ftp://localhost"]
    {
        assert!(matches!(new(public(url, false)), AccessError::PublicUrl(_)), "{url}");
    }
}
