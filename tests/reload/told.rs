//! What a relay says of its configuration, and how it is asked.

use std::process::Command;

use relay_testkit::wait::eventually;

use crate::process::Relay;

/// What it says when it takes a configuration.
pub const TAKEN: &str = "the configuration is taken";
/// What it says when it does not.
pub const NOT_TAKEN: &str = "the configuration is not taken";

/// How many times it has said either.
pub fn answers(relay: &Relay) -> usize {
    let log = relay.log();
    log.matches(TAKEN).count() + log.matches(NOT_TAKEN).count()
}

/// Tells it to read its configuration again.
pub fn tell(relay: &Relay) {
    let told = Command::new("kill").args(["-HUP", &relay.id().to_string()]).status().expect("kill");
    assert!(told.success());
}

/// Tells it to read its configuration again, and waits for its answer: the end of the log behind it.
pub async fn reload(relay: &Relay) -> String {
    let before = answers(relay);
    tell(relay);
    eventually("the relay answers", || answers(relay) > before).await;
    last_answer(relay)
}

/// The last line in which it says so, and what follows.
pub fn last_answer(relay: &Relay) -> String {
    let log = relay.log();
    let at = log.rfind(TAKEN).max(log.rfind(NOT_TAKEN)).expect("an answer");
    log[at..].to_owned()
}
