#![no_main]

authtrace_fuzz::fuzz!("scenario");
