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

    /// A number of `width` bytes (2, 4 or 8) in this byte order.
    pub fn number(self, value: u64, width: usize) -> Vec<u8> {
        let mut record = Record::new(self);
        record.put(value, width);
        record.bytes().to_vec()
    }
}

/// The longest structure is a section header of ELFCLASS64: 64 bytes.
const LONGEST: usize = 64;

/// One structure while it is encoded: on the stack, since a rewrite encodes some hundred.
pub(crate) struct Record {
    endian: Endianness,
    bytes: [u8; LONGEST + 8],
    len: usize,
}

impl Record {
    pub(crate) fn new(format: Format) -> Record {
        Record {
            endian: format.endian,
            bytes: [0; LONGEST + 8],
            len: 0,
        }
    }

    /// Appends a number of `width` bytes (2, 4 or 8), cut to that width.
    #[inline]
    pub(crate) fn put(&mut self, value: u64, width: usize) {
        let bytes = match self.endian {
            Endianness::Little => value.to_le_bytes(),
            Endianness::Big => (value << (64 - 8 * width)).to_be_bytes(),
        };
        // All eight, so that no length is looked at; the next field covers those too many.
        self.bytes[self.len..self.len + 8].copy_from_slice(&bytes);
        self.len += width;
    }

    /// Appends bytes that are no number.
    pub(crate) fn put_bytes(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
