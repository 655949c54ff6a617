//! Which faults strike a call.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use mesh_api::MailboxId;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;

use super::effect::{Call, Effect};
use super::error::{FaultProblem, FaultScriptError};
use super::fault::{Fault, as_text, shown};
use super::script::{FAULTS_MAX, FaultScript};

/// How many of the latest strikes are remembered; older ones are forgotten.
pub const FIRED_MAX: usize = 1_000;

/// The faults in force, shared by all connections of a server.
///
/// Each fault draws its chances from the script's seed and its own name, one at every match. So what its n-th
/// match draws is the same in every run, whatever other faults there are.
#[derive(Debug)]
pub struct Faults {
    /// Whether there are faults at all. It is asked on every call, and mostly there are none.
    any: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    seed: u64,
    /// At most [`FAULTS_MAX`].
    armed: Vec<Armed>,
    /// At most [`FIRED_MAX`], newest last.
    fired: VecDeque<Fired>,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    chance: StdRng,
    matched: u64,
    fired: u64,
}

/// A fault that strikes the call at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Struck {
    /// Its name.
    pub name: String,
    /// What is to be done.
    pub effect: Effect,
}

/// A fault in force and its counts since it was put there. Its JSON is that of the fault with two more keys.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// The fault.
    #[serde(flatten)]
    pub fault: Fault,
    /// How many calls it was about.
    pub matched: u64,
    /// How many of them it struck.
    pub fired: u64,
}

/// A strike that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fired {
    /// Name of the fault.
    pub name: String,
    /// When; ISO 8601 in JSON.
    pub at: Timestamp,
    /// Whose call it was, or who gets the report. `None` for calls that name no mailbox.
    #[serde(serialize_with = "as_text")]
    pub mailbox: Option<MailboxId>,
    /// The call.
    pub call: Call,
    /// Name of the effect.
    pub effect: &'static str,
}

impl Faults {
    /// Puts a script in force.
    pub fn new(script: FaultScript) -> Self {
        let state = State { seed: 0, armed: Vec::new(), fired: VecDeque::new() };
        let faults = Self { any: AtomicBool::new(false), state: Mutex::new(state) };
        faults.replace(script);
        faults
    }

    /// Puts another script in force. All counts and chances start again; [`Self::fired`] is kept.
    pub fn replace(&self, script: FaultScript) {
        let (seed, faults) = script.into_parts();
        self.change(|state| {
            state.seed = seed;
            state.armed = faults.into_iter().map(|fault| Armed::new(seed, fault)).collect();
        });
    }

    /// Puts one more fault in force, after the others. If there is one of that name, the new one takes its place,
    /// and counts and chances start again.
    ///
    /// # Errors
    /// [`FaultScriptError`] without a place if the fault cannot be, or if [`FAULTS_MAX`] are in force. Nothing
    /// has changed then.
    pub fn add(&self, fault: Fault) -> Result<(), FaultScriptError> {
        let fault = fault.checked_by_name()?;
        self.change(|state| {
            let armed = Armed::new(state.seed, fault);
            let full = state.armed.len() >= FAULTS_MAX;
            match state.armed.iter_mut().find(|old| old.fault.name == armed.fault.name) {
                Some(old) => *old = armed,
                None if full => {
                    let fault = Some(shown(&armed.fault.name));
                    return Err(FaultScriptError { place: None, fault, problem: FaultProblem::TooMany });
                }
                None => state.armed.push(armed),
            }
            Ok(())
        })
    }

    /// Takes the fault of this name out of force. Says whether there was one.
    pub fn remove(&self, name: &str) -> bool {
        self.change(|state| {
            let before = state.armed.len();
            state.armed.retain(|armed| armed.fault.name != name);
            state.armed.len() < before
        })
    }

