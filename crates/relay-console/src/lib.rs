//! What people see and steer: the HTTP API and the operator page.

mod problem;

pub use problem::Problem;
