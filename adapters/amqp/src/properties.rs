//! Properties and headers of AMQP messages, as text and back.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use relay_carrier::header::{self, Meaning};
use relay_carrier::{Given, Reason, Unfit};

/// Longest text that a property holds, in bytes.
pub(crate) const PROPERTY_BYTES_MAX: usize = 255;
/// A message that outlives a restart of the broker.
pub(crate) const PERSISTENT: u8 = 2;

/// A text as a property, where it fits.
pub(crate) fn short(text: &str) -> Option<ShortString> {
    (text.len() <= PROPERTY_BYTES_MAX).then(|| text.into())
}

/// What a delivery says of itself; and what is wrong with it where one of the relay's own headers is no text. What else there
/// may be is nobody's business here.
pub(crate) fn read(properties: &BasicProperties) -> (Given, Option<Unfit>) {
    let text = |value: &Option<ShortString>| value.as_ref().map(|value| value.as_str().to_owned());
    let mut headers = Vec::new();
    let mut unfit = None;
    for (name, value) in properties.headers().iter().flat_map(FieldTable::inner) {
        match scalar(value) {
            Some(value) => headers.push((name.as_str().to_owned(), value)),
            None if header::meaning(name.as_str()) == Meaning::Foreign => {}
            // Programs write an absent value so.
            None if matches!(value, AMQPValue::Void) => {}
            None => {
                let sentence =
                    format!("{} is no text in UTF-8, no number and no flag", header::shown(name.as_str()));
                unfit = Some(Unfit { reason: Reason::NotText, sentence });
            }
        }
    }
    let given = Given {
        source: None,
        message_id: text(properties.message_id()).filter(|id| !id.is_empty()),
        correlation_id: text(properties.correlation_id()),
        reply_to: text(properties.reply_to()),
        content_type: text(properties.content_type()),
        headers,
    };
    (given, unfit)
}

fn scalar(value: &AMQPValue) -> Option<String> {
    Some(match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok()?.to_owned(),
        AMQPValue::ShortString(text) => text.as_str().to_owned(),
        AMQPValue::Boolean(flag) => flag.to_string(),
        AMQPValue::ShortShortInt(number) => number.to_string(),
        AMQPValue::ShortShortUInt(number) => number.to_string(),
        AMQPValue::ShortInt(number) => number.to_string(),
        AMQPValue::ShortUInt(number) => number.to_string(),
        AMQPValue::LongInt(number) => number.to_string(),
        AMQPValue::LongUInt(number) => number.to_string(),
        AMQPValue::LongLongInt(number) => number.to_string(),
        _ => return None,
    })
}

/// Adds a header as text of any length.
pub(crate) fn put(table: &mut FieldTable, name: &str, value: &str) {
    table.insert(name.into(), AMQPValue::LongString(value.into()));
}
