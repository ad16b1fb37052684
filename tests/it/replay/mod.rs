//! Traces, played again.

mod cases;
mod program;
mod real;
