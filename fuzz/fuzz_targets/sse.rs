#![no_main]

authtrace_fuzz::fuzz!("sse");
