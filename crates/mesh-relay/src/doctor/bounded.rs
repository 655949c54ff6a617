//! Checks side by side, each with a bound on its time, and work that may hang without holding up the end of the process.

use std::time::Duration;

use relay_core::diagnosis::Finding;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Runs work that waits for a disk or a name server on a thread of its own. `None`: it broke off. A thread that hangs is left
/// behind, where one of the runtime's own would keep the process from ending.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tell, told) = oneshot::channel();
    let thread = std::thread::Builder::new().name("doctor".to_owned());
    // Nobody may wait any more for what it tells.
    thread.spawn(move || drop(tell.send(work()))).ok()?;
    told.await.ok()
}

/// Parts that are looked at at the same time.
pub(super) struct Bench(Vec<JoinHandle<Vec<Finding>>>);

impl Bench {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// Begins to look at a part. Should it not end, `check` is the fault of `item`.
    pub(super) fn put(
        &mut self,
        check: &'static str,
        item: impl Into<String>,
        within: Duration,
        look: impl Future<Output = Vec<Finding>> + Send + 'static,
    ) {
        let item = item.into();
        self.0.push(tokio::spawn(async move {
            // A task of its own, so that one that breaks is told, too.
            let looking = tokio::spawn(look);
            let stop = looking.abort_handle();
            match timeout(within, looking).await {
                Ok(Ok(findings)) => findings,
                Ok(Err(_)) => {
                    let advice = "this is a fault of the relay's own; tell its developers";
                    vec![Finding::fault(check, item, "looking at it broke off", advice)]
                }
                Err(_) => {
                    stop.abort();
                    let found = format!("looking at it did not end within {} s", within.as_secs());
                    let advice = "see whether what it is on, such as a share or a server, answers at all";
                    vec![Finding::fault(check, item, found, advice)]
                }
            }
        }));
    }

    /// What was found, in the order in which the parts were put here.
    pub(super) async fn findings(self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for part in self.0 {
            // It ends only by returning.
            findings.extend(part.await.unwrap_or_default());
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_that_hangs_is_named_and_holds_up_no_other() {
        let mut bench = Bench::new();
        bench.put("one", "a share", Duration::from_secs(5), std::future::pending());
        bench.put("two", "a part that breaks", Duration::from_secs(5), async { panic!("on purpose") });
        bench.put("three", "a server", Duration::from_secs(5), async {
            vec![Finding::sound("three", "a server", "well")]
        });
        let findings = bench.findings().await;
        let told: Vec<_> = findings.iter().map(|finding| (finding.check, finding.is_fault())).collect();
        assert_eq!(told, [("one", true), ("two", true), ("three", false)]);
        assert!(findings[0].found.contains("5 s"), "{findings:?}");
    }
}
