//! Two relays on one journal and one queue: one of them carries it, and the other goes on when that one is killed.

use std::collections::{BTreeMap, HashMap, HashSet};

use relay_testkit::wait::eventually;
use tokio_postgres::NoTls;

use crate::order::Keyed;
use crate::process::Relay;
use crate::scene::Scene;

/// Messages put into the queue before and after the first relay is killed.
const MESSAGES: (usize, usize) = (120, 60);

/// A database of its own on the server of the tests.
async fn database() -> String {
    let server = std::env::var("MESH_RELAY_TEST_POSTGRES").expect("a PostgreSQL; run `make test`");
    let (client, connection) = tokio_postgres::connect(&server, NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    let name = format!("two_relays_{}", std::process::id());
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {name}")).await.expect("dropped");
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("created");
    let (before, _) = server.rsplit_once('/').expect("a URL");
    format!("{before}/{name}")
}

/// Starts one of the two.
async fn start(scene: &Scene, number: usize) -> Relay {
    let config = std::fs::read_to_string(scene.site.path("relay.toml")).expect("the configuration");
    let journal =
        format!("url = {{ file = \"journal.url\" }}\ninstance = \"relay-{number}\"\nlease = \"3s\"");
    let name = format!("relay-{number}.toml");
    scene.site.write(&name, config.replace("path = \"journal.db\"", &journal));
    Relay::start(&scene.site.path(&name)).await
}

/// How many messages of the queue the journal has in each state.
async fn states(url: &str) -> BTreeMap<String, i64> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    let query = "SELECT state_name, count(*) FROM mesh_relay.outbound GROUP BY state_name";
    let rows = client.query(query, &[]).await.expect("states");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_relay_goes_on_with_the_queue_of_one_that_is_killed() {
    let scene = Scene::new().await;
    scene.make().await;
    let url = database().await;
    scene.site.write("journal.url", &url);
    let mut load = Keyed::new(8);
    load.put(&scene, MESSAGES.0).await;
    let mut first = start(&scene, 1).await;
    eventually("the first relay sends", || !scene.for_bob().is_empty()).await;
    let second = start(&scene, 2).await;
    first.kill();
    let killed_at = scene.for_bob().len();
    assert!(killed_at < MESSAGES.0, "it was killed in the middle of its work");
    load.put(&scene, MESSAGES.1).await;
    let all = MESSAGES.0 + MESSAGES.1;
    eventually("the second relay has taken over", || second.log().contains("consuming")).await;
    let mut came = HashMap::<String, u32>::new();
    while came.len() < all {
        let message = scene.broker.take_all(&scene.inbound, 1).await.remove(0);
        let copies = came.entry(message.header("mesh_local_id")).or_default();
        let marked = message.header("mesh_redelivery") == "true" || message.redelivered;
        assert!(*copies == 0 || marked, "a repetition says that it is one");
        *copies += 1;
    }
    eventually("MESH is told of all", || {
        scene.for_bob().iter().all(|message| message.status == "acknowledged")
    })
    .await;
    assert!(second.stop().await.0.success());
    let at_mesh: HashSet<String> = scene.for_bob().into_iter().map(|message| message.local_id).collect();
    assert_eq!((scene.for_bob().len(), at_mesh.len()), (all, all), "MESH has each once");
    assert_eq!(load.overtakers(&scene), [""; 0], "the order within each key");
    assert_eq!(states(&url).await, BTreeMap::from([("accepted".to_owned(), all as i64)]));
    for queue in [&scene.outbound, &scene.parked] {
        assert_eq!(scene.broker.ready(queue).await, 0, "{queue}");
    }
}
