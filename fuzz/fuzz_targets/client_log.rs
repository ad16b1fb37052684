#![no_main]

authtrace_fuzz::fuzz!("client_log");
