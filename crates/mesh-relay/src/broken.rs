//! What is said when a part of the program breaks: where, and no words that could hold what a message holds.
//!
//! The words of a panic are put together from what was at hand: a slice that does not end at a character shows the whole
//! text, an `unwrap` the whole error. So they are shown only where the program was written with them; where they were
//! put together, the place in the source says what broke.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};

use tokio::task::JoinError;

/// From now on a panic is told so, in place of the way of the standard library.
pub fn tell_without_words() {
    panic::set_hook(Box::new(|panic| {
        let told = told(panic);
        tracing::error!("{told}");
        // The log may be turned off, and a panic must not pass in silence.
        if !tracing::enabled!(tracing::Level::ERROR) {
            eprintln!("error: {told}");
        }
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            eprintln!("{trace}");
        }
    }));
}

fn told(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    format!("the program broke at {place}: {}", words(panic.payload()))
}

/// The words of a panic that say nothing of what was worked on.
fn words(payload: &(dyn Any + Send)) -> &str {
    // What was put together at run time is a `String`.
    payload.downcast_ref::<&'static str>().copied().unwrap_or("(its words may hold what a message holds)")
}

/// How a task ended that nobody ended, with a panic's words left out as well.
pub fn ended(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => format!("a task of it broke: {}; the log says where", words(&*payload)),
        Err(_) => "a task of it was dropped".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn words_that_were_put_together_are_left_out() {
        let subject = "sübject-of-a-patient";
        let cut = tokio::spawn(async move { subject[..2].len() }).await.expect_err("a panic");
        let told = ended(cut);
        assert!(!told.contains("patient") && told.contains("the log says where"), "{told}");
        let plain = tokio::spawn(async { panic!("no message here") }).await.expect_err("a panic");
        assert!(ended(plain).contains("no message here"));
        let dropped = tokio::spawn(std::future::pending::<()>());
        dropped.abort();
        assert!(ended(dropped.await.expect_err("dropped")).contains("dropped"));
    }
}
