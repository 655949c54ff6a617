//! JSON bodies of the admin calls: read field by field, and refused as the official emulator refuses them
//! (`mesh-api.md` 3.4): all faults together, the body repeated.

use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use crate::answer::Refusal;
use crate::text::Text;

/// Largest body of an admin call, in bytes.
pub(super) const JSON_BYTES_MAX: u64 = 1_000_000;

fn refused(fault: Value, body: Option<Value>) -> Refusal {
    let mut answer = json!({ "detail": [fault] });
    if let Some(body) = body {
        answer["body"] = body;
    }
    Refusal::Json { status: StatusCode::BAD_REQUEST, body: answer }
}

fn missing() -> Value {
    json!({"type": "missing", "loc": ["body"], "msg": "Field required"})
}

fn no_object(value: Value) -> Refusal {
    let fault = json!({"type": "model_attributes_type", "loc": ["body"],
        "msg": "Input should be a valid dictionary or object to extract fields from", "input": value});
    refused(fault, Some(value))
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).map(Text::from).unwrap_or_default();
    let media_type = media_type.read().to_lowercase();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.strip_prefix("application/").is_some_and(|kind| kind == "json" || kind.ends_with("+json"))
}

/// What is null is left out of what is repeated.
fn without_nulls(fields: &Map<String, Value>) -> Map<String, Value> {
    fields
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// A JSON object that is read field by field.
pub(super) struct Object {
    fields: Map<String, Value>,
    faults: Vec<Value>,
}

impl Object {
    /// Reads a body of this media type; one that is not JSON's is taken as a text.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        if body.is_empty() {
            return Err(refused(missing(), None));
        }
        if !is_json(headers) {
            return Err(no_object(Value::String(String::from_utf8_lossy(body).into_owned())));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self { fields, faults: Vec::new() }),
            Ok(Value::Null) => Err(refused(missing(), None)),
            Ok(other) => Err(no_object(other)),
            Err(error) => {
                // Bytes that are no text are not repeated.
                let text = String::from_utf8(body.to_vec()).unwrap_or_default();
                let at = if text.is_empty() { 0 } else { error.column().saturating_sub(1) };
                let fault = json!({"type": "json_invalid", "loc": ["body", at],
                    "msg": "JSON decode error", "input": {}, "ctx": {"error": "Expecting value"}});
                Err(refused(fault, Some(Value::String(text))))
            }
        }
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, name: &'static str) -> String {
        if self.fields.contains_key(name) {
            return self.text(name, false).unwrap_or_default();
        }
        self.faults.push(json!({"type": "missing", "loc": ["body", name], "msg": "Field required",
            "input": without_nulls(&self.fields)}));
        String::new()
    }

    /// A text that may be absent or null.
    pub(super) fn optional(&mut self, name: &'static str) -> Option<String> {
        self.text(name, true)
    }

    /// A text that may be absent, and is not null.
    pub(super) fn defaulted(&mut self, name: &'static str, default: &str) -> String {
        match self.fields.contains_key(name) {
            true => self.text(name, false).unwrap_or_default(),
            false => default.to_owned(),
        }
    }

    fn text(&mut self, name: &'static str, nullable: bool) -> Option<String> {
        match self.fields.get(name) {
            Some(Value::String(text)) => return Some(text.clone()),
            None => return None,
            Some(Value::Null) if nullable => return None,
            Some(other) => {
                let mut fault = json!({"type": "string_type", "loc": ["body", name],
                    "msg": "Input should be a valid string"});
                // The official emulator leaves out what is null.
                if !other.is_null() {
                    fault["input"] = other.clone();
                }
                self.faults.push(fault);
            }
        }
        None
    }

    /// Refuses the call when something did not pass.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        if self.faults.is_empty() {
            return Ok(());
        }
        let body = json!({"detail": self.faults, "body": without_nulls(&self.fields)});
        Err(Refusal::Json { status: StatusCode::BAD_REQUEST, body })
    }
}
