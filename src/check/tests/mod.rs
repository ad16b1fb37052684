//! Files in, values or places out; traces in, outcomes out.

mod bad_input;
pub(crate) mod broken;
mod learnt;
mod rules;
mod schema;
pub(crate) mod story;
mod walk;
