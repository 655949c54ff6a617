//! Everything that is wrong with a control file, and what is merely odd: `mesh-relay lint`.
//!
//! An error is what [`ControlFile::judge`] refuses, in the same words; the first error is what the report in
//! IN will say. A warning is about a file that is sent all the same.
//!
//! [`ControlFile::judge`]: crate::ControlFile::judge

mod warnings;

use crate::check::DataFile;
use crate::fault::{Fault, WHOLE_FILE};
use crate::file_name;
use crate::read::{Layout, Placed, read_with_layout};
use crate::read_error::Position;
use crate::spelling;

/// What is known of a control file besides its content.
#[derive(Clone, Copy)]
pub struct LintContext<'a> {
    /// Its name, when it has one.
    pub name: Option<&'a str>,
    /// The mailbox in whose OUT it is to be put. When it is not known, any sender is right.
    pub mailbox: Option<&'a str>,
    /// Its data file.
    pub data: DataFile<'a>,
    /// What else is there that could be meant as the data file.
    pub beside: Beside,
}

/// Files beside a pair that its data file could be mistaken for (`dts-file-interface.md` 2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// None.
    Nothing,
    /// Several that could be the data file, such as `X.dat` and `X.DAT`, of which one is taken.
    SeveralExtensions,
    /// A file whose name is the data file's but for upper and lower case.
    OtherCase,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It will not be sent: it goes to FAILED, or stays in OUT because of its name.
    Error,
    /// It will be sent, but is not what its author meant, or some known reader breaks on it.
    Warning,
}

/// Something that is wrong or odd. No text here repeats anything from the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where. `None` when the file as a whole or a file's name is meant.
    pub at: Option<Position>,
    /// The element; `DTSControl` for the file as a whole.
    pub element: &'static str,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub fix: String,
    /// What the report in IN will say: absent for warnings, and for a file that would stay in OUT.
    pub fault: Option<Fault>,
}

impl Finding {
    fn error(fault: Fault, at: Option<Position>) -> Self {
        Self {
            severity: Severity::Error,
            at,
            element: fault.element,
            reason: fault.reason.clone(),
            fix: fault.fix.to_owned(),
            fault: Some(fault),
        }
    }

    fn warning(
        at: Option<Position>,
        element: &'static str,
        reason: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        let (severity, reason, fix) = (Severity::Warning, reason.into(), fix.into());
        Self { severity, at, element, reason, fix, fault: None }
    }
}

/// Everything that is wrong or odd: first the errors, in the order in which [`ControlFile::judge`] looks for
/// them, then the warnings, in the order of the file.
///
/// [`ControlFile::judge`]: crate::ControlFile::judge
///
/// ```
/// use dts_control::{Beside, DataFile, LintContext, Severity, lint};
///
/// let text = b"<DTSControl>\n<MessageType>DATA</MessageType>\n<ToDTS>QQQHC002</ToDTS>\n</DTSControl>";
/// let context = LintContext {
///     name: None,
///     mailbox: Some("ZZZHC001"),
///     data: DataFile::NotLookedAt,
///     beside: Beside::Nothing,
/// };
/// let findings = lint(text, &context);
/// let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
/// assert_eq!(errors.len(), 2);
/// assert_eq!((errors[0].element, errors[0].at.map(|at| at.line)), ("To_DTS", Some(3)));
/// assert_eq!(errors[1].reason, "the workflow id is missing");
/// ```
pub fn lint(bytes: &[u8], context: &LintContext<'_>) -> Vec<Finding> {
    let mut findings: Vec<_> = context.name.and_then(not_taken).into_iter().collect();
    let mut odd = Vec::new();
    match read_with_layout(bytes) {
        Ok((control, layout)) => {
            let places = Places::new(&layout);
            let faults = control.faults(context.mailbox);
            findings.extend(faults.into_iter().map(|fault| {
                let at = places.of(fault.element);
                Finding::error(fault, Some(at))
            }));
            odd = warnings::of(&control, &places);
        }
        Err(error) => {
            findings.push(Finding::error(Fault::unreadable(context.name, &error), error.position()))
        }
    }
    findings.extend(context.data.faults().into_iter().map(|fault| Finding::error(fault, None)));
    findings.extend(warnings::of_names(context));
    odd.sort_by_key(|finding| finding.at.map(|at| (at.line, at.column)));
    findings.extend(odd);
    findings
}

/// A name that is no control file's: whatever it holds, nobody will look.
fn not_taken(name: &str) -> Option<Finding> {
    file_name::control_stem(name).is_none().then(|| Finding {
        severity: Severity::Error,
        at: None,
        element: WHOLE_FILE,
        reason: "the name is not that of a control file, so the file stays in OUT".to_owned(),
        fix: "give it a name that ends in `.ctl`, does not begin with a dot and has no backslash".to_owned(),
        fault: None,
    })
}

/// Where the elements of a file stand.
struct Places<'a> {
    layout: &'a Layout,
    /// For each element of the layout, what it is meant as when it is misspelt.
    meant: Vec<Option<&'static str>>,
}

impl<'a> Places<'a> {
    fn new(layout: &'a Layout) -> Self {
        let meant = |placed: &Placed| match placed.known {
            Some(_) => None,
            None => spelling::meant(&placed.name),
        };
        Self { layout, meant: layout.elements.iter().map(meant).collect() }
    }

    /// The elements, each with what it is meant as when it is misspelt.
    fn elements(&self) -> impl Iterator<Item = (&'a Placed, Option<&'static str>)> {
        self.layout.elements.iter().zip(self.meant.iter().copied())
    }

    /// Where an element stands; when it is missing, where one stands that is meant as it; else the root.
    fn of(&self, element: &str) -> Position {
        let known = self.elements().find(|(placed, _)| placed.known == Some(element));
        let meant = || self.elements().find(|(_, meant)| *meant == Some(element));
        known.or_else(meant).map_or(self.layout.root, |(placed, _)| placed.at)
    }
}
