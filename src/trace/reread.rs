//! Text of a trace file on its way back into the program: it is redacted again, so that an edited or foreign file
//! cannot bring anything in that a capture would not have written.

use super::exchange::HeaderField;
use crate::redact::{Redacted, reread};
use serde::{Deserialize, Deserializer};

macro_rules! read {
    ($($name:ident => $how:path;)*) => {$(
        pub(super) fn $name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Redacted, D::Error> {
            String::deserialize(deserializer).map(|text| $how(&text))
        }
    )*};
}

macro_rules! read_if_there {
    ($($name:ident => $how:path;)*) => {$(
        pub(super) fn $name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Redacted>, D::Error> {
            Ok(Option::<String>::deserialize(deserializer)?.map(|text| $how(&text)))
        }
    )*};
}

read! {
    text => reread::text;
    lane => lane_name;
    identifier => word;
    place => place_name;
    host => reread::host;
    path => reread::path;
    platform => platform_name;
}

read_if_there! {
    maybe_text => reread::text;
    maybe_identifier => word;
    maybe_protocol => protocol;
    maybe_request_id => request_id;
    maybe_edge_id => edge_id;
    maybe_scope => scope;
    maybe_program => program;
    maybe_scheme => scheme;
    maybe_capture_tool => capture_tool;
    maybe_version => version;
}

/// Versions of TLS, and ALPN names of HTTP.
const PROTOCOLS: [&str; 7] = ["TLSv1.2", "TLSv1.3", "TLS", "h2", "http/1.1", "http/1.0", "other"];

fn protocol(text: &str) -> Redacted {
    reread::identifier(text, &PROTOCOLS)
}

fn lane_name(text: &str) -> Redacted {
    reread::redactor().lane(text)
}

fn word(text: &str) -> Redacted {
    reread::word(text)
}

fn request_id(text: &str) -> Redacted {
    reread::redactor().request_id(text)
}

fn edge_id(text: &str) -> Redacted {
    reread::redactor().edge_id(text)
}

fn scope(text: &str) -> Redacted {
    reread::redactor().scope(text)
}

fn program(text: &str) -> Redacted {
    reread::redactor().program(text)
}

fn place_name(text: &str) -> Redacted {
    reread::redactor().place(text)
}

fn scheme(text: &str) -> Redacted {
    reread::redactor().auth_scheme(text)
}

fn capture_tool(text: &str) -> Redacted {
    reread::redactor().capture_tool(text)
}

fn version(text: &str) -> Redacted {
    reread::redactor().version(text)
}

fn platform_name(text: &str) -> Redacted {
    reread::redactor().platform(text)
}

pub(super) fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Redacted>, D::Error> {
    Ok(Vec::<String>::deserialize(deserializer)?.iter().map(|text| reread::host(text)).collect())
}

pub(super) fn identifiers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Redacted>, D::Error> {
    Ok(Vec::<String>::deserialize(deserializer)?.iter().map(|text| word(text)).collect())
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
