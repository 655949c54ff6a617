//! Ends other than the good one, and what the server says of the way in.

use relay_core::Rejection;
use relay_testkit::scripted::{Fault, Made};

use super::*;

#[tokio::test]
async fn what_mesh_refuses_is_422_with_its_code_and_stays_so() {
    let bench = Bench::new().await;
    bench.mesh.then(Fault::Refuse(Rejection {
        event: "SEND".to_owned(),
        code: "12".to_owned(),
        description: "Unregistered to address".to_owned(),
        message_id: None,
    }));
    for _ in 0..2 {
        let answer = bench.call(Call::new("a").body(b"result 7")).await;
        assert_eq!((answer.status, answer.kind()), (422, "rejected"));
        assert_eq!((&answer.body["mesh_event"], &answer.body["mesh_code"]), (&"SEND".into(), &"12".into()));
        assert_eq!(answer.body["mesh_description"], "Unregistered to address");
        assert!(answer.body["relay_id"].is_string());
    }
    assert_eq!(bench.mesh.made(), [Made::Begin]);
    assert_eq!(bench.unsettled().await, 0);
}

#[tokio::test]
async fn what_a_person_must_decide_is_409_with_the_reason() {
    let bench = Bench::new().await;
    // A local id that has a slash cannot be asked about.
    bench.mesh.then(Fault::LostUnseen);
    let call = || Call::new("a").body(b"result 7").header("Mex-LocalID", "ward/7");
    for _ in 0..2 {
        let answer = bench.call(call()).await;
        assert_eq!((answer.status, answer.kind()), (409, "parked"));
        let detail = answer.body["detail"].as_str().expect("a reason");
        assert!(detail.contains("ask the recipient") && !detail.contains("ward"), "{detail}");
    }
    assert_eq!(bench.mesh.made(), [Made::Begin]);
}

#[tokio::test]
async fn what_nobody_comes_back_for_ends() {
    let bench = Bench::new().await;
    let caller = Call::new("a").body(b"resu").length(8).begin(bench.address).await;
    eventually("MESH is called", || bench.mesh.made().contains(&Made::Begin)).await;
    drop(caller);
    let (world, mut setting) = bench.stop().await;
    setting.limits.give_up = Duration::ZERO;
    let bench = Bench::on(world, setting).await;
    bench.all_settled().await;
    let answer = bench.call(Call::new("a").body(b"result 7")).await;
    assert_eq!((answer.status, answer.kind()), (410, "cancelled"));
    assert!(bench.mesh.delivered().is_empty());
}

#[tokio::test]
async fn a_start_ends_nothing_that_its_caller_may_still_come_back_for() {
    let bench = Bench::new().await;
    let caller = Call::new("a").body(b"resu").length(8).begin(bench.address).await;
    eventually("MESH is called", || bench.mesh.made().contains(&Made::Begin)).await;
    drop(caller);
    let (world, setting) = bench.stop().await;
    world.clock.advance(2 * setting.limits.give_up);
    let bench = Bench::on(world, setting).await;
    bench.call(Call::new("a").body(b"result 7")).await.message_id();
}

#[test]
fn the_way_in_is_described() {
    let (_, api) = Submit::default().router().split_for_parts();
    let api = serde_json::to_value(api).expect("JSON");
    let post = &api["paths"]["/v1/messages"]["post"];
    let named = |list: &serde_json::Value| -> Vec<String> {
        let name = |one: &serde_json::Value| one["name"].as_str().expect("a name").to_owned();
        list.as_array().expect("a list").iter().map(name).collect()
    };
    let parameters = named(&post["parameters"]);
    for name in
        ["Idempotency-Key", "Mex-From", "Mex-To", "Mex-WorkflowID", "Content-Digest", "Mesh-Relay-Encoding"]
    {
        assert!(parameters.contains(&name.to_owned()), "{name}: {parameters:?}");
    }
    let body = &post["requestBody"]["content"]["application/octet-stream"]["schema"];
    assert_eq!((&body["type"], &body["format"]), (&"string".into(), &"binary".into()), "{post}");
    for status in [202, 400, 401, 403, 404, 408, 409, 410, 411, 415, 422, 503] {
        assert!(post["responses"][status.to_string()].is_object(), "{status}");
    }
    let schemas = api["components"]["schemas"].as_object().expect("schemas");
    assert!(schemas.contains_key("Submitted") && schemas.contains_key("SubmissionProblem"), "{schemas:?}");
}
