//! Forms that a page of the console did not make.

use super::*;

#[tokio::test]
async fn a_form_without_the_sessions_token_does_nothing() {
    let house = House::new();
    let (olive, other) = (house.sign_in("olive").await, house.sign_in("olive").await);
    let (own, of_other) = (house.csrf(&olive).await, house.csrf(&other).await);
    let own_form = format!("note=x&csrf={own}");
    assert_eq!(house.post("/park", &[("cookie", &olive)], &own_form).await.text, "olive: x");
    for form in [
        "note=x".to_owned(),
        "note=x&csrf=".to_owned(),
        format!("note=x&csrf={}", &own[1..]),
        format!("note=x&csrf={of_other}"),
        format!("note=x&csrf={own}&csrf={own}"),
        format!("note=x&CSRF={own}"),
    ] {
        let told = house.post("/park", &[("cookie", &olive)], &form).await;
        assert_eq!(told.status, StatusCode::FORBIDDEN, "{form}");
        assert!(told.text.contains("load the page again"), "{}", told.text);
        let api = house.post("/v1/park", &[("cookie", &olive)], &form).await;
        api.is_problem(403, "forged-form");
    }
}

#[tokio::test]
async fn a_script_sends_the_token_as_a_header() {
    let house = House::new();
    let cookie = house.sign_in("olive").await;
    let csrf = house.csrf(&cookie).await;
    let json = ("content-type", "application/json");
    let send = |token: &str| {
        request("POST", "/v1/park", &[("cookie", &cookie), json, ("x-csrf-token", token)], "{}")
    };
    assert_eq!(house.send(send(&csrf)).await.text, "olive");
    house.send(send("wrong")).await.is_problem(403, "forged-form");
    let without = request("POST", "/v1/park", &[("cookie", &cookie), json], "{}");
    house.send(without).await.is_problem(403, "forged-form");
}

#[tokio::test]
async fn a_form_is_bounded_and_must_be_one() {
    let house = House::new();
    let cookie = house.sign_in("olive").await;
    let long = format!("csrf={}&note={}", house.csrf(&cookie).await, "x".repeat(FORM_BYTES_MAX));
    let told = house.post("/park", &[("cookie", &cookie)], &long).await;
    assert_eq!(told.status, StatusCode::PAYLOAD_TOO_LARGE);
    let bearer = format!("Bearer {}", token("olive"));
    let told = house.post("/park", &[("authorization", &bearer)], &long).await;
    told.is_problem(413, "too-large");
    let told = house.post("/park", &[("authorization", &bearer)], "other=x").await;
    told.is_problem(400, "bad-request");
    let json =
        request("POST", "/park", &[("authorization", &bearer), ("content-type", "application/json")], "{}");
    house.send(json).await.is_problem(400, "bad-request");
}

#[tokio::test(start_paused = true)]
async fn a_form_that_does_not_arrive_is_not_waited_for() {
    let house = House::new();
    let cookie = house.sign_in("olive").await;
    let mut request = request("POST", "/v1/park", &[("cookie", &cookie)], "");
    let form = "application/x-www-form-urlencoded".parse().expect("a header");
    request.headers_mut().insert("content-type", form);
    *request.body_mut() =
        Body::from_stream(futures_util::stream::pending::<Result<axum::body::Bytes, std::io::Error>>());
    house.send(request).await.is_problem(408, "too-slow");
}
