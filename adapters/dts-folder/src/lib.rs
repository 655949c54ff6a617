//! The DTS folder adapter: control and data files in OUT go to MESH, messages from MESH come to IN, so that a
//! system written for the DTS or Java MESH client notices no change (`dts-file-interface.md`).
//!
//! One mailbox has one root folder with `IN`, `OUT`, `SENT`, `FAILED` and `TEMP`. Everything that appears in a
//! folder which others read appears in one step: it is built in `TEMP`, synced, and renamed. What is sealed in
//! `TEMP` survives a crash and is finished by the next start, never begun again ([`stage`]).
//!
//! | subject | where |
//! |---|---|
//! | the folders of a mailbox | [`folders`] |
//! | when a pair is complete and quiet | [`pickup`] |
//! | a pair as a message | [`pair`] |
//! | OUT to MESH | [`outbound`] |
//! | the control files that are written, as data | [`control_files`] |
//! | SENT, FAILED and the report in IN | [`settle`] |
//! | SENT or FAILED to OUT again | [`resend`] |
//! | MESH to IN | [`inbound`] |
//! | reports of the relay's own in IN | `report` |
//! | what the old client wrote beside what the relay would write | [`shadow`] |
//! | the log that the Java client kept | [`transfer_log`] |
//! | SENT and FAILED, tidied when asked | `housekeeping` |
//! | a look at all of it, for whoever sets it up | [`diagnose`] |

pub mod config;
pub mod control_files;
pub mod diagnose;
pub mod folders;
mod happening;
mod housekeeping;
pub mod inbound;
pub mod outbound;
pub mod pair;
pub mod pickup;
mod report;
pub mod resend;
pub mod settle;
pub mod shadow;
pub mod stage;
pub mod transfer_log;
mod worker;

pub use config::{Config, Profile, Reports};
pub use folders::{FolderError, Folders, Use};
pub use inbound::FolderSink;
pub use outbound::FolderSource;
pub use resend::KeptPairs;
pub use stage::Access;
pub use transfer_log::{Names, TransferLog};
