//! The inbox's workflow filter (`mesh-api.md` 4.2).

/// Which workflows a listing keeps. Case counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WorkflowFilter {
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Test {
    #[default]
    Any,
    Equals(String),
    BeginsWith(String),
    Contains(String),
}

impl WorkflowFilter {
    /// Reads the query's value as the official emulator does: blank keeps everything; a leading star drops the
    /// last character whatever it is, so `*ACK` keeps what contains `AC`.
    pub(crate) fn read(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() {
            return Self::default();
        }
        let (negated, text) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (contains, text) = match text.strip_prefix('*') {
            Some(rest) => {
                let mut kept = rest.chars();
                kept.next_back();
                (true, kept.as_str())
            }
            None => (false, text),
        };
        let test = match text.strip_suffix('*') {
            Some(start) => Test::BeginsWith(start.to_owned()),
            None if contains => Test::Contains(text.to_owned()),
            None => Test::Equals(text.to_owned()),
        };
        Self { negated, test }
    }

    /// Whether there is nothing to look at.
    pub(crate) fn keeps_everything(&self) -> bool {
        self.test == Test::Any
    }

    /// Whether a message of this workflow is kept.
    pub(crate) fn keeps(&self, workflow: &str) -> bool {
        let holds = match &self.test {
            Test::Any => return true,
            Test::Equals(text) => workflow == text,
            Test::BeginsWith(text) => workflow.starts_with(text.as_str()),
            Test::Contains(text) => workflow.contains(text.as_str()),
        };
        holds != self.negated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_the_emulators() {
        for (filter, kept, dropped) in [
            ("ABC", "ABC", "ABCD"),
            ("!ABC", "ABCD", "ABC"),
            ("ABC*", "ABCD", "XABC"),
            ("!ABC*", "XABC", "ABCD"),
            ("*ABC*", "XABCD", "AB"),
            ("!*ABC*", "AB", "XABCD"),
            ("*ACK", "XACX", "AXC"),
            (" ABC ", "ABC", "abc"),
        ] {
            let filter_read = WorkflowFilter::read(filter);
            assert!(filter_read.keeps(kept), "{filter} dropped {kept}");
            assert!(!filter_read.keeps(dropped), "{filter} kept {dropped}");
        }
        assert!(WorkflowFilter::read("  ").keeps("anything"));
    }
}
