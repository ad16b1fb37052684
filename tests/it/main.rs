//! Tests that need more than one room: real sockets, foreign programs, the binary itself.

<<<<<<< HEAD
mod ca;
=======
mod compile_fail;
>>>>>>> d297c41435a0bc7f8f75945b5b0b20f57c933acf
