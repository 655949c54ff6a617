//! What every engine promises.

use std::sync::Arc;

use relay_core::Journal;

use super::Place;
use crate::tests::promises::keeps_every_promise;

keeps_every_promise!(fresh, one);

async fn fresh() -> (Arc<dyn Journal>, Place) {
    let place = Place::new();
    (Arc::new(place.open()), place)
}
