//! Tests that need more than one room: real sockets, foreign programs, the binary itself.

#[cfg(test)] // clippy takes functions beside a test for test code only so
mod ca;
#[cfg(test)]
mod canary;
#[cfg(test)]
mod clients;
mod compile_fail;
#[cfg(test)]
mod house;
#[cfg(test)]
mod launch;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod schema;
