//! The code for 64-bit Arm.

use super::answer::{
    ATTRIBUTES, CAPACITY, COUNT, COUNT_RESULT, DEVICES, INIT, LEN, VERSION, VERSION_RESULT,
};
use super::program::Places;

/// Arm's Architecture Reference Manual, C6, has the encodings.
#[derive(Default)]
struct Code(Vec<u32>);

/// Registers: callees keep 19 and 20, 16 and 17 are free between calls.
const INDEX: u32 = 19;
const RECORD: u32 = 20;
const FREE: u32 = 17;

impl Code {
    /// mov wN, value; movk for the upper 16 bits.
    fn set(&mut self, register: u32, value: u32) {
        self.0.push(0x5280_0000 | (value & 0xffff) << 5 | register);
        self.0.push(0x72a0_0000 | (value >> 16) << 5 | register);
    }

    fn call(&mut self, place: u32) {
        self.set(16, place);
        self.0.push(0xf940_0000 | 16 << 5 | 16); // ldr x16, [x16]
        self.0.push(0xd63f_0000 | 16 << 5); // blr x16
    }

    /// Calls a function with the address of its answer, and stores its result.
    fn ask(&mut self, function: u32, argument: u32, result: u32) {
        self.set(0, argument);
        self.call(function);
        self.set(FREE, result);
        self.store(0, FREE, 0);
    }

    fn store(&mut self, register: u32, base: u32, offset: u32) {
        let scaled = (offset / 4) << 10;
        self.0.push(0xb900_0000 | scaled | base << 5 | register);
    }

    fn load(&mut self, register: u32, base: u32, offset: u32) {
        let scaled = (offset / 4) << 10;
        self.0.push(0xb940_0000 | scaled | base << 5 | register);
    }

    /// A system call: write or exit_group.
    fn kernel(&mut self, number: u32, arguments: &[u32]) {
        for (register, argument) in arguments.iter().enumerate() {
            self.set(register as u32, *argument);
        }
        self.set(8, number);
        self.0.push(0xd400_0001); // svc #0
    }

    /// b.ge to a place that `land` fills in.
    fn leave_if_not_less(&mut self) -> usize {
        self.0.push(0x5400_000a);
        self.0.len() - 1
    }

    fn land(&mut self, from: usize) {
        let distance = (self.0.len() - from) as u32;
        self.0[from] |= distance << 5;
    }
}

pub(super) fn code(places: &Places) -> Vec<u8> {
    let answer = places.answer;
    let mut code = Code::default();
    let function = |name| places.function(name);
    code.ask(function("cuInit"), 0, answer + INIT);
    code.ask(
        function("cuDriverGetVersion"),
        answer + VERSION,
        answer + VERSION_RESULT,
    );
    code.ask(
        function("cuDeviceGetCount"),
        answer + COUNT,
        answer + COUNT_RESULT,
    );
    code.set(INDEX, 0);
    let top = code.0.len();
    code.set(FREE, answer + COUNT);
    code.load(FREE, FREE, 0);
    code.0.push(0x6b00_001f | FREE << 16 | INDEX << 5); // cmp w19, w17
    let none_left = code.leave_if_not_less();
    code.0.push(0x7100_001f | CAPACITY << 10 | INDEX << 5); // cmp w19, #operand
    let full = code.leave_if_not_less();
    code.set(RECORD, answer + DEVICES);
    // add x20, x20, x19, lsl #5; mov x0, x20; mov w1, w19
    let shifted = 0x8b00_0000 | INDEX << 16 | 5 << 10;
    code.0.push(shifted | RECORD << 5 | RECORD);
    code.0.push(0xaa00_03e0 | RECORD << 16);
    code.0.push(0x2a00_03e0 | INDEX << 16 | 1);
    code.call(function("cuDeviceGet"));
    code.store(0, RECORD, 4);
    for (index, attribute) in ATTRIBUTES.into_iter().enumerate() {
        let offset = 8 + 4 * index as u32;
        code.0.push(0x9100_0000 | offset << 10 | RECORD << 5); // add x0, x20, #operand
        code.set(1, attribute);
        code.load(2, RECORD, 0);
        code.call(function("cuDeviceGetAttribute"));
        code.load(FREE, RECORD, 4);
        code.0.push(0x2a00_0000 | FREE << 5 | FREE); // orr w17, w17, w0
        code.store(FREE, RECORD, 4);
    }
    code.0.push(0x1100_0400 | INDEX << 5 | INDEX); // add w19, w19, #1
    let back = (top as i32 - code.0.len() as i32) as u32 & 0x03ff_ffff;
    code.0.push(0x1400_0000 | back); // b
    code.land(none_left);
    code.land(full);
    code.kernel(64, &[1, answer, LEN as u32]); // write
    code.kernel(94, &[0]); // exit_group
    code.0.into_iter().flat_map(u32::to_le_bytes).collect()
}
