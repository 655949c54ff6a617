//! How sessions begin and end, and that they are nobody else's.

use super::*;

#[tokio::test]
async fn a_session_ends_when_it_is_idle_or_old() {
    let house = House::signed_in_only();
    let minutes = SignedDuration::from_mins;
    let idle = house.sign_in("vera").await;
    house.clock.advance(minutes(29));
    assert_eq!(house.get("/v1/messages", &[("cookie", &idle)]).await.text, "vera");
    house.clock.advance(minutes(30));
    let told = house.get("/v1/messages", &[("cookie", &idle)]).await;
    told.is_problem(401, "sign-in-needed");
    assert!(told.text.contains("has ended"), "{}", told.text);
    let page = house.get("/sign-in", &[("cookie", &idle)]).await;
    assert!(page.text.contains("Your session has ended"), "{}", page.text);

    let busy = house.sign_in("vera").await;
    for _ in 0..29 {
        house.clock.advance(minutes(20));
        assert_eq!(house.get("/v1/messages", &[("cookie", &busy)]).await.text, "vera");
    }
    house.clock.advance(minutes(20));
    house.get("/v1/messages", &[("cookie", &busy)]).await.is_problem(401, "sign-in-needed");

    let back = house.sign_in("vera").await;
    house.clock.advance(minutes(-10));
    house.get("/v1/messages", &[("cookie", &back)]).await.is_problem(401, "sign-in-needed");
}

#[tokio::test]
async fn a_new_sign_in_has_a_new_id_and_ends_the_old_one() {
    let house = House::new();
    let page = house.get("/sign-in", &[]).await;
    let chosen = format!("mesh-relay-8710-session={}", "a".repeat(64));
    let both = format!("{}; {chosen}", page.cookie("form"));
    let form = format!("token={}&csrf={}", token("vera"), page.csrf());
    let told = house.post("/sign-in", &[("cookie", &both)], &form).await;
    let first = told.cookie("session");
    assert!(first != chosen && house.get("/", &[("cookie", &chosen)]).await.text != "vera");
    let again = format!("token={}&csrf={}", token("olive"), house.csrf(&first).await);
    let second = house.post("/sign-in", &[("cookie", &first)], &again).await.cookie("session");
    assert_eq!(house.get("/", &[("cookie", &second)]).await.text, "olive");
    assert_eq!(house.get("/", &[("cookie", &first)]).await.text, "(this machine)");
}

#[tokio::test]
async fn what_is_one_users_reaches_no_other() {
    let house = House::signed_in_only();
    let (olive, vera) = (house.sign_in("olive").await, house.sign_in("vera").await);
    for _ in 0..3 {
        assert_eq!(house.get("/", &[("cookie", &olive)]).await.text, "olive");
        assert_eq!(house.get("/", &[("cookie", &vera)]).await.text, "vera");
        assert_eq!(house.get("/payload", &[("cookie", &vera)]).await.status, StatusCode::FORBIDDEN);
    }
    let both = format!("{olive}; {vera}");
    let told = house.get("/v1/messages", &[("cookie", &both)]).await;
    told.is_problem(401, "sign-in-needed");
    let page = house.get("/payload", &[("cookie", &vera)]).await;
    assert!(!page.text.contains(&house.csrf(&olive).await) && page.text.contains(&house.csrf(&vera).await));
}

#[tokio::test]
async fn sessions_are_bounded_for_each_name_and_for_all() {
    let house = House::new();
    let sessions = &house.access.0.sessions;
    let vera = house.sign_in("vera").await;
    let begin = |name: &str| {
        house.clock.advance(SignedDuration::from_millis(1));
        sessions.begin(relay_core::Caller::new(name, Role::Viewer), house.clock.now())
    };
    let first = begin("olive");
    for _ in 0..SESSIONS_PER_NAME_MAX {
        begin("olive");
    }
    assert_eq!(sessions.count(), 1 + SESSIONS_PER_NAME_MAX);
    assert!(sessions.used(&first, house.clock.now()).is_none(), "their own oldest went");
    assert_eq!(house.get("/", &[("cookie", &vera)]).await.text, "vera", "and nobody else's");
    for number in 0..2 * SESSIONS_MAX {
        begin(&format!("somebody {number}"));
    }
    assert_eq!(sessions.count(), SESSIONS_MAX);
}

#[tokio::test]
async fn an_answer_that_lasts_hears_of_the_end_of_its_session() {
    let house = House::new();
    let cookie = house.sign_in("vera").await;
    assert_eq!(house.get("/current", &[("cookie", &cookie)]).await.text, "true");
    let id = cookie.split_once('=').expect("a cookie").1;
    let print = secret::fingerprint(id);
    let sessions = &house.access.0.sessions;
    assert!(sessions.is_current(&print, house.clock.now()));
    house.clock.advance(SESSION_IDLE_MAX);
    assert!(!sessions.is_current(&print, house.clock.now()));
}
