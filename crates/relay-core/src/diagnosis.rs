//! What a look at one part of the surroundings found, in words for whoever sets a relay up. The parts that know their
//! surroundings (adapters, journals) look; who asked shows it.

/// What is found where a relay holds a lock. It is no fault: others may look while it works.
pub const RUNNING: &str = "a relay is running here";

/// How something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it must be.
    Sound,
    /// It could not be looked at, and the finding says why.
    NotChecked,
    /// It works now, and may not for ever.
    Warning,
    /// A relay would not work with it.
    Fault,
}

impl Verdict {
    /// The verdict in a word or two, the same for people and programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sound => "ok",
            Self::NotChecked => "not checked",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

/// What was found of one item. Holds no secret, and nothing of any message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check's name, which does not change between releases, such as `folder.writable`.
    pub check: &'static str,
    /// Which file, host, mailbox, adapter or queue.
    pub item: String,
    /// How it was found.
    pub verdict: Verdict,
    /// What was found, in one sentence without a full stop.
    pub found: String,
    /// What to do, where something is to be done.
    pub advice: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn sound(check: &'static str, item: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check, item: item.into(), verdict: Verdict::Sound, found: found.into(), advice: None }
    }

    /// Nobody knows, because of `why`.
    pub fn not_checked(check: &'static str, item: impl Into<String>, why: impl Into<String>) -> Self {
        Self { check, item: item.into(), verdict: Verdict::NotChecked, found: why.into(), advice: None }
    }

    /// It works, for now.
    pub fn warning(
        check: &'static str,
        item: impl Into<String>,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let (item, found, advice) = (item.into(), found.into(), Some(advice.into()));
        Self { check, item, verdict: Verdict::Warning, found, advice }
    }

    /// It does not work.
    pub fn fault(
        check: &'static str,
        item: impl Into<String>,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let (item, found, advice) = (item.into(), found.into(), Some(advice.into()));
        Self { check, item, verdict: Verdict::Fault, found, advice }
    }

    /// Whether it is a fault.
    pub fn is_fault(&self) -> bool {
        self.verdict == Verdict::Fault
    }
}
