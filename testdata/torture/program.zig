//! An executable of Zig's own linker, whose answer comes from a library that the RUNPATH finds.

extern fn answer() c_int;
extern fn printf(format: [*:0]const u8, ...) c_int;

pub export fn main() c_int {
    _ = printf("answer %d\n", answer());
    return 0;
}
