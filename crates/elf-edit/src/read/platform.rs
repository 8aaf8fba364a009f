//! The platform of a file, and which platforms the loader mixes.

use crate::read::codec::{Class, Endianness, FileHeader};
use object::elf;
use std::fmt;

/// Machine, word size, byte order and OS ABI: what the loader compares before it takes a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Platform {
    /// `e_machine`
    pub machine: u16,
    /// Word size: x32 and RV32 share their machine number with the 64-bit kind.
    pub class: Class,
    /// Byte order.
    pub endian: Endianness,
    /// `EI_OSABI`
    pub os_abi: u8,
}

impl Platform {
    /// 64-bit x86, System V.
    pub const X86_64: Platform = Platform {
        machine: elf::EM_X86_64,
        class: Class::Elf64,
        endian: Endianness::Little,
        os_abi: elf::ELFOSABI_SYSV,
    };

    /// The platform in an ELF header.
    pub fn of(header: &FileHeader) -> Platform {
        Platform {
            machine: header.machine,
            class: header.format.class,
            endian: header.format.endian,
            os_abi: header.os_abi,
        }
    }

    /// Whether Linux loaders accept the OS ABI: System V or GNU, and on ARM its own ABIs (ARM IHI
    /// 0044: ELFOSABI_ARM_AEABI, _FDPIC and the old one).
    pub fn is_linux(self) -> bool {
        matches!(self.os_abi, elf::ELFOSABI_SYSV | elf::ELFOSABI_GNU)
            || (self.machine == elf::EM_ARM && matches!(self.os_abi, 64 | 65 | 97))
    }

    /// Same machine, word size and byte order.
    pub fn same_machine(self, other: Platform) -> bool {
        (self.machine, self.class, self.endian) == (other.machine, other.class, other.endian)
    }

    /// Whether a process of `self` can load `other`. The OS ABI of System V goes with all; nearly
    /// every Linux file has it, whatever else it uses.
    pub fn goes_with(self, other: Platform) -> bool {
        self.same_machine(other)
            && (self.os_abi == other.os_abi
                || self.os_abi == elf::ELFOSABI_SYSV
                || other.os_abi == elf::ELFOSABI_SYSV)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.class {
            Class::Elf32 => 32,
            Class::Elf64 => 64,
        };
        match (machine_name(self.machine), self.class) {
            (Some(name), Class::Elf64) => f.write_str(name)?,
            (Some("x86-64"), Class::Elf32) => f.write_str("x32")?,
            (Some(name), Class::Elf32) => f.write_str(name)?,
            (None, _) => write!(f, "machine {} ({word}-bit)", self.machine)?,
        }
        match os_abi_name(self.os_abi) {
            Some("SYSV" | "GNU") => Ok(()),
            Some(name) => write!(f, " {name}"),
            None => write!(f, " OS ABI {}", self.os_abi),
        }
    }
}

/// The usual name of an `e_machine`.
pub fn machine_name(machine: u16) -> Option<&'static str> {
    Some(match machine {
        elf::EM_386 => "i386",
        elf::EM_X86_64 => "x86-64",
        elf::EM_AARCH64 => "aarch64",
        elf::EM_ARM => "arm",
        elf::EM_PPC => "ppc",
        elf::EM_PPC64 => "ppc64",
        elf::EM_S390 => "s390",
        elf::EM_RISCV => "riscv",
        elf::EM_MIPS => "mips",
        elf::EM_SPARC => "sparc",
        elf::EM_SPARCV9 => "sparc64",
        elf::EM_68K => "m68k",
        elf::EM_IA_64 => "ia64",
        elf::EM_LOONGARCH => "loongarch",
        elf::EM_CUDA => "NVIDIA CUDA",
        elf::EM_BPF => "bpf",
        _ => return None,
    })
}

fn os_abi_name(os_abi: u8) -> Option<&'static str> {
    Some(match os_abi {
        elf::ELFOSABI_SYSV => "SYSV",
        elf::ELFOSABI_GNU => "GNU",
        elf::ELFOSABI_FREEBSD => "FreeBSD",
        elf::ELFOSABI_NETBSD => "NetBSD",
        elf::ELFOSABI_OPENBSD => "OpenBSD",
        elf::ELFOSABI_SOLARIS => "Solaris",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const X86_64: Platform = Platform::X86_64;

    #[test]
    fn system_v_goes_with_every_os_and_others_with_themselves() {
        let on = |os_abi| Platform { os_abi, ..X86_64 };
        assert!(X86_64.goes_with(on(elf::ELFOSABI_GNU)));
        assert!(on(elf::ELFOSABI_FREEBSD).goes_with(X86_64));
        assert!(!on(elf::ELFOSABI_FREEBSD).goes_with(on(elf::ELFOSABI_GNU)));
    }

    #[test]
    fn x32_shares_only_the_machine_number() {
        let x32 = Platform {
            class: Class::Elf32,
            ..X86_64
        };
        assert!(!X86_64.goes_with(x32));
        assert_eq!(x32.to_string(), "x32");
        assert_eq!(X86_64.to_string(), "x86-64");
    }
}
