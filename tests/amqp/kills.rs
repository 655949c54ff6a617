//! The adapter under load, killed again and again (`queues::kills`).

use std::time::Duration;

use super::scene::Scene;
use crate::queues::kills::{self, Plan};

/// Longest life between a start and a kill.
const LIFE_MAX: Duration = Duration::from_millis(900);
/// Messages in the queue above which none is added.
const WAITING_MAX: usize = 60;

/// Kills the relay so many times, and counts.
pub async fn run(kills: u64) {
    let scene = Scene::new().await;
    scene.hasten();
    scene.make().await;
    kills::run(scene, Plan::new(kills, LIFE_MAX, WAITING_MAX)).await;
}
