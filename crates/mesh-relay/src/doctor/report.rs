//! What was found, for people and for programs.

use std::path::PathBuf;
use std::process::ExitCode;

use relay_core::diagnosis::{Finding, Verdict};

use crate::cli::{EXIT_FAILED, EXIT_OK, EXIT_USAGE};

/// All findings about one configuration.
pub(super) struct Report {
    path: PathBuf,
    findings: Vec<Finding>,
    is_read: bool,
}

impl Report {
    /// Of a configuration that could be read.
    pub(super) fn of(path: PathBuf, findings: Vec<Finding>) -> Self {
        Self { path, findings, is_read: true }
    }

    /// Of one that could not.
    pub(super) fn unreadable(path: PathBuf, findings: Vec<Finding>) -> Self {
        Self { path, findings, is_read: false }
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }

    /// Prints it and says what the process ends with.
    pub(super) fn print(&self, json: bool) -> ExitCode {
        if json {
            println!("{}", self.json());
        } else {
            print!("{}", self.text());
        }
        ExitCode::from(match (self.is_read, self.count(Verdict::Fault)) {
            (false, _) => EXIT_USAGE,
            (true, 0) => EXIT_OK,
            (true, _) => EXIT_FAILED,
        })
    }

    fn json(&self) -> serde_json::Value {
        let check = |finding: &Finding| {
            serde_json::json!({
                "check": finding.check, "item": finding.item, "verdict": finding.verdict.word(),
                "found": finding.found, "advice": finding.advice,
            })
        };
        serde_json::json!({
            "configuration": self.path.display().to_string(),
            "read": self.is_read,
            "faults": self.count(Verdict::Fault),
            "warnings": self.count(Verdict::Warning),
            "checks": self.findings.iter().map(check).collect::<Vec<_>>(),
        })
    }

    /// One line for each finding and one for what to do. The verdict is a word, so that no colour is needed.
    fn text(&self) -> String {
        let longest = self.findings.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
        let mut text = String::new();
        for finding in &self.findings {
            let verdict = match finding.verdict {
                Verdict::Fault => "FAULT",
                Verdict::Warning => "WARNING",
                other => other.word(),
            };
            let Finding { check, item, found, advice, .. } = finding;
            text += &format!("{verdict:<11}  {check:<longest$}  {item}: {found}\n");
            if let Some(advice) = advice {
                text += &format!("{:11}  {:longest$}  -> {advice}\n", "", "");
            }
        }
        let counts = [
            (Verdict::Sound, "ok"),
            (Verdict::Warning, "warning(s)"),
            (Verdict::Fault, "fault(s)"),
            (Verdict::NotChecked, "not checked"),
        ];
        let counted: Vec<String> =
            counts.iter().map(|(verdict, word)| format!("{} {word}", self.count(*verdict))).collect();
        text + &format!("\n{}\n", counted.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_every_verdict_is_a_word() {
        let findings = vec![
            Finding::sound("a.b", "one", "well"),
            Finding::fault("longer.name", "two", "broken", "mend it"),
            Finding::not_checked("a.c", "three", "two is broken"),
        ];
        let text = Report::of("relay.toml".into(), findings).text();
        let expected = "\
ok           a.b          one: well
FAULT        longer.name  two: broken
                          -> mend it
not checked  a.c          three: two is broken

1 ok, 0 warning(s), 1 fault(s), 1 not checked
";
        assert_eq!(text, expected);
    }
}
