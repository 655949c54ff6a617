//! Scripted faults: what the server does wrong on purpose, to whom, on which call and how often.
//!
//! A [`FaultScript`] is read from TOML or JSON (an annotated one is `config/faults.toml`), [`Faults`] decides at
//! every call which of its faults strike. Nothing here knows a socket: the server carries the effects out.

mod effect;
mod error;
mod fault;
mod script;
mod strike;
mod tree;

pub use effect::{Call, DELAY_MAX, Effect, Page, REPORT_DELAY_MAX};
pub use error::{FaultProblem, FaultScriptError, ScriptPlace};
pub use fault::{Fault, NAME_CHARS_MAX};
pub use script::{FAULTS_MAX, FaultScript};
pub use strike::{FIRED_MAX, Faults, Fired, Standing, Struck};
