//! Class and byte order, and numbers in them.

pub use object::Endianness;

/// Word size of a file (`EI_CLASS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// `ELFCLASS32`
    Elf32,
    /// `ELFCLASS64`
    Elf64,
}

/// What decides the layout of every structure in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Word size.
    pub class: Class,
    /// Byte order (`EI_DATA`).
    pub endian: Endianness,
}

impl Format {
    /// Reads a 16-bit number at `at`, `None` past the end.
    pub fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let raw = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(match self.endian {
            Endianness::Little => u16::from_le_bytes(raw),
            Endianness::Big => u16::from_be_bytes(raw),
        })
    }

    /// Reads a 32-bit number at `at`, `None` past the end.
    pub fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(match self.endian {
            Endianness::Little => u32::from_le_bytes(raw),
            Endianness::Big => u32::from_be_bytes(raw),
        })
    }

    /// Reads an address at `at`, `None` past the end.
    pub fn word(self, bytes: &[u8], at: usize) -> Option<u64> {
        if self.class == Class::Elf32 {
            return self.u32(bytes, at).map(u64::from);
        }
        let (first, second) = (self.u32(bytes, at)?, self.u32(bytes, at.checked_add(4)?)?);
        Some(match self.endian {
            Endianness::Little => u64::from(first) | u64::from(second) << 32,
            Endianness::Big => u64::from(second) | u64::from(first) << 32,
        })
    }

    /// Appends a number of `width` bytes (2, 4 or 8), cut to that width.
    pub(super) fn put(self, out: &mut Vec<u8>, value: u64, width: usize) {
        match self.endian {
            Endianness::Little => out.extend_from_slice(&value.to_le_bytes()[..width]),
            Endianness::Big => out.extend_from_slice(&value.to_be_bytes()[8 - width..]),
        }
    }

    /// A number of `width` bytes (2, 4 or 8) in this byte order.
    pub fn number(self, value: u64, width: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(width);
        self.put(&mut out, value, width);
        out
    }
}
