//! A program of one page that needs libcuda.so.1, calls a few of its functions and writes what they
//! return. It is made here rather than compiled, since the binary that carries it may be linked
//! against another libc than the driver's, or none.
//!
//! Two LOAD segments: headers, symbols and code; `.dynamic`, the addresses of the functions and the
//! answer. The system's loader, its PT_INTERP, fills in the addresses.

use super::answer;
use super::{aarch64, x86_64};
use goblin::elf::{dynamic, header, program_header, reloc};

/// The functions that it calls, in the order of their addresses.
pub(super) const FUNCTIONS: [&str; 5] = [
    "cuInit",
    "cuDriverGetVersion",
    "cuDeviceGetCount",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
];

/// Addresses that the code uses, all below 4 GiB.
pub(super) struct Places {
    /// Where the loader writes the functions' addresses, eight bytes each.
    pub functions: u32,
    /// The answer, all zero but for its first bytes.
    pub answer: u32,
}

impl Places {
    /// The place of a function's address.
    pub(super) fn function(&self, name: &str) -> u32 {
        let index = FUNCTIONS.iter().position(|known| *known == name);
        self.functions + 8 * index.unwrap_or_default() as u32
    }
}

const BASE: u64 = 0x40_0000;
/// The largest page size of both machines.
const PAGE: u64 = 0x1_0000;
const HEADERS: usize = 64 + 5 * 56;

/// The program for a machine, or none where there is no code for it.
pub fn build(machine: u16, interpreter: &[u8], library: &[u8]) -> Option<Vec<u8>> {
    let (code, relocation): (fn(&Places) -> Vec<u8>, u32) = match machine {
        header::EM_X86_64 => (x86_64::code, reloc::R_X86_64_GLOB_DAT),
        header::EM_AARCH64 => (aarch64::code, reloc::R_AARCH64_GLOB_DAT),
        _ => return None,
    };
    let mut file = vec![0; HEADERS];
    let interp = append(&mut file, &[interpreter, b"\0"].concat());
    let (names, strings) = strings(library);
    let strtab = append(&mut file, &strings);
    let symtab = append(&mut file, &symbols(&names));
    let hash = append(&mut file, &hash_table());
    let rela = append(&mut file, &[0; 24 * FUNCTIONS.len()]);
    // The code's length doesn't depend on the addresses.
    let unplaced = Places {
        functions: 0,
        answer: 0,
    };
    let text = append(&mut file, &code(&unplaced));
    append(&mut file, &[]);

    let split = file.len() as u64;
    let data = BASE + PAGE + split;
    let entries = [
        [dynamic::DT_NEEDED, 1],
        [dynamic::DT_HASH, BASE + hash.0],
        [dynamic::DT_STRTAB, BASE + strtab.0],
        [dynamic::DT_STRSZ, strtab.1],
        [dynamic::DT_SYMTAB, BASE + symtab.0],
        [dynamic::DT_SYMENT, 24],
        [dynamic::DT_RELA, BASE + rela.0],
        [dynamic::DT_RELASZ, rela.1],
        [dynamic::DT_RELAENT, 24],
        [dynamic::DT_NULL, 0],
    ];
    let entries = words(entries.as_flattened().iter().copied());
    let functions = data + entries.len() as u64;
    let places = Places {
        functions: functions as u32,
        answer: (functions + 8 * FUNCTIONS.len() as u64).next_multiple_of(16) as u32,
    };
    let relocations = words((0..FUNCTIONS.len() as u64).flat_map(|index| {
        let info = (index + 1) << 32 | u64::from(relocation);
        [functions + 8 * index, info, 0]
    }));
    put(&mut file, rela, &relocations);
    put(&mut file, text, &code(&places));

    let dynamic = append(&mut file, &entries);
    append(&mut file, &[0; 8 * FUNCTIONS.len()]);
    append(&mut file, &answer::empty());
    let data_size = file.len() as u64 - split;
    let segments = [
        (
            program_header::PT_INTERP,
            4,
            interp.0,
            BASE + interp.0,
            interp.1,
        ),
        (program_header::PT_LOAD, 5, 0, BASE, split),
        (program_header::PT_LOAD, 6, split, data, data_size),
        (program_header::PT_DYNAMIC, 6, dynamic.0, data, dynamic.1),
        (program_header::PT_GNU_STACK, 6, 0, 0, 0),
    ];
    let headers = headers(machine, BASE + text.0, segments);
    put(&mut file, (0, HEADERS as u64), &headers);
    Some(file)
}

/// Offset and length of a part of the file.
type Part = (u64, u64);

/// Appends at the next multiple of 16.
fn append(file: &mut Vec<u8>, bytes: &[u8]) -> Part {
    file.resize(file.len().next_multiple_of(16), 0);
    let part = (file.len() as u64, bytes.len() as u64);
    file.extend(bytes);
    part
}

fn put(file: &mut [u8], (offset, len): Part, bytes: &[u8]) {
    let offset = offset as usize;
    file[offset..offset + len as usize].copy_from_slice(bytes);
}

fn words(values: impl IntoIterator<Item = u64>) -> Vec<u8> {
    values.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// Offsets of the functions' names in DT_STRTAB, and the table; the library's path comes first.
fn strings(library: &[u8]) -> ([u32; FUNCTIONS.len()], Vec<u8>) {
    let mut table = [b"\0", library, b"\0"].concat();
    let offsets = FUNCTIONS.map(|name| {
        let offset = table.len() as u32;
        table.extend(name.as_bytes());
        table.push(0);
        offset
    });
    (offsets, table)
}

/// Undefined functions.
fn symbols(names: &[u32]) -> Vec<u8> {
    let mut table = vec![0; 24];
    for name in names {
        const GLOBAL_FUNCTION: u32 = 1 << 4 | 2;
        table.extend(name.to_le_bytes());
        table.extend(GLOBAL_FUNCTION.to_le_bytes());
        table.extend([0; 16]);
    }
    table
}

/// One bucket, which is empty: the program defines nothing.
fn hash_table() -> Vec<u8> {
    let symbols = FUNCTIONS.len() as u32 + 1;
    let mut table = [1, symbols, 0].map(u32::to_le_bytes).concat();
    table.resize(table.len() + 4 * symbols as usize, 0);
    table
}

/// A segment: kind, flags, offset, address, size.
type Segment = (u32, u32, u64, u64, u64);

fn headers(machine: u16, entry: u64, segments: [Segment; 5]) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend(header::ET_EXEC.to_le_bytes());
    bytes.extend(machine.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(words([entry, 64, 0]));
    bytes.extend(0u32.to_le_bytes());
    bytes.extend([64, 56, 5, 64, 0, 0].map(u16::to_le_bytes).concat());
    for (kind, flags, offset, address, size) in segments {
        bytes.extend(kind.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend(words([offset, address, address, size, size, PAGE]));
    }
    bytes
}
