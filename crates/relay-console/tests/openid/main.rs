//! Sign-in at a real OpenID Connect provider: `oidc-provider` on Node, driven as a browser drives it.
//!
//! Needs the folder that `tests/node.sh` prints in `MESH_RELAY_TEST_NODE`.

#![expect(clippy::expect_used, reason = "what a test needs and does not get ends it")]

mod browser;
mod house;

use relay_core::DeedKind;

use crate::browser::Browser;
use crate::house::{Claims, House};

#[tokio::test]
async fn an_operator_and_a_viewer_sign_in_and_are_what_the_provider_says() {
    let house = House::start(Claims::OnAsking).await;
    let (mut olive, mut vera) = (Browser::default(), Browser::default());
    let page = house.sign_in(&mut olive, "olive").await;
    assert_eq!((page.status, page.text.as_str()), (200, "olive looks"));
    assert_eq!(page.url, house.url("/messages?state=parked"), "where they wanted to go");
    let page = house.sign_in(&mut vera, "vera").await;
    assert_eq!(page.text, "vera looks");
    assert_eq!(olive.get(&house.url("/payload")).await.text, "olive acts");
    assert_eq!(vera.get(&house.url("/payload")).await.status, 403);
    assert_eq!(
        house.deeds(),
        [(DeedKind::SignIn, "olive".to_owned()), (DeedKind::SignIn, "vera".to_owned())]
    );
    assert_eq!(house.notes()[0], "by OpenID Connect, where they are olive");
    house.stop().await;
}

#[tokio::test]
async fn claims_in_the_token_do_and_new_keys_are_looked_up() {
    let mut house = House::start(Claims::InToken).await;
    assert_eq!(house.sign_in(&mut Browser::default(), "vera").await.text, "vera looks");
    house.rotate().await;
    assert_eq!(house.sign_in(&mut Browser::default(), "olive").await.text, "olive looks");
    house.stop().await;
}

#[tokio::test]
async fn nobody_gets_in_without_a_role_or_by_the_name_of_another() {
    let house = House::start(Claims::OnAsking).await;
    let mut nora = Browser::default();
    let page = house.sign_in(&mut nora, "nora").await;
    assert!(page.status == 403 && page.text.contains("You have no role here; ask"), "{}", page.text);
    assert!(nora.get(&house.url("/messages")).await.url.contains("/sign-in?next="));
    let page = house.sign_in(&mut Browser::default(), "engine").await;
    assert!(page.status == 403 && page.text.contains("name_claim"), "{}", page.text);
    let refused = |who: &str| (DeedKind::SignInRefused, who.to_owned());
    assert_eq!(house.deeds(), [refused("nora"), refused("(unknown)")]);
    house.stop().await;
}

#[tokio::test]
async fn an_answer_to_another_question_is_refused() {
    let house = House::start(Claims::OnAsking).await;
    // Another nonce than the relay asked for: the code is good, the ID token is for another sign-in.
    let mut olive = Browser::default();
    let there = olive.step(&house.url("/sign-in/openid")).await.location();
    let (head, nonce) = there.split_once("nonce=").expect("a nonce");
    let forged = format!("{head}nonce=x{nonce}");
    let back = house.at_provider(&mut olive, &forged, "olive").await;
    let page = olive.get(&back).await;
    assert!(page.status == 403 && page.text.contains("did not confirm who you are"), "{}", page.text);

    // Another state, none, and one of another browser.
    let there = olive.step(&house.url("/sign-in/openid")).await.location();
    let back = house.at_provider(&mut olive, &there, "olive").await;
    let mut thief = Browser::default();
    thief.step(&house.url("/sign-in/openid")).await;
    for page in [
        olive.get(&back.replace("state=", "state=0")).await,
        olive.get(&house.url("/sign-in/callback?code=x")).await,
        thief.get(&back).await,
    ] {
        assert!(page.status == 400 && page.text.contains("begun in another browser"), "{}", page.text);
    }
    assert!(olive.get(&house.url("/messages")).await.url.contains("/sign-in?next="));

    // The right one, once.
    assert_eq!(olive.step(&back).await.status, 303);
    assert_eq!(olive.get(&house.url("/messages")).await.text, "olive looks");
    assert_eq!(olive.get(&back).await.status, 400, "a state that was used");

    // A code that was used, with a state that was not.
    let (_, used) = back.split_once("code=").expect("a code");
    let used = used.split('&').next().expect("a code");
    let mut again = Browser::default();
    let there = again.step(&house.url("/sign-in/openid")).await.location();
    let (_, state) = there.split_once("state=").expect("a state");
    let state = state.split('&').next().expect("a state");
    let page = again.get(&house.url(&format!("/sign-in/callback?code={used}&state={state}"))).await;
    assert!(page.status == 403 && page.text.contains("did not confirm who you are"), "{}", page.text);
    let kinds: Vec<_> = house.deeds().into_iter().map(|(kind, _)| kind).collect();
    let (yes, no) = (DeedKind::SignIn, DeedKind::SignInRefused);
    assert_eq!(kinds, [no, no, no, no, yes, no, no]);
    house.stop().await;
}

#[tokio::test]
async fn somebody_may_think_better_of_it_and_another_issuer_is_not_believed() {
    let house = House::start(Claims::OnAsking).await;
    for (answer, said) in [
        ("error=access_denied", "was stopped"),
        ("error=server_error", "does not answer as it should"),
        ("error=%3Cscript%3E", "did not confirm"),
        ("code=invented", "did not confirm"),
    ] {
        let mut browser = Browser::default();
        let there = browser.step(&house.url("/sign-in/openid")).await.location();
        let (_, state) = there.split_once("state=").expect("a state");
        let state = state.split('&').next().expect("a state");
        let page = browser.get(&house.url(&format!("/sign-in/callback?state={state}&{answer}"))).await;
        assert!(page.text.contains(said) && !page.text.contains("<script>"), "{answer}: {}", page.text);
    }
    // All is as it must be, save that another issuer says so.
    let mut olive = Browser::default();
    let there = olive.step(&house.url("/sign-in/openid")).await.location();
    let back = house.at_provider(&mut olive, &there, "olive").await;
    let forged = back.replace("iss=http", "iss=https");
    assert_ne!(forged, back);
    let page = olive.get(&forged).await;
    assert!(page.status == 403 && page.text.contains("did not confirm"), "{}", page.text);
    house.stop().await;
}

#[tokio::test]
async fn a_provider_that_is_down_is_told_and_asked_again_when_it_is_back() {
    let mut house = House::start(Claims::OnAsking).await;
    let there = {
        let mut begun = Browser::default();
        let there = begun.step(&house.url("/sign-in/openid")).await.location();
        let back = house.at_provider(&mut begun, &there, "olive").await;
        house.end_provider().await;
        let page = begun.get(&back).await;
        assert!(page.status == 503 && page.text.contains("does not answer as it should"), "{}", page.text);
        there
    };
    assert!(there.starts_with(&house.issuer), "{there}");
    house.stop().await;

    let mut house = House::start(Claims::OnAsking).await;
    house.end_provider().await;
    let page = Browser::default().get(&house.url("/sign-in/openid")).await;
    assert!(page.status == 503 && page.text.contains("does not answer as it should"), "{}", page.text);
    assert!(page.text.contains("id=\"token\""), "there is the other way in");
    assert_eq!(house.deeds(), [], "which is nobody's doing");
    house.stop().await;
}
