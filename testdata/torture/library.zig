//! A library of Zig's own linker, whose answer comes from another one that its RUNPATH finds.

extern fn answer() c_int;

export fn subject() c_int {
    return answer();
}
