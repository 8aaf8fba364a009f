#![no_main]

#[path = "../cases/dlopen_notes.rs"]
mod case;

libfuzzer_sys::fuzz_target!(|data: &[u8]| case::run(data));
