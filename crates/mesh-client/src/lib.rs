//! Calls MESH: one pooled HTTPS client with mutual TLS, gzip and streaming chunks.
//!
//! A [`Client`] stands for one MESH environment; a [`Mailbox`] of it makes the calls of `mesh-api.md` section 4.
//! Every error answers the three questions of [`mesh_api::Classify`]: is it worth trying again, did it take
//! effect, and whose is it to mend.
//!
//! Two rules shape the crate. The first request of a message, [`Mailbox::send`], is written once and never
//! repeated here, because MESH has no key that would make a second one harmless. And its outcome is called
//! *not applied* only when that is certain: the last byte of the body was never handed to the connection, or
//! MESH said so.

mod body;
mod breaker;
mod call;
mod client;
mod config;
mod connect;
mod directory;
mod download;
mod error;
mod gzip;
mod inbox;
mod outcome;
mod pool;
mod proxy;
mod receive;
mod send;
mod tls;
mod tls_fault;
mod transfer;
mod wire;

pub use call::REPEATS_MAX;
pub use client::{CLOCK_SKEW_TOLD, Client, Mailbox};
pub use config::{
    BreakerConfig, ClientConfig, ClientConfigError, EXPANDED_BYTES_MAX, RootCertificate, Timeouts, TlsConfig,
};
pub use error::{Call, CallError, ConnectFault, ErrorKind, Resting, SendOutcome};
pub use inbox::{LIST_IDS_MAX, LIST_PAGES_MAX};
pub use outcome::RETRY_AFTER_MAX;
pub use proxy::{PROXY_ANSWER_BYTES_MAX, Proxy, ProxyConfigError, ProxyFault, ProxyLogin, Tunnel};
pub use receive::{LocalIdMatch, OpenMessage, Progress};
pub use tls_fault::TlsFault;
pub use transfer::{OtherUpload, SendFailure, SendOptions, Upload};

/// Reads identities and roots from files. Here so that a user needs no other dependency for [`TlsConfig`].
pub use keystore;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
