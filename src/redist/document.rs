//! JSON objects with their keys in order, and no key twice: a parser that keeps the last of two
//! equal keys would lose an archive without a word.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// `{ … }`, in the order of the file.
    Object(Vec<(String, Value)>),
    /// `[ … ]`
    List(Vec<Value>),
    /// `"…"`
    Text(String),
    /// A number, as it is written.
    Number(String),
    /// true, false or null.
    Word(&'static str),
}

/// Parses a whole text.
pub(crate) fn parse(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

impl Value {
    /// The value of a key, where this is an object that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.entries()?
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// The keys and values of an object.
    pub(crate) fn entries(&self) -> Option<&[(String, Value)]> {
        match self {
            Value::Object(entries) => Some(entries),
            _ => None,
        }
    }

    /// A text as JSON writes it.
    pub(super) fn quoted(text: &str) -> String {
        serde_json::Value::from(text).to_string()
    }

    /// The characters of a text.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The value for a message: at most 80 characters.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Object(_) => f.write_str("an object"),
            Value::List(_) => f.write_str("a list"),
            Value::Text(text) if text.chars().count() > 80 => {
                let start: String = text.chars().take(77).collect();
                write!(f, "`{}...`", start.escape_debug())
            }
            Value::Text(text) => write!(f, "`{}`", text.escape_debug()),
            Value::Number(number) => write!(f, "the number {number}"),
            Value::Word(word) => f.write_str(word),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Word(if value { "true" } else { "false" }))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Word("null"))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !keys.insert(key.clone()) {
                return Err(A::Error::custom(format!(
                    "the key `{}` occurs twice in one object",
                    key.escape_debug()
                )));
            }
            entries.push((key, map.next_value()?));
        }
        Ok(Value::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_occurs_twice_is_an_error() {
        let error = parse("{\"a\": {\"b\": 1,\n \"b\": 2}}")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "the key `b` occurs twice in one object at line 2 column 4"
        );
    }

    #[test]
    fn values_are_shown_short_and_without_controls() {
        let shown = |text: &str| parse(text).unwrap().to_string();
        assert_eq!(shown("{}"), "an object");
        assert_eq!(shown("12"), "the number 12");
        assert_eq!(shown("\"a\\u001b[1m\""), "`a\\u{1b}[1m`");
        assert_eq!(shown(&format!("\"{}\"", "a".repeat(200))).len(), 82);
    }
}
