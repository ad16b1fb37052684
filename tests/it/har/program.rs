//! The program itself with HAR files.
