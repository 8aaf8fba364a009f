#![no_main]

#[path = "../cases/rewrite.rs"]
mod case;

libfuzzer_sys::fuzz_target!(|data: &[u8]| case::run(data));
