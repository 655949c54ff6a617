//! Health that tells the truth, one alert for each incident, and how the relay stops: with the program, real folders and
//! brokers, and things that really hang.

#[path = "../api/caller.rs"]
#[expect(dead_code, reason = "the tests of the API use the rest")]
mod caller;
mod incidents;
mod kubernetes;
mod probes;
#[path = "../end_to_end/process.rs"]
#[expect(dead_code, reason = "the end-to-end tests use the rest")]
mod process;
mod queues;
mod receiver;
#[path = "../api/scene.rs"]
#[expect(dead_code, reason = "the tests of the API use the rest")]
mod scene;
mod stalls;
mod stopping;
mod systemd;
