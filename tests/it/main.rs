//! Tests that need more than one room: real sockets, foreign programs, the binary itself.

#[cfg(test)]
mod bytes;
#[cfg(test)] // clippy takes functions beside a test for test code only so
mod ca;
#[cfg(test)]
mod clients;
mod compile_fail;
#[cfg(test)]
mod handshake;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod launch;
#[cfg(test)]
mod refusal;
#[cfg(test)]
mod support;
#[cfg(test)]
mod transport;
