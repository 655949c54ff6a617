//! Fault scripts, and how they are read.

use std::collections::HashSet;

use super::effect::{Call, Effect, Page};
use super::error::{FaultProblem, FaultScriptError, ScriptPlace};
use super::fault::{Fault, range, shown};
use super::tree::{self, Node, Value};

/// Most faults of a script, and most that stand at a time.
pub const FAULTS_MAX: usize = 1_000;

/// Faults in their order, and the seed of their chances. Whatever is in it has been checked.
///
/// In text it has the keys `seed` (a whole number, 0 if left out) and `fault` (a list). Each fault has the keys of
/// [`Fault`] and those of its [`Effect`] side by side; `name` and `effect` must be there, and so must the
/// effect's own keys, save `retry_after_seconds` and `body`. Keys that have no meaning are refused.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FaultScript {
    seed: u64,
    faults: Vec<Fault>,
}

impl FaultScript {
    /// A script of faults made in code.
    ///
    /// # Errors
    /// [`FaultScriptError`] without a place, for the first fault that cannot be.
    pub fn new(seed: u64, faults: Vec<Fault>) -> Result<Self, FaultScriptError> {
        let faults = faults.into_iter().map(Fault::checked_by_name).collect::<Result<_, _>>()?;
        let script = Self { seed, faults };
        match script.clash() {
            None => Ok(script),
            Some((index, problem)) => {
                let fault = index.map(|index| shown(&script.faults[index].name));
                Err(FaultScriptError { place: None, fault, problem })
            }
        }
    }

    /// Reads a script in TOML.
    ///
    /// # Errors
    /// [`FaultScriptError`] for the first thing that is wrong, with its place.
    pub fn from_toml(text: &str) -> Result<Self, FaultScriptError> {
        Self::read(text, tree::from_toml(text)?)
    }

    /// Reads a script in JSON: an object with the keys of the TOML form. A key that is `null` counts as left out.
    ///
    /// # Errors
    /// [`FaultScriptError`] for the first thing that is wrong, with its place.
    pub fn from_json(text: &str) -> Result<Self, FaultScriptError> {
        Self::read(text, tree::from_json(text)?)
    }

    /// The seed. Two runs of one script with the same calls meet the same faults.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The faults, in their order.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    pub(super) fn into_parts(self) -> (u64, Vec<Fault>) {
        (self.seed, self.faults)
    }

    /// What is wrong with the faults together, and from which one on.
    fn clash(&self) -> Option<(Option<usize>, FaultProblem)> {
        if self.faults.len() > FAULTS_MAX {
            return Some((None, FaultProblem::TooMany));
        }
        let mut names = HashSet::new();
        let taken = self.faults.iter().position(|fault| !names.insert(&fault.name))?;
        Some((Some(taken), FaultProblem::NameTaken))
    }

    fn read(text: &str, root: Node) -> Result<Self, FaultScriptError> {
        let error =
            |at, fault, problem| FaultScriptError { place: Some(ScriptPlace::of(text, at)), fault, problem };
        let (seed, list) =
            top_keys(&root).map_err(|problem| error(root.place_of(problem.key()), None, problem))?;
        let label = |index: usize| match name_of(&list[index]) {
            Some(name) => shown(name),
            None => format!("number {}", index + 1),
        };
        let in_fault = |index: usize, problem: FaultProblem| {
            let at = list[index].place_of(problem.key());
            error(at, Some(label(index)), problem)
        };
        let mut faults = Vec::new();
        for (index, node) in list.iter().enumerate() {
            faults.push(read_fault(node).map_err(|problem| in_fault(index, problem))?);
        }
        let script = Self { seed, faults };
        match script.clash() {
            None => Ok(script),
            Some((Some(index), problem)) => Err(in_fault(index, problem)),
            Some((None, problem)) => Err(error(root.place_of(problem.key()), None, problem)),
        }
    }
}

impl Fault {
    /// Reads one fault in JSON: an object as in the list of a [`FaultScript`].
    ///
    /// # Errors
    /// [`FaultScriptError`] for the first thing that is wrong, with its place.
    pub fn from_json(text: &str) -> Result<Self, FaultScriptError> {
        let node = tree::from_json(text)?;
        read_fault(&node).map_err(|problem| FaultScriptError {
            place: Some(ScriptPlace::of(text, node.place_of(problem.key()))),
            fault: name_of(&node).map(shown),
            problem,
        })
    }
}

fn name_of(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Table(entries) => entries.iter().find_map(|(key, node)| match (key.as_str(), &node.value) {
            ("name", Value::Text(name)) if !name.is_empty() => Some(name.as_str()),
            _ => None,
        }),
        _ => None,
    }
}

fn top_keys(root: &Node) -> Result<(u64, &[Node]), FaultProblem> {
    let mut keys = Keys::new(root)?;
    let seed = keys.whole("seed")?.unwrap_or_default();
    let faults = match keys.take("fault") {
        None => &[],
        Some(Node { value: Value::List(list), .. }) => list.as_slice(),
        Some(other) => return Err(wrong("fault", other)),
    };
    keys.end()?;
    Ok((seed, faults))
}

