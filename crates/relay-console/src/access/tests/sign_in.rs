//! Sign-in with a token, by the page.

use super::*;

#[tokio::test]
async fn somebody_signs_in_and_out_and_both_ends_are_seen() {
    let house = House::signed_in_only();
    let asked = house.get("/?q=1", &[]).await;
    assert_eq!(asked.header("location"), "/sign-in?next=%2F%3Fq%3D1");
    let page = house.get(asked.header("location"), &[]).await;
    assert!(page.text.contains("name=\"next\" value=\"/?q=1\""), "{}", page.text);
    let form = format!("token={}&csrf={}&next=%2F%3Fq%3D1", token("vera"), page.csrf());
    let told = house.post("/sign-in", &[("cookie", &page.cookie("form"))], &form).await;
    assert_eq!((told.status, told.header("location")), (StatusCode::SEE_OTHER, "/?q=1"));
    let set: Vec<_> = told.headers.get_all("set-cookie").iter().collect();
    assert!(set[0].to_str().expect("text").ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{set:?}");
    let cookie = told.cookie("session");
    assert_eq!(house.get("/", &[("cookie", &cookie)]).await.text, "vera");
    assert_eq!(house.record.kinds(), [(DeedKind::SignIn, "vera".to_owned())]);
    assert_eq!(house.get("/sign-in?next=/x", &[("cookie", &cookie)]).await.header("location"), "/x");

    let forged = house.post("/sign-out", &[("cookie", &cookie)], "").await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let csrf = house.csrf(&cookie).await;
    let out = house.post("/sign-out", &[("cookie", &cookie)], &format!("csrf={csrf}")).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(house.get("/", &[("cookie", &cookie)]).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn nobody_is_led_away_after_sign_in() {
    let house = House::signed_in_only();
    for next in ["//evil.example", "https%3A%2F%2Fevil.example", "%2F%5Cevil.example"] {
        let page = house.get(&format!("/sign-in?next={next}"), &[]).await;
        assert!(!page.text.contains("evil"), "{}", page.text);
        let form = format!("token={}&csrf={}&next={next}", token("vera"), page.csrf());
        let told = house.post("/sign-in", &[("cookie", &page.cookie("form"))], &form).await;
        assert_eq!(told.header("location"), "/");
    }
}

#[tokio::test]
async fn a_sign_in_form_from_elsewhere_is_not_taken() {
    let house = House::new();
    let page = house.get("/sign-in", &[]).await;
    let form = format!("token={}&csrf={}", token("olive"), page.csrf());
    let without_cookie = house.post("/sign-in", &[], &form).await;
    let of_another = house.get("/sign-in", &[]).await.cookie("form");
    let with_another = house.post("/sign-in", &[("cookie", &of_another)], &form).await;
    let without_field = house.post("/sign-in", &[("cookie", &page.cookie("form"))], "token=x").await;
    for told in [without_cookie, with_another, without_field] {
        assert_eq!(told.status, StatusCode::FORBIDDEN);
        assert!(told.text.contains("There is a problem"), "{}", told.text);
    }
    assert_eq!(house.access.0.sessions.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_token_is_told_on_the_page_and_counted() {
    let house = House::new();
    let page = house.get("/sign-in", &[]).await;
    let cookie = page.cookie("form");
    let try_it = async |token: &str| {
        let form = format!("token={token}&csrf={}", page.csrf());
        house.post("/sign-in", &[("cookie", &cookie)], &form).await
    };
    let told = try_it("%3Cscript%3E").await;
    assert_eq!(told.status, StatusCode::UNAUTHORIZED);
    assert!(told.text.contains("This token is not known here") && told.text.contains("href=\"#token\""));
    assert!(!told.text.contains("<script>"), "what was typed is not repeated");
    let sender = try_it(&token("engine")).await;
    assert!(
        sender.status == StatusCode::FORBIDDEN && sender.text.contains("for a program"),
        "{}",
        sender.text
    );
    for _ in 2..FAILURES_PER_PEER_MAX {
        assert_eq!(try_it("wrong").await.status, StatusCode::UNAUTHORIZED);
    }
    let told = try_it("wrong").await;
    assert_eq!((told.status, told.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "61"));
    let kinds = house.record.kinds();
    assert_eq!(kinds.len(), FAILURES_PER_PEER_MAX);
    assert_eq!(kinds[1], (DeedKind::SignInRefused, "engine".to_owned()));
    assert_eq!(try_it(&token("vera")).await.status, StatusCode::SEE_OTHER, "who knows a token gets in");
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_take_place() {
    let house = House::new();
    house.record.broken.store(true, Ordering::SeqCst);
    let page = house.get("/sign-in", &[]).await;
    let form = format!("token={}&csrf={}", token("olive"), page.csrf());
    let told = house.post("/sign-in", &[("cookie", &page.cookie("form"))], &form).await;
    assert_eq!((told.status, told.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    assert!(told.text.contains("Sign-ins are recorded"), "{}", told.text);
    assert_eq!(house.access.0.sessions.count(), 0);
}
