#![no_main]

#[path = "../cases/device_code.rs"]
mod case;

libfuzzer_sys::fuzz_target!(|data: &[u8]| case::run(data));
