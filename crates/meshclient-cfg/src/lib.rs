//! The Java MESH client's `meshclient.cfg` as data. No I/O.
//!
//! The file is XML with the root `MESHConfig`, one value an element, and a block `Client` for each mailbox. What is
//! known of it stands in `dts-file-interface.md` (called "the reference" here), section 6.1; of the DTS client's
//! `DTSClient.cfg` hardly anything is (6.2), so [`MeshClientCfg::read_dts`] looks for the same keys in it and says so.
//!
//! | subject | where |
//! |---|---|
//! | the file as data | [`MeshClientCfg`], [`Client`] |
//! | names of the keys | [`key`] |
//! | reading: open to every form that sites have, closed to hostile input | [`MeshClientCfg::read`] |
//! | what is odd and hinders nothing | [`Note`] |
//! | what hinders | [`ReadError`] |
//!
//! Nothing here panics on any input. Passwords and keys are [`SecretString`](secrecy::SecretString)s, which no `Debug`
//! output shows, and no error or note repeats a value of the file, save the id of a mailbox.
//!
//! ```
//! use std::path::Path;
//!
//! use meshclient_cfg::{MeshClientCfg, key};
//!
//! let cfg = MeshClientCfg::read(
//!     br"<MESHConfig>
//!          <PrimaryURL>https://mesh.example.test</PrimaryURL>
//!          <PollPeriod>often</PollPeriod>
//!          <Client>
//!            <ClientIdentity>X26ABC1</ClientIdentity>
//!            <ClientAuthentication>invented</ClientAuthentication>
//!            <InterfaceRoot>D:\MESH-DATA-HOME\X26ABC1</InterfaceRoot>
//!            <CollectReport>Y</CollectReport>
//!          </Client>
//!        </MESHConfig>",
//! )?;
//! assert_eq!(cfg.clients[0].interface_root, Path::new(r"D:\MESH-DATA-HOME\X26ABC1"));
//! assert!(cfg.clients[0].collect_report && cfg.clients[0].save_sent);
//! assert_eq!(cfg.poll_period, None);
//! assert_eq!(cfg.notes[0].to_string(), "line 3: PollPeriod is not a whole number above nothing; it is not used");
//! assert_eq!(cfg.clients[0].place(key::INTERFACE_ROOT).map(|at| at.line), Some(7));
//! assert!(!format!("{cfg:?}").contains("invented"));
//! # Ok::<(), meshclient_cfg::ReadError>(())
//! ```

mod cfg;
mod decode;
pub mod key;
mod note;
mod parse;
mod read;
mod read_error;

#[cfg(test)]
mod tests;

pub use cfg::{Client, Kind, MeshClientCfg, Places};
pub use note::{Note, NoteKind};
pub use read::{DEPTH_MAX, SIZE_MAX};
pub use read_error::{Block, Missing, Position, ReadError};
