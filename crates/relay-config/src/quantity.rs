//! Durations and sizes as people write them.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use thiserror::Error;

/// Units of a duration, in milliseconds.
const DURATION_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// Units of a size, in bytes.
const SIZE_UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];
const DURATION_FORMS: &str = "a duration in quotes, such as \"500ms\", \"30s\", \"5m\", \"2h\" or \"1d\"";
const SIZE_FORMS: &str = "a size in quotes, such as \"64KB\", \"20MB\" or \"1GB\" (or KiB, MiB, GiB)";

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// It is not a whole number and a known unit.
    #[error("{text:?} is not accepted; write {forms}")]
    Form {
        /// The text.
        text: String,
        /// What is accepted.
        forms: &'static str,
    },
    /// The number is beyond 64 bits.
    #[error("{text:?} is too large; leave it out for the default")]
    TooLarge {
        /// The text.
        text: String,
    },
}

/// A whole number, and at once behind it a unit. The answer is in the smallest unit.
fn parse(text: &str, units: &[(&str, u64)], forms: &'static str) -> Result<u64, QuantityError> {
    let wrong = || QuantityError::Form { text: text.to_owned(), forms };
    let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (digits, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    if digits.is_empty() {
        return Err(wrong());
    }
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
    number.ok_or_else(|| QuantityError::TooLarge { text: text.to_owned() })
}

/// A duration: a whole number and `ms`, `s`, `m`, `h` or `d`. Zero is taken; who cannot use it must say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval(Duration);

impl Interval {
    /// This duration.
    pub const fn of(duration: Duration) -> Self {
        Self(duration)
    }

    /// The duration.
    pub fn get(self) -> Duration {
        self.0
    }
}

impl From<Interval> for Duration {
    fn from(interval: Interval) -> Self {
        interval.0
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX), &DURATION_UNITS, f)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(self.0, &SIZE_UNITS, f)
    }
}

/// In the largest unit in which it is whole.
fn shown(number: u64, units: &[(&str, u64)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let whole = units.iter().filter(|(_, factor)| number >= *factor && number.is_multiple_of(*factor));
    // The smallest unit is 1, so only nothing at all has none.
    let (unit, factor) =
        whole.max_by_key(|(_, factor)| *factor).or(units.first()).copied().unwrap_or(("", 1));
    write!(f, "{}{unit}", number / factor)
}

impl FromStr for Interval {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        parse(text, &DURATION_UNITS, DURATION_FORMS).map(|millis| Self(Duration::from_millis(millis)))
    }
}

/// A number of bytes: a whole number and `B`, `KB`, `MB`, `GB` (decimal) or `KiB`, `MiB`, `GiB` (binary).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// So many bytes.
    pub const fn of_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        parse(text, &SIZE_UNITS, SIZE_FORMS).map(Self)
    }
}

/// So many messages in a while, such as `{ messages = 60, per = "1m" }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Rate {
    /// How many; at least 1.
    pub messages: u32,
    /// In how long.
    per: Interval,
}

impl Rate {
    /// In how long.
    pub fn per(self) -> Duration {
        self.per.get()
    }
}

/// Takes a text and nothing else, and says in its error what is accepted.
struct Text<T> {
    forms: &'static str,
    into: PhantomData<T>,
}

impl<T: FromStr<Err = QuantityError>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.forms)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text { forms: DURATION_FORMS, into: PhantomData })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text { forms: SIZE_FORMS, into: PhantomData })
    }
}
