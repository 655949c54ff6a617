//! Messages of one key arrive at MESH in the order in which they were put into the queue.

use std::collections::{BTreeMap, HashMap};

use relay_testkit::wait::eventually;

use crate::scene::{Scene, TO_BOB};

/// Messages for Bob, each with a key, in order.
pub struct Keyed {
    keys: usize,
    put: usize,
    /// Ids and bodies.
    pub sent: BTreeMap<String, Vec<u8>>,
}

impl Keyed {
    pub fn new(keys: usize) -> Self {
        Self { keys, put: 0, sent: BTreeMap::new() }
    }

    /// Puts so many more messages into the queue, the keys in turn.
    pub async fn put(&mut self, scene: &Scene, count: usize) {
        for _ in 0..count {
            let key = format!("K{:03}", self.put % self.keys);
            let id = format!("{key}-{:05}", self.put);
            let headers = [TO_BOB[0], TO_BOB[1], ("mesh_order_key", &key)];
            scene.broker.put(&scene.outbound, &id, &headers, id.as_bytes()).await;
            self.sent.insert(id.clone(), id.into_bytes());
            self.put += 1;
        }
    }

    /// What came to MESH before another message of its key that had been put before it.
    pub fn overtakers(&self, scene: &Scene) -> Vec<String> {
        let mut last: HashMap<String, String> = HashMap::new();
        let mut overtaken = Vec::new();
        for message in scene.for_bob() {
            let id = message.local_id;
            let (key, _) = id.split_once('-').expect("a key");
            if let Some(before) = last.insert(key.to_owned(), id.clone())
                && before > id
            {
                overtaken.push(format!("{before} before {id}"));
            }
        }
        overtaken
    }
}

#[tokio::test]
async fn messages_of_a_key_arrive_in_the_order_of_the_queue() {
    for (keys, count) in [(1, 40), (20, 200)] {
        let scene = Scene::new().await;
        scene.make().await;
        let mut load = Keyed::new(keys);
        load.put(&scene, count).await;
        let relay = scene.site.run().await;
        eventually("all is at MESH", || scene.for_bob().len() == count).await;
        assert_eq!(load.overtakers(&scene), [""; 0], "{keys} keys");
        assert!(relay.stop().await.0.success());
    }
}
