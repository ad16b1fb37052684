//! A recorded trace, played again: what its servers answered becomes a scenario, and where a client left the recorded path
//! is told.
//!
//! In comes the survey of a trace; out comes a [`Scenario`](crate::scenario::Scenario) that answers each route in the
//! recorded order, with made-up credentials of the same structure: what was one token there is one token here. Two
//! surveys come in for [`compare`], which says how the second differs from the first. [`minimise`] asks an oracle which
//! parts of a scenario matter.
//!
//! It does no io, starts nothing, reads no clock, and sees no credential but as a fingerprint. What authtrace answered
//! itself is never played as if a server had.

mod answer;
mod clients;
mod convert;
mod divergence;
mod elsewhere;
mod excerpt;
mod login;
mod minimise;
#[cfg(test)]
mod tests;

pub use convert::{ReplayError, Replayed, Speed, convert};
pub use divergence::{Divergence, Held, Next, Step, compare};
pub use excerpt::{Excerpt, excerpt};
pub use minimise::{Minimised, minimise};
