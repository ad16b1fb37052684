//! Tests that need more than one room: real sockets, foreign programs, the binary itself.

#[cfg(test)] // clippy takes helpers of a test for test code only so
mod ca;
#[cfg(test)]
mod launch;
