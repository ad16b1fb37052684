//! What a person or a program reads of a trace: a screen, a text for an issue, JSON, lines while it runs.
//!
//! Comes in: a [`Survey`](crate::analyze::Survey), or single records for [`live`]. Goes out: text into the writer that
//! is handed in. Values are redacted already; control characters are taken out again at this edge, and markup is made
//! harmless. Never here: files, clocks, the environment (colours and width are the caller's decision), a verdict.

mod cells;
pub mod check;
mod client_view;
mod conclusion;
pub mod diff;
pub mod explain;
mod groups;
pub mod har;
mod histories;
pub mod html;
pub mod json;
pub mod live;
pub mod markdown;
mod phrases;
mod receipt;
mod selection;
mod style;
pub mod summary;
pub mod svg;
pub mod text;
mod timeline;
mod wording;

#[cfg(test)]
mod report_schema;
#[cfg(test)]
mod tests;

pub use style::{Ink, Style, clean, wrap};
