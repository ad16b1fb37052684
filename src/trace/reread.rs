//! Text of a trace file on its way back into the program: it is redacted again, so that an edited or foreign file
//! cannot bring anything in that a capture would not have written.

use super::exchange::HeaderField;
use crate::redact::{Redacted, reread};
use serde::{Deserialize, Deserializer};

macro_rules! readers {
    ($($one:ident, $maybe:ident => $how:path;)*) => {$(
        #[allow(dead_code, reason = "the table is regular; not every form of every reader is in use")]
        pub(super) fn $one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Redacted, D::Error> {
            String::deserialize(deserializer).map(|text| $how(&text))
        }
        #[allow(dead_code, reason = "the table is regular; not every form of every reader is in use")]
        pub(super) fn $maybe<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Redacted>, D::Error> {
            Ok(Option::<String>::deserialize(deserializer)?.map(|text| $how(&text)))
        }
    )*};
}

readers! {
    text, maybe_text => reread::text;
    identifier, maybe_identifier => reread::identifier;
    host, maybe_host => reread::host;
    path, maybe_path => reread::path;
    request_id, maybe_request_id => reread::request_id;
}

pub(super) fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Redacted>, D::Error> {
    Ok(Vec::<String>::deserialize(deserializer)?.iter().map(|text| reread::host(text)).collect())
}

pub(super) fn identifiers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Redacted>, D::Error> {
    Ok(Vec::<String>::deserialize(deserializer)?.iter().map(|text| reread::identifier(text)).collect())
}

impl<'de> Deserialize<'de> for HeaderField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Written {
            name: String,
            value: String,
        }
        let written = Written::deserialize(deserializer)?;
        let (name, value) = reread::header(&written.name, &written.value);
        Ok(Self { name, value })
    }
}
