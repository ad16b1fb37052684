//! What has to survive: the useful strings of each exchange, looked for in its own record.

use super::generator::Exchange;
use serde_json::Value;
use std::collections::HashMap;

/// The exchanges of a trace as text, by the id that the answer's head gave them.
pub(crate) struct Records(HashMap<String, String>);

impl Records {
    pub(crate) fn of(trace: &str) -> Self {
        let mut records = HashMap::new();
        for line in trace.lines().filter(|line| line.contains("\"record\":\"exchange\"")) {
            let value: Value = serde_json::from_str(line).unwrap();
            if let Some(id) = value["request_ids"]["header"].as_str() {
                let mut text = String::new();
                flatten(&value, "", &mut text);
                records.insert(id.to_owned(), text);
            }
        }
        Self(records)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The useful strings that are not in the record.
    pub(crate) fn lost<'a>(&self, exchange: &'a Exchange) -> Vec<&'a str> {
        let text = self.0.get(&exchange.id).map_or("", String::as_str);
        exchange.useful.iter().filter(|wanted| !text.contains(wanted.as_str())).map(String::as_str).collect()
    }
}

/// Every value with its name, one a line.
fn flatten(value: &Value, name: &str, out: &mut String) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten(value, name, out)),
        Value::Array(items) => items.iter().for_each(|value| flatten(value, name, out)),
        Value::String(text) => out.push_str(&format!("{name}={text}\n")),
        other => out.push_str(&format!("{name}={other}\n")),
    }
}
