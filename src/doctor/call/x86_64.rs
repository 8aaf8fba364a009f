//! The code for x86-64.

use super::answer::{
    ATTRIBUTES, CAPACITY, COUNT, COUNT_RESULT, DEVICES, INIT, LEN, VERSION, VERSION_RESULT,
};
use super::program::Places;

/// Intel's manual, volume 2, has the encodings. A 32-bit operand clears the register's upper half.
pub(super) fn code(places: &Places) -> Vec<u8> {
    let answer = places.answer;
    let mut code = Vec::new();
    let mut op = |opcode: &[u8], operand: u32| {
        code.extend(opcode);
        code.extend(operand.to_le_bytes());
        code.len()
    };
    const CALL: [u8; 3] = [0xff, 0x14, 0x25]; // call [operand]
    const STORE_EAX: [u8; 3] = [0x89, 0x04, 0x25]; // mov [operand], eax
    const EAX: [u8; 1] = [0xb8]; // mov eax, operand, and so on
    const EDX: [u8; 1] = [0xba];
    const ESI: [u8; 1] = [0xbe];
    const EDI: [u8; 1] = [0xbf];
    op(&EDI, 0);
    op(&CALL, places.function("cuInit"));
    op(&STORE_EAX, answer + INIT);
    op(&EDI, answer + VERSION);
    op(&CALL, places.function("cuDriverGetVersion"));
    op(&STORE_EAX, answer + VERSION_RESULT);
    op(&EDI, answer + COUNT);
    op(&CALL, places.function("cuDeviceGetCount"));
    op(&STORE_EAX, answer + COUNT_RESULT);
    let top = op(&[0xbb], 0); // mov ebx, 0
    op(&[0x3b, 0x1c, 0x25], answer + COUNT); // cmp ebx, [operand]
    let none_left = op(&[0x0f, 0x8d], 0); // jge
    op(&[0x81, 0xfb], CAPACITY); // cmp ebx, operand
    let full = op(&[0x0f, 0x8d], 0); // jge
    // mov ebp, ebx; shl ebp, 5; add ebp, operand
    op(&[0x89, 0xdd, 0xc1, 0xe5, 5, 0x81, 0xc5], answer + DEVICES);
    // mov edi, ebp; mov esi, ebx; call
    let first = [&[0x89, 0xef, 0x89, 0xde], &CALL[..]].concat();
    op(&first, places.function("cuDeviceGet"));
    // mov [rbp + 4], eax
    let mut before = vec![0x89, 0x45, 4];
    for (index, attribute) in ATTRIBUTES.into_iter().enumerate() {
        // lea edi, [rbp + 8 + 4 * index]; mov edx, [rbp]; mov esi, operand
        before.extend([0x8d, 0x7d, 8 + 4 * index as u8, 0x8b, 0x55, 0]);
        before.extend(ESI);
        op(&before, attribute);
        op(&CALL, places.function("cuDeviceGetAttribute"));
        before = vec![0x09, 0x45, 4]; // or [rbp + 4], eax
    }
    before.extend([0xff, 0xc3, 0xe9]); // inc ebx; jmp
    let end = op(&before, 0);
    op(&EDI, 1);
    op(&ESI, answer);
    op(&EDX, LEN as u32);
    op(&EAX, 1); // write
    op(&[0x0f, 0x05, 0xbf], 0); // syscall; mov edi, 0
    op(&EAX, 231); // exit_group
    code.extend([0x0f, 0x05]);
    for (after, target) in [(none_left, end), (full, end), (end, top)] {
        let distance = (target as i32 - after as i32).to_le_bytes();
        code[after - 4..after].copy_from_slice(&distance);
    }
    code
}
