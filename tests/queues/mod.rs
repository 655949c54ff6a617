//! A relay between a broker's queues or topics and MESH, judged whatever broker that is: by somebody who knows nothing of
//! the relay's code, and counts.
//!
//! | subject | where |
//! |---|---|
//! | what a broker does for a run | [`side`] |
//! | messages that are put in | [`load`] |
//! | the journal, by its tables | [`tables`] |
//! | what came out, and what must hold of it | [`account`] |
//! | killed again and again under load | [`kills`] |

pub mod account;
pub mod kills;
pub mod load;
pub mod side;
pub mod tables;
