//! The library of `library.c`, in Rust.

unsafe extern "C" {
    fn answer() -> i32;
}

#[unsafe(no_mangle)]
pub extern "C" fn subject() -> i32 {
    let caught = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(1)));
    if caught.is_err() { unsafe { answer() } } else { -1 }
}
