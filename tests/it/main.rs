//! Tests that need more than one room: real sockets, foreign programs, the binary itself.
//!
//! Every module is under `cfg(test)`: clippy takes functions beside a test for test code only so.

#[cfg(test)]
mod attackers;
#[cfg(test)]
mod bisect;
#[cfg(test)]
mod bytes;
#[cfg(test)]
mod ca;
#[cfg(test)]
mod canary;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod cases_run;
#[cfg(test)]
mod check;
#[cfg(test)]
mod check_formats;
#[cfg(test)]
mod ci_machine;
#[cfg(test)]
mod client_log;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod compile_fail;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod diff;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod fuzz_seeds;
#[cfg(test)]
mod guard_options;
#[cfg(test)]
mod guarded_client;
#[cfg(test)]
mod handshake;
#[cfg(test)]
mod har;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod house;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod launch;
#[cfg(test)]
mod leaks;
#[cfg(test)]
mod learnt;
#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod picture;
#[cfg(test)]
mod played;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod real_client;
#[cfg(test)]
mod receipt;
#[cfg(test)]
mod recorder;
#[cfg(test)]
mod refusal;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod sdk;
#[cfg(test)]
mod supervise;
#[cfg(test)]
mod support;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod told;
#[cfg(test)]
mod transport;
#[cfg(test)]
mod variants;
