//! Traces, played again.

mod cases;
mod real;
