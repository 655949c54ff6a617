//! Which keys a struct knows, asked of its own `Deserialize`.

use std::cell::Cell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

/// How `toml::Spanned` names itself and its value to a deserializer.
const SPANNED: &str = "$__serde_spanned_private_";
const SPANNED_VALUE: &str = "$__serde_spanned_private_value";

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// Into the value of a key.
    Key(String),
    /// Into an element of an array.
    Index(usize),
}

/// The path to a value as steps. What wraps a value without a key of its own leaves no step.
pub(crate) fn steps(path: &serde_ignored::Path<'_>) -> Vec<Step> {
    use serde_ignored::Path;
    match path {
        Path::Root => Vec::new(),
        Path::Seq { parent, index } => {
            let mut steps = steps(parent);
            steps.push(Step::Index(*index));
            steps
        }
        Path::Map { parent, key } => {
            let mut steps = steps(parent);
            if !key.starts_with(SPANNED) {
                steps.push(Step::Key(key.clone()));
            }
            steps
        }
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            steps(parent)
        }
    }
}

/// The keys of the struct that stands at `path` inside `T`. Empty where no struct says so, as behind
/// `#[serde(flatten)]` or inside an enum.
pub(crate) fn known_fields<T: DeserializeOwned>(path: &[Step]) -> &'static [&'static str] {
    let found = Cell::new(&[] as &'static [&'static str]);
    // The probe always ends in an error; what it met on the way is the answer.
    let _ = T::deserialize(Probe { path, found: &found });
    found.get()
}

/// Leads a `Deserialize` along the path and notes the fields that the last struct asks for.
struct Probe<'a> {
    path: &'a [Step],
    found: &'a Cell<&'static [&'static str]>,
}

/// The end of a probe.
#[derive(Debug)]
struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the probe ends here")
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        Err(Stop)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        if name.starts_with(SPANNED) {
            return visitor.visit_map(One { key: Some(SPANNED_VALUE), probe: self });
        }
        if self.path.is_empty() {
            self.found.set(fields);
            return Err(Stop);
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let Some((Step::Key(key), path)) = self.path.split_first() else {
            return Err(Stop);
        };
        let probe = Probe { path, found: self.found };
        visitor.visit_map(One { key: Some(key), probe })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let Some((Step::Index(_), path)) = self.path.split_first() else {
            return Err(Stop);
        };
        let probe = Probe { path, found: self.found };
        visitor.visit_seq(One { key: None, probe })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple tuple_struct enum identifier ignored_any
    }
}

/// A table of one key, or an array of one element, whose value is the probe.
struct One<'a> {
    key: Option<&'a str>,
    probe: Probe<'a>,
}

impl<'de> MapAccess<'de> for One<'_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Stop> {
        match self.key.take() {
            Some(key) => seed.deserialize(StrDeserializer::new(key)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        seed.deserialize(Probe { path: self.probe.path, found: self.probe.found })
    }
}

impl<'de> SeqAccess<'de> for One<'_> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Stop> {
        seed.deserialize(Probe { path: self.probe.path, found: self.probe.found }).map(Some)
    }
}
