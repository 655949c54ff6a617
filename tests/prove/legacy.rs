//! Ten thousand pairs each way between two old systems that hear of IN and SENT by create events alone, and read each
//! name once; the official emulator is MESH. `MESH_RELAY_PROVE_LEGACY` says how many each way, and
//! `MESH_RELAY_PROVE_SEED` makes the same pairs again.

use std::time::Duration;

use crate::old_systems::both_ways;

/// Unless `MESH_RELAY_PROVE_LEGACY` says otherwise.
const EACH_WAY_USUALLY: u32 = 10_000;
/// Longest time until all have arrived: the official emulator counts a whole inbox at every call.
const WITHIN: Duration = Duration::from_secs(1_800);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_pairs_each_way_are_seen_whole_and_once_by_old_systems() {
    let each_way = number("MESH_RELAY_PROVE_LEGACY").and_then(|number| u32::try_from(number).ok());
    let seed = number("MESH_RELAY_PROVE_SEED").unwrap_or_else(rand::random);
    both_ways(each_way.unwrap_or(EACH_WAY_USUALLY), seed, WITHIN).await;
}
