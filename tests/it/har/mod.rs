//! HAR files: as other tools write them, and as authtrace writes them.

mod canary;
mod cases;
mod program;
mod round_trip;
mod tools;
mod validator;

use authtrace::analyze::Survey;
use authtrace::import::{Imported, har};
use authtrace::redact::Redactor;
use std::sync::Arc;

/// Reads a HAR with a redactor of its own.
fn import(text: &[u8]) -> Imported {
    har::read(text, &Arc::new(Redactor::plain())).unwrap()
}

fn survey(text: &[u8]) -> Survey {
    import(text).records.into_iter().collect()
}

fn export(survey: &Survey) -> Vec<u8> {
    let mut text = Vec::new();
    authtrace::export::har::write(survey, &mut text).unwrap();
    text
}
