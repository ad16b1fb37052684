//! One JSON value, read leniently: a field that is missing, null, doubled or of another type is no error.

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use zeroize::Zeroizing;

/// Levels that are looked at. HAR has seven; what lies deeper are call stacks and the like.
const DEPTH: usize = 16;

/// Fields of other tools that mean something here. All others whose names begin with an underscore are left unread.
const UNDERSTOOD: [&str; 7] =
    ["_authtrace", "_charlesStatus", "_client", "_error", "_fromCache", "_fetchedViaServiceWorker", "_tls"];

/// A JSON value. Its texts are wiped when it is dropped; it has no `Debug`.
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(Zeroizing<String>),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

static NULL: Json = Json::Null;

impl Json {
    /// Reads one value. The error says where it stands in `bytes` (line and column), and never what.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let json = Seed(0).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(json)
    }

    /// The field called `name`, the last one if there are several; null if there is none.
    pub(super) fn get(&self, name: &str) -> &Self {
        match self {
            Self::Object(fields) => fields.iter().rev().find(|(key, _)| key == name).map_or(&NULL, |(_, value)| value),
            _ => &NULL,
        }
    }

    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A text that says something.
    pub(super) fn word(&self) -> Option<&str> {
        self.text().map(str::trim).filter(|text| !text.is_empty())
    }

    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// A number, also one that is spelled as a text.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
        .filter(|number| number.is_finite())
    }

    /// A count; negative ones stand for "not known" in HAR.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be within bounds")]
    pub(super) fn count(&self) -> Option<u64> {
        self.number().filter(|number| (0.0..9e15).contains(number)).map(|number| number as u64)
    }

    /// Milliseconds with a fraction as microseconds.
    pub(super) fn micros(&self) -> Option<u64> {
        let micros = self.number()? * 1000.0;
        Self::Number(serde_json::Number::from_f64(micros.round())?).count()
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// As serde's own tree, for types that read themselves.
    pub(super) fn to_value(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(truth) => (*truth).into(),
            Self::Number(number) => number.clone().into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(items) => items.iter().map(Self::to_value).collect(),
            Self::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), value.to_value())).collect(),
        }
    }
}

/// Reads a value this many levels deep.
struct Seed(usize);

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Bool(truth))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Json, E> {
        Ok(serde_json::Number::from_f64(number).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        if self.0 >= DEPTH {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Json::Null);
        }
        while let Some(item) = items.next_element_seed(Self(self.0 + 1))? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(key) = fields.next_key::<String>()? {
            let foreign = key.starts_with('_') && !UNDERSTOOD.contains(&key.as_str());
            if foreign || self.0 >= DEPTH {
                fields.next_value::<IgnoredAny>()?;
            } else {
                let value = fields.next_value_seed(Self(self.0 + 1))?;
                object.push((key, value));
            }
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_odd_is_taken_as_it_is() {
        let text = br#"{"a":1,"a":"2.5","b":null,"c":-1,"_webSocketMessages":[{"data":"x"}],"d":[true]}"#;
        let json = Json::read(text).unwrap();
        assert_eq!(json.get("a").number(), Some(2.5));
        assert_eq!(json.get("a").micros(), Some(2500));
        assert_eq!(json.get("c").count(), None);
        assert_eq!(json.get("d").items()[0].truth(), Some(true));
        assert!(json.get("b").is_null() && json.get("none").is_null() && json.get("_webSocketMessages").is_null());
    }

    #[test]
    fn depth_is_bounded_and_not_an_error() {
        let text = format!("{{\"a\":{}1{}}}", "[".repeat(60), "]".repeat(60));
        assert!(Json::read(text.as_bytes()).is_ok());
        assert!(Json::read(b"{\"a\":").is_err());
    }
}
