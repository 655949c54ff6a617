//! Ending the library's clients, which may wait for brokers, away from whoever must not wait (`queue-bridging.md` 3.8).

/// Drops a client on a thread of its own. Known to hang without a broker: the thread is left behind then.
pub(crate) fn drop_aside(client: impl Send + 'static) {
    // Should there be no thread, it is dropped here, with the closure.
    let _ = std::thread::Builder::new().name("kafka ending".to_owned()).spawn(move || drop(client));
}

/// A client that is ended aside, wherever it goes out of use.
pub(crate) struct Aside<C: Send + 'static>(Option<C>);

impl<C: Send + 'static> Aside<C> {
    pub(crate) fn new(client: C) -> Self {
        Self(Some(client))
    }
}

impl<C: Send + 'static> std::ops::Deref for Aside<C> {
    type Target = C;

    #[expect(clippy::expect_used, reason = "it is taken out when this is dropped, and never before")]
    fn deref(&self) -> &C {
        self.0.as_ref().expect("a client")
    }
}

impl<C: Send + 'static> Drop for Aside<C> {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop_aside(client);
        }
    }
}
