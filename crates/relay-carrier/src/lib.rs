//! What all queues share (`queue-bridging.md` 2.3 to 2.5, 3.2): a broker's headers become an envelope and an inbox item
//! becomes headers, a change of state becomes an event, and what cannot be sent is parked with a reason. No I/O, no broker.
//!
//! | subject | where |
//! |---|---|
//! | names of headers, and the many ways in which producers write them | [`header`] |
//! | headers of a message for MESH | [`Submission`] |
//! | a payload that is named instead of being there | [`ClaimHeaders`] |
//! | headers of a message from MESH | [`inbound`] |
//! | CloudEvents attributes as headers (binary mode) | [`binary`] |
//! | CloudEvents | [`event`] |
//! | why a message cannot be sent | [`Unfit`] |
//! | why one is parked, of its end | [`parked`] |
//! | messages of one key, one after the other | [`Turns`] |

pub mod binary;
mod claim;
pub mod event;
pub mod header;
pub mod inbound;
pub mod parked;
mod submission;
mod turns;
mod unfit;

pub use claim::ClaimHeaders;
pub use event::{CloudEvent, Reply};
pub use submission::{Given, Submission, digest};
pub use turns::Turns;
pub use unfit::{Reason, Unfit};
