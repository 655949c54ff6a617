//! The messages: all as long, each with a number of its own, so that none can be missed or counted twice.

use bytes::Bytes;

/// How many bytes a message has.
pub(crate) const MESSAGE_BYTES: usize = 4096;

/// What the messages are about.
pub(crate) const WORKFLOW: &str = "TEST_WORKFLOW";

/// Digits of the number that it begins with.
const DIGITS: usize = 12;

/// The message of a number.
pub(crate) fn body(number: usize) -> Bytes {
    let mut body = format!("{number:0DIGITS$}").into_bytes();
    body.resize(MESSAGE_BYTES, b'm');
    body.into()
}

/// The number of a message.
pub(crate) fn number(body: &[u8]) -> usize {
    assert!(
        body.len() == MESSAGE_BYTES,
        "a message of {} bytes came out of one of {MESSAGE_BYTES}",
        body.len()
    );
    let digits = std::str::from_utf8(&body[..DIGITS]).ok();
    digits.and_then(|digits| digits.parse().ok()).expect("a number")
}

/// Ends the program unless every number below `count` is there, and each once.
pub(crate) fn check(what: &str, mut numbers: Vec<usize>, count: usize) {
    numbers.sort_unstable();
    let arrived = numbers.len();
    assert!(numbers.into_iter().eq(0..count), "{what}: {arrived} messages, not {count} different ones");
}
