//! authtrace as a crate in other people's tests.

mod clients;
mod commands;
mod gateway;
mod parallel;
mod real;
mod refused;