    /// Asks which faults strike a call, in the order of the script. To be asked once a call, because asking
    /// counts. `at` is for [`Self::fired`] alone.
    ///
    /// Of the effects that decide what becomes of a call (see [`Effect`]) at most one is in the answer: the first
    /// that would strike. A later fault of that sort counts the match, but has not fired: its `times` are not
    /// used up by calls on which nothing could be seen of it, so it strikes the next call that is left to it.
    pub fn strike(&self, mailbox: Option<&MailboxId>, call: Call, at: Timestamp) -> Vec<Struck> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut state = self.lock();
        let State { armed, fired, .. } = &mut *state;
        let mut decided = false;
        let mut struck = Vec::new();
        for armed in armed.iter_mut().filter(|armed| armed.fault.matches(mailbox, call)) {
            let would_strike = armed.meet();
            let decides = armed.fault.effect.decides();
            if !would_strike || (decides && decided) {
                continue;
            }
            decided |= decides;
            armed.fired = armed.fired.saturating_add(1);
            let Fault { name, effect, .. } = &armed.fault;
            if fired.len() == FIRED_MAX {
                fired.pop_front();
            }
            let effect_name = effect.name();
            fired.push_back(Fired {
                name: name.clone(),
                at,
                mailbox: mailbox.cloned(),
                call,
                effect: effect_name,
            });
            struck.push(Struck { name: name.clone(), effect: effect.clone() });
        }
        struck
    }

    /// The faults in force, in their order. Those that are used up stay until they are removed.
    pub fn standing(&self) -> Vec<Standing> {
        let standing = |armed: &Armed| Standing {
            fault: armed.fault.clone(),
            matched: armed.matched,
            fired: armed.fired,
        };
        self.lock().armed.iter().map(standing).collect()
    }

    /// The latest strikes, newest last, at most [`FIRED_MAX`].
    pub fn fired(&self) -> Vec<Fired> {
        self.lock().fired.iter().cloned().collect()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let outcome = change(&mut state);
        self.any.store(!state.armed.is_empty(), Ordering::Release);
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Armed {
    fn new(seed: u64, fault: Fault) -> Self {
        let chance = StdRng::seed_from_u64(seed ^ fnv1a(&fault.name));
        Self { fault, chance, matched: 0, fired: 0 }
    }

    /// Counts a match, and says whether the fault would strike.
    fn meet(&mut self) -> bool {
        let passes_by = self.matched < self.fault.skip;
        self.matched = self.matched.saturating_add(1);
        // Drawn even where nothing hangs on it, so that no other fault can shift the later draws.
        let lucky = self.chance.random::<f64>() < self.fault.probability;
        let used_up = self.fault.times.is_some_and(|times| self.fired >= times);
        lucky && !passes_by && !used_up
    }
}

/// The hash FNV-1a in 64 bits. Unlike those of the standard library it is the same in every build.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::effect::Page;

    const DELAY: Effect = Effect::Delay { millis: 5 };

    fn faults(seed: u64, faults: Vec<Fault>) -> Faults {
        Faults::new(FaultScript::new(seed, faults).expect("a script"))
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    /// The names that strike a call to send.
    fn names(faults: &Faults) -> Vec<String> {
        faults.strike(None, Call::Send, second(0)).into_iter().map(|struck| struck.name).collect()
    }

    /// On which of `count` calls the fault strikes.
    fn pattern(faults: &Faults, name: &str, count: usize) -> Vec<bool> {
        (0..count).map(|_| names(faults).iter().any(|struck| struck == name)).collect()
    }

    fn counts(faults: &Faults) -> Vec<(u64, u64)> {
        faults.standing().iter().map(|standing| (standing.matched, standing.fired)).collect()
    }

    #[test]
    fn without_faults_nothing_strikes() {
        let faults = faults(0, Vec::new());
        assert!(names(&faults).is_empty() && faults.fired().is_empty() && faults.standing().is_empty());
    }

    #[test]
    fn skip_comes_first_then_times() {
        let some = Fault { skip: 2, times: Some(3), ..Fault::new("some", DELAY) };
        let faults = faults(0, vec![some]);
        let expected = [false, false, true, true, true, false, false];
        assert_eq!(pattern(&faults, "some", 7), expected);
        assert_eq!(counts(&faults), [(7, 3)]);
    }

    #[test]
    fn chances_repeat_and_no_fault_disturbs_another() {
        let half = || Fault { probability: 0.5, ..Fault::new("half", DELAY) };
        let alone = pattern(&faults(1, vec![half()]), "half", 200);
        let hits = alone.iter().filter(|hit| **hit).count();
        assert!((70..=130).contains(&hits), "{hits} of 200");
        assert_eq!(pattern(&faults(1, vec![half()]), "half", 200), alone);
        assert_ne!(pattern(&faults(2, vec![half()]), "half", 200), alone);

        let other = Fault { probability: 0.5, skip: 3, ..Fault::new("other", DELAY) };
        let both = faults(1, vec![other, half()]);
        assert_eq!(pattern(&both, "half", 200), alone);
        let other = Fault { probability: 0.5, ..Fault::new("other", DELAY) };
        assert_ne!(pattern(&faults(1, vec![other]), "other", 200), alone, "each name has its own chances");

        // Skipped matches draw too: the rest of the sequence stays where it was.
        let skipping = pattern(&faults(1, vec![Fault { skip: 50, ..half() }]), "half", 200);
        assert_eq!(skipping[..50], [false; 50]);
        assert_eq!(skipping[50..], alone[50..]);
    }

    #[test]
    fn certain_and_impossible_faults_are_so() {
        let never = Fault { probability: 0.0, ..Fault::new("never", DELAY) };
        let faults = faults(3, vec![never, Fault::new("always", DELAY)]);
        assert!(pattern(&faults, "always", 500).iter().all(|hit| *hit));
        assert_eq!(counts(&faults), [(500, 0), (500, 500)]);
    }

    #[test]
    fn one_fault_decides_a_call_and_the_rest_combine() {
        let status = Effect::Status { status: 503, retry_after_seconds: None, body: Page::Empty };
        let faults = faults(
            0,
            vec![
                Fault { times: Some(1), ..Fault::new("lose", Effect::LoseAnswer) },
                Fault::new("slow", Effect::SlowBody { bytes_per_second: 9 }),
                Fault { times: Some(1), ..Fault::new("status", status) },
                Fault { times: Some(1), ..Fault::new("cut", Effect::CutRequest { after_bytes: 1 }) },
                Fault::new("delay", DELAY),
                Fault { times: Some(1), ..Fault::new("cut answer", Effect::CutAnswer { after_bytes: 1 }) },
            ],
        );
        assert_eq!(names(&faults), ["lose", "slow", "delay"]);
        assert_eq!(names(&faults), ["slow", "status", "delay"]);
        assert_eq!(names(&faults), ["slow", "cut", "delay"]);
        assert_eq!(names(&faults), ["slow", "delay", "cut answer"]);
        assert_eq!(names(&faults), ["slow", "delay"]);
        assert_eq!(counts(&faults), [(5, 1), (5, 5), (5, 1), (5, 1), (5, 5), (5, 1)]);
    }

    #[test]
    fn only_calls_that_match_are_counted() {
        let mine: MailboxId = "x26abc1".parse().expect("a mailbox id");
        let other: MailboxId = "X26ABC2".parse().expect("a mailbox id");
        let script = r#"fault = [{ name = "mine", mailbox = "X26abc1", call = "list", effect = "duplicate-entries", copies = 3 }]"#;
        let faults = Faults::new(FaultScript::from_toml(script).expect("a script"));
        assert!(faults.strike(Some(&other), Call::List, second(0)).is_empty());
        assert!(faults.strike(Some(&mine), Call::Count, second(0)).is_empty());
        assert!(faults.strike(None, Call::Lookup, second(0)).is_empty());
        assert_eq!(counts(&faults), [(0, 0)]);
        let struck = faults.strike(Some(&mine), Call::List, second(0));
        assert_eq!(
            struck,
            [Struck { name: "mine".to_owned(), effect: Effect::DuplicateEntries { copies: 3 } }]
        );
    }

    #[test]
    fn faults_come_and_go_while_the_server_runs() {
        let faults = faults(0, vec![Fault::new("one", DELAY), Fault::new("two", DELAY)]);
        assert_eq!(names(&faults), ["one", "two"]);
        let again = Fault { skip: 1, ..Fault::new("one", Effect::LoseAnswer) };
        faults.add(again).expect("a sound fault");
        faults.add(Fault::new("three", DELAY)).expect("a sound fault");
        assert_eq!(counts(&faults), [(0, 0), (1, 1), (0, 0)]);
        assert_eq!(names(&faults), ["two", "three"]);
        assert_eq!(names(&faults), ["one", "two", "three"]);
        assert!(faults.remove("two") && !faults.remove("two"));
        assert!(faults.add(Fault { times: Some(0), ..Fault::new("bad", DELAY) }).is_err());
        assert_eq!(names(&faults), ["one", "three"]);

        let fired = faults.fired().len();
        faults.replace(FaultScript::new(0, vec![Fault::new("one", DELAY)]).expect("a script"));
        assert_eq!((counts(&faults), faults.fired().len()), (vec![(0, 0)], fired));
        assert!(faults.remove("one"));
        assert!(names(&faults).is_empty());
        faults.add(Fault::new("last", DELAY)).expect("a sound fault");
        assert_eq!(names(&faults), ["last"]);
    }

    #[test]
    fn faults_in_force_are_bounded() {
        let many = (0..FAULTS_MAX).map(|number| Fault::new(number.to_string(), DELAY)).collect();
        let faults = faults(0, many);
        let error = faults.add(Fault::new("more", DELAY)).expect_err("too many").to_string();
        assert_eq!(error, "fault script, fault \"more\": there are more than 1000 faults: remove some");
        faults.add(Fault::new("7", DELAY)).expect("in place of another");
        assert_eq!(faults.standing().len(), FAULTS_MAX);
    }

    #[test]
    fn only_the_latest_strikes_are_remembered() {
        let faults = faults(0, vec![Fault::new("one", DELAY)]);
        for number in 0..1_005 {
            faults.strike(None, Call::Send, second(number));
        }
        let fired = faults.fired();
        assert_eq!(fired.len(), FIRED_MAX);
        assert_eq!([fired[0].at, fired[FIRED_MAX - 1].at], [second(5), second(1_004)]);
        assert_eq!(counts(&faults), [(1_005, 1_005)]);
    }

    #[test]
    fn standing_and_fired_have_a_form_in_json() {
        let mailbox: MailboxId = "X26ABC1".parse().expect("a mailbox id");
        let one = Fault {
            mailbox: Some(mailbox.clone()),
            calls: vec![Call::SendChunk],
            times: Some(2),
            ..Fault::new("one", DELAY)
        };
        let faults = faults(0, vec![one]);
        faults.strike(Some(&mailbox), Call::SendChunk, second(1_800_000_000));
        let standing = serde_json::to_value(faults.standing()).expect("JSON");
        let expected = serde_json::json!([{
            "name": "one", "mailbox": "X26ABC1", "call": ["send-chunk"], "skip": 0, "times": 2,
            "probability": 1.0, "effect": "delay", "millis": 5, "matched": 1, "fired": 1,
        }]);
        assert_eq!(standing, expected);
        let fired = serde_json::to_value(faults.fired()).expect("JSON");
        let expected = serde_json::json!([{
            "name": "one", "at": "2027-01-15T08:00:00Z", "mailbox": "X26ABC1", "call": "send-chunk", "effect": "delay",
        }]);
        assert_eq!(fired, expected);
    }
}