fn read_fault(node: &Node) -> Result<Fault, FaultProblem> {
    let mut keys = Keys::new(node)?;
    let name = need("name", keys.text("name")?)?;
    let mailbox = match keys.take("mailbox") {
        None => None,
        Some(node) => match &node.value {
            Value::Text(id) => Some(id.parse().map_err(|_| wrong("mailbox", node))?),
            _ => return Err(wrong("mailbox", node)),
        },
    };
    let calls = match keys.take("call") {
        None => Vec::new(),
        Some(Node { value: Value::List(list), .. }) => {
            list.iter().map(read_call).collect::<Result<_, _>>()?
        }
        Some(node) => vec![read_call(node)?],
    };
    let fault = Fault {
        mailbox,
        calls,
        skip: keys.whole("skip")?.unwrap_or_default(),
        times: keys.whole("times")?,
        probability: match keys.take("probability") {
            None => 1.0,
            Some(node) => match node.value {
                Value::Decimal(number) => number,
                Value::Whole(0) => 0.0,
                Value::Whole(1) => 1.0,
                _ => return Err(wrong("probability", node)),
            },
        },
        effect: read_effect(&mut keys)?,
        name,
    };
    keys.end()?;
    fault.checked()
}

fn read_call(node: &Node) -> Result<Call, FaultProblem> {
    let named = |call: &Call| matches!(&node.value, Value::Text(name) if name == call.name());
    Call::ALL.into_iter().find(named).ok_or_else(|| wrong("call", node))
}

fn read_effect(keys: &mut Keys<'_>) -> Result<Effect, FaultProblem> {
    let node = need("effect", keys.take("effect"))?;
    let Value::Text(name) = &node.value else {
        return Err(wrong("effect", node));
    };
    Ok(match name.as_str() {
        "lose-answer" => Effect::LoseAnswer,
        "cut-request" => Effect::CutRequest { after_bytes: keys.need_whole("after_bytes")? },
        "cut-answer" => Effect::CutAnswer { after_bytes: keys.need_whole("after_bytes")? },
        "truncate-body" => Effect::TruncateBody { bytes: keys.need_whole("bytes")? },
        "delay" => Effect::Delay { millis: keys.need_whole("millis")? },
        "slow-body" => Effect::SlowBody { bytes_per_second: keys.need_whole("bytes_per_second")? },
        "status" => Effect::Status {
            status: keys.need_whole("status")?,
            retry_after_seconds: keys.whole("retry_after_seconds")?,
            body: keys.page()?,
        },
        "duplicate-entries" => Effect::DuplicateEntries { copies: keys.need_whole("copies")? },
        "clog-inbox" => Effect::ClogInbox {
            messages: keys.need_whole("messages")?,
            workflow_id: need("workflow_id", keys.text("workflow_id")?)?,
        },
        "late-report" => Effect::LateReport { seconds: keys.need_whole("seconds")? },
        "report-out-of-order" => Effect::ReportOutOfOrder,
        _ => return Err(wrong("effect", node)),
    })
}

fn wrong(key: &'static str, node: &Node) -> FaultProblem {
    FaultProblem::Value { key, found: node.shown() }
}

fn need<T>(key: &'static str, value: Option<T>) -> Result<T, FaultProblem> {
    value.ok_or(FaultProblem::Missing { key })
}

/// The entries of a table, and which keys were asked for: those are the ones that have a meaning there.
struct Keys<'a> {
    entries: &'a [(String, Node)],
    asked: Vec<&'static str>,
}

impl<'a> Keys<'a> {
    fn new(node: &'a Node) -> Result<Self, FaultProblem> {
        match &node.value {
            Value::Table(entries) => Ok(Self { entries, asked: Vec::new() }),
            _ => Err(wrong("fault", node)),
        }
    }

    fn take(&mut self, key: &'static str) -> Option<&'a Node> {
        self.asked.push(key);
        self.entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    fn text(&mut self, key: &'static str) -> Result<Option<String>, FaultProblem> {
        match self.take(key) {
            None => Ok(None),
            Some(Node { value: Value::Text(text), .. }) => Ok(Some(text.clone())),
            Some(node) => Err(wrong(key, node)),
        }
    }

    fn whole<T: TryFrom<u64>>(&mut self, key: &'static str) -> Result<Option<T>, FaultProblem> {
        let Some(node) = self.take(key) else {
            return Ok(None);
        };
        // Checked here and not by the fault alone, because a number may be too large for its type.
        let number = match node.value {
            Value::Whole(number) => u64::try_from(number).ok().filter(|number| range(key).contains(number)),
            _ => None,
        };
        let number = number.and_then(|number| T::try_from(number).ok());
        number.map(Some).ok_or_else(|| wrong(key, node))
    }

    fn need_whole<T: TryFrom<u64>>(&mut self, key: &'static str) -> Result<T, FaultProblem> {
        need(key, self.whole(key)?)
    }

    fn page(&mut self) -> Result<Page, FaultProblem> {
        let Some(node) = self.take("body") else {
            return Ok(Page::default());
        };
        let named = |(name, _): &(&str, Page)| matches!(&node.value, Value::Text(text) if text == name);
        Page::ALL.into_iter().find(named).map(|(_, page)| page).ok_or_else(|| wrong("body", node))
    }

    /// Refuses a key that nobody asked for.
    fn end(self) -> Result<(), FaultProblem> {
        match self.entries.iter().find(|(key, _)| !self.asked.contains(&key.as_str())) {
            None => Ok(()),
            Some((key, _)) => {
                Err(FaultProblem::UnknownKey { key: key.clone(), known: self.asked.join(", ") })
            }
        }
    }
}

#[cfg(test)]
mod tests;
