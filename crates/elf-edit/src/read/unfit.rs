//! Recognizes dynamic files whose dynamic section must not be edited, by their contents: their
//! names and SONAMEs vary.

use crate::read::headers::{ElfInfo, Kind};
use crate::read::read_at::ReadAt;
use crate::read::strings::Strings;
use crate::read::tables::Tables;
use object::elf;
use std::io;

/// Why a file must keep its dynamic section as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// ld.so relocates itself before it can handle tags that it doesn't expect in itself: glibc's
    /// asserts that it has neither DT_RUNPATH nor DT_RPATH (`elf/get-dynamic-info.h`).
    #[error("is a dynamic loader (ld.so): every program that it starts would fail on a new tag")]
    Loader,
    /// The kernel maps it into each process as it is.
    #[error("is a vDSO image: the kernel maps it as it is, and no loader reads its RUNPATH")]
    Vdso,
    /// Code for a GPU, for BPF, or for another machine without a Linux loader.
    #[error("is no program for a processor (GPU or BPF code): no loader reads its RUNPATH")]
    Device,
}

/// Symbols by which a debugger finds the list of libraries in the loader: glibc's and uClibc's,
/// musl's, bionic's.
const LOADER: [&[u8]; 4] = [
    b"_r_debug",
    b"_dl_debug_state",
    b"_dl_debug_addr",
    b"rtld_db_dlactivity",
];
/// Prefixes of the function names of a vDSO (vdso(7)).
const VDSO: [&[u8]; 2] = [b"__vdso_", b"__kernel_"];
/// musl's libc.so, loader and libc in one, has some 2,000 symbols.
const MOST_SYMBOLS: u64 = 65_536;
/// The largest vDSO has some 20 symbols.
const MOST_VDSO_SYMBOLS: u64 = 64;

/// Whether a file is one of these.
pub fn unfit<R: ReadAt + ?Sized>(file: &R, info: &ElfInfo) -> io::Result<Option<Unfit>> {
    if !has_loader(info.header.machine) {
        return Ok(Some(Unfit::Device));
    }
    let candidate =
        info.kind == Kind::SharedLibrary && info.interpreter.is_none() && info.needed().is_empty();
    let Some(dynamic) = info.dynamic.as_ref().filter(|_| candidate) else {
        return Ok(None);
    };
    let tables = Tables {
        file,
        info,
        sections: &[],
    };
    let Some(count) = tables.symbol_count()?.filter(|&n| n <= MOST_SYMBOLS) else {
        return Ok(None);
    };
    let mut names = Vec::new();
    if !tables.each_symbol_name(|name| names.push(name))? {
        return Ok(None);
    }
    // In the order of the table, which is read in windows.
    names.sort_unstable();
    names.dedup();
    let loads = info.segments.iter().filter(|s| s.p_type == elf::PT_LOAD);
    let may_be_vdso = count <= MOST_VDSO_SYMBOLS && loads.count() == 1;
    let mut strings = Strings::new(file, dynamic.strtab, dynamic.strsz);
    for name in names {
        let Some(name) = strings.get(name)? else {
            continue;
        };
        if LOADER.contains(&name) {
            return Ok(Some(Unfit::Loader));
        }
        if may_be_vdso && VDSO.iter().any(|start| name.starts_with(start)) {
            return Ok(Some(Unfit::Vdso));
        }
    }
    Ok(None)
}

/// Whether a Linux loader (glibc's, musl's or uClibc's) exists for the machine.
fn has_loader(machine: u16) -> bool {
    matches!(
        machine,
        elf::EM_386
            | elf::EM_X86_64
            | elf::EM_ARM
            | elf::EM_AARCH64
            | elf::EM_PPC
            | elf::EM_PPC64
            | elf::EM_S390
            | elf::EM_RISCV
            | elf::EM_MIPS
            | elf::EM_MIPS_RS3_LE
            | elf::EM_SPARC
            | elf::EM_SPARC32PLUS
            | elf::EM_SPARCV9
            | elf::EM_68K
            | elf::EM_IA_64
            | elf::EM_LOONGARCH
            | elf::EM_ALPHA
            | elf::EM_PARISC
            | elf::EM_SH
            | elf::EM_ARC_COMPACT
            | elf::EM_ARC_COMPACT2
            | elf::EM_CSKY
            | elf::EM_ALTERA_NIOS2
            | elf::EM_OPENRISC
            | elf::EM_XTENSA
            | elf::EM_MICROBLAZE
            | elf::EM_HEXAGON
    )
}
