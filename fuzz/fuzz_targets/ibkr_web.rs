#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| atomik_fuzz::run("ibkr_web", input));
