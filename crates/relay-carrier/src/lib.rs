//! What all queues share (`queue-bridging.md` 2.3 to 2.5, 3.2): a broker's headers become an envelope and an inbox item
//! becomes headers, a change of state becomes an event, and what cannot be sent is parked with a reason. No I/O, no broker.
//!
//! | subject | where |
//! |---|---|
//! | names of headers, and the many ways in which producers write them | [`header`] |
//! | headers of a message for MESH | [`Submission`] |
//! | headers of a message from MESH | [`inbound`] |
//! | CloudEvents attributes as headers (binary mode) | [`binary`] |
//! | CloudEvents | [`event`] |
//! | why a message cannot be sent | [`Unfit`] |

pub mod binary;
pub mod event;
pub mod header;
pub mod inbound;
mod submission;
mod unfit;

pub use event::{CloudEvent, Reply};
pub use submission::{Given, Submission};
pub use unfit::{Reason, Unfit};
