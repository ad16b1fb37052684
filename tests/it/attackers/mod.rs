//! What somebody near the user could try, against the program itself: another user of the machine, a web page in the
//! browser, a server or a sender of files that wants to write on the user's screen. SECURITY.md names these tests.

mod browser;
mod files;
mod memory;
mod processes;
mod screen;
