//! Bytes of heads and bodies become redacted facts.
//!
//! Comes in: heads as the parser split them ([`RequestSource`], [`ResponseSource`]) and bodies as they pass, in any
//! content coding ([`BodyReader`]). Goes out: what a trace may hold ([`RequestFacts`], [`ResponseFacts`],
//! [`BodyFacts`]). Of most bodies nothing is read. What has to be read (errors, token endpoints, event streams) is
//! decoded within bounds, looked at once, and wiped.
//!
//! This room never does I/O, never keeps a body, never fails: what it cannot read it says it could not read.

mod body;
mod coding;
mod error;
mod fields;
mod head;
mod json;
mod memo;
mod oauth;
mod route;
mod source;
mod sse;
#[cfg(test)]
mod tests;
mod tone;

pub use body::{BodyFacts, BodyReader, request_body, response_body};
pub use head::{Extractor, RequestFacts, ResponseFacts};
pub use oauth::merge_oauth;
pub use route::Route;
pub use source::{RawField, RequestSource, ResponseSource, Scheme, Version};
