//! What is fuzzed: one function per target, from bytes to a panic if a promise is broken.
//!
//! The fuzzer calls them with bytes of its own (`fuzz/run`), `cargo test` with every seed (`tests/it/fuzz_seeds.rs`). They
//! use nothing but the library's public surface.

mod body;
mod client_log;
mod connect;
mod exchange;
mod expect;
mod explain;
mod framing;
mod har;
mod header;
mod message;
mod scenario;
mod secret;
mod sse;
mod told;
mod trace;
mod transcript;
mod url;

/// A name (also of its seeds' folder) and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, sorted by name.
pub const TARGETS: &[Target] = &[
    ("body", body::run),
    ("client_log", client_log::run),
    ("connect", connect::run),
    ("exchange", exchange::run),
    ("expect", expect::run),
    ("explain", explain::run),
    ("framing", framing::run),
    ("har", har::run),
    ("header", header::run),
    ("message", message::run),
    ("scenario", scenario::run),
    ("sse", sse::run),
    ("trace", trace::run),
    ("url", url::run),
];
