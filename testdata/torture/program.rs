//! The executable of `program.c`, in Rust: another linker command line, and an unwinder that
//! finds its tables through the program headers.

unsafe extern "C" {
    fn answer() -> i32;
}

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    assert!(std::panic::catch_unwind(|| panic!("on purpose")).is_err());
    println!("answer {}", unsafe { answer() });
}
