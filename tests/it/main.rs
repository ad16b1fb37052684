//! Tests that need more than one room: real sockets, foreign programs, the binary itself.

mod ca;
mod compile_fail;
