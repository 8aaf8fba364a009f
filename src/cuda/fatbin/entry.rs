//! The header of one entry of a container.
//!
//! ```text
//! 00 u16 kind                     18 u16 minor, 1a u16 major
//! 02 u16 0x0101                   1c u32 architecture
//! 04 u32 header size              20 u32 name's offset, 24 u32 its length
//! 08 u64 payload size, padded     28 u64 flags
//! 10 u32 compressed size, 0: raw  38 u64 uncompressed size
//! 14 u32 options' offset, or 0
//! ```

use crate::cuda::Capability;
use crate::cuda::capability::Variant;

/// Size of the fixed part of a header.
pub(super) const FIXED: usize = 0x40;
/// A larger header is malformed. Only a concatenated entry's grows, by [`FIXED`] for each image in
/// it.
pub(super) const MAX_HEADER: u32 = 1 << 20;

const DEBUG: u64 = 0x2;
const LZ4: u64 = 0x2000;
const ZSTD: u64 = 0x8000;
const ARCHITECTURE_SPECIFIC: u64 = 0x10_0000;
const FAMILY_SPECIFIC: u64 = 0x20_0000;

/// Kind of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageKind {
    /// 1: PTX, text that the driver compiles.
    Ptx,
    /// 2: a cubin, code for one architecture, an ELF file.
    Cubin,
    /// 8: NVVM IR for link-time optimisation.
    LtoIr,
    /// 0x100: several images compressed as one (`fatbinary --concat`, CUDA 13).
    Concatenated,
    /// A kind that is not known here.
    Unknown(u16),
}

impl ImageKind {
    fn from_code(code: u16) -> ImageKind {
        match code {
            1 => ImageKind::Ptx,
            2 => ImageKind::Cubin,
            8 => ImageKind::LtoIr,
            0x100 => ImageKind::Concatenated,
            other => ImageKind::Unknown(other),
        }
    }

    /// The name of an architecture with code of this kind: `sm_90a`, `compute_90`, `lto_86`.
    pub fn arch_name(self, capability: Capability) -> String {
        let prefix = match self {
            ImageKind::Ptx => "compute",
            ImageKind::LtoIr => "lto",
            _ => "sm",
        };
        format!("{prefix}_{}", capability.digits())
    }

    /// The word that reports use.
    pub fn word(self) -> String {
        match self {
            ImageKind::Ptx => "ptx".to_owned(),
            ImageKind::Cubin => "cubin".to_owned(),
            ImageKind::LtoIr => "lto-ir".to_owned(),
            ImageKind::Concatenated => "concatenated".to_owned(),
            ImageKind::Unknown(code) => format!("unknown ({code:#x})"),
        }
    }
}

/// Compression of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    None,
    /// One LZ4 block.
    Lz4,
    /// Zstandard frames.
    Zstd,
    /// A compressed size without a known flag, or LTO-IR, which has its own format.
    Other,
}

impl Compression {
    /// The word that reports use.
    pub fn word(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
            Compression::Other => "other",
        }
    }
}

/// Range of an image in the decoded payload of the concatenated entry before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub offset: u64,
    /// Header of the concatenated entry, by its offset in the file.
    pub of: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FatbinEntry {
    /// Kind of the image.
    pub kind: ImageKind,
    /// Number of the architecture, 90 for sm_90; 0 where an entry has none.
    pub arch: u32,
    /// The architecture's letter.
    pub variant: Variant,
    /// Version of PTX (9.5), of the cubin (1.8) or of NVVM.
    pub version: (u16, u16),
    pub flags: u64,
    /// Offset of the header in the file.
    pub offset: u64,
    /// Offset of the payload in the file.
    pub payload: u64,
    /// Bytes of the payload in the file, with padding.
    pub size: u64,
    /// Bytes of the payload in the file without padding, where it is compressed; else 0.
    pub compressed_size: u32,
    /// Bytes after decoding, 0 where nothing is to be decoded.
    pub uncompressed_size: u64,
    /// Compression of the payload.
    pub compression: Compression,
    /// The source's name, if the header has one.
    pub name: Option<Vec<u8>>,
    /// Set for an image inside a concatenated entry.
    pub part: Option<Part>,
}

impl FatbinEntry {
    /// The name of its architecture: `sm_90a`, `compute_90`, `lto_86`. None without an
    /// architecture.
    pub fn arch_name(&self) -> Option<String> {
        let capability = self.capability()?;
        Some(self.kind.arch_name(capability))
    }

    /// The compute capability that it is for.
    pub fn capability(&self) -> Option<Capability> {
        (self.arch != 0).then_some(Capability {
            major: self.arch / 10,
            minor: self.arch % 10,
            variant: self.variant,
        })
    }

    /// Moves all offsets, where the bytes are part of a larger file.
    pub fn shift(&mut self, by: u64) {
        self.offset += by;
        self.payload += by;
        if let Some(part) = &mut self.part {
            part.of += by;
        }
    }

    /// Whether it was compiled for a debugger.
    pub fn has_debug(&self) -> bool {
        self.flags & DEBUG != 0
    }

    /// Size of the image itself, decoded.
    pub fn image_size(&self) -> u64 {
        match self.compression {
            Compression::None => self.size,
            _ => self.uncompressed_size,
        }
    }
}

/// A header whose sizes are unchecked.
pub(super) struct Raw<'a> {
    /// All bytes of the header that could be read.
    bytes: &'a [u8],
}

impl<'a> Raw<'a> {
    /// Requires at least [`FIXED`] bytes.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Raw<'a>> {
        (bytes.len() >= FIXED && bytes[2..4] == [1, 1]).then_some(Raw { bytes })
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from(self.u16(at)) | u32::from(self.u16(at + 2)) << 16
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from(self.u32(at)) | u64::from(self.u32(at + 4)) << 32
    }

    pub(super) fn kind(&self) -> ImageKind {
        ImageKind::from_code(self.u16(0))
    }

    /// Bytes of the header; in a part's header, where the part lies in the decoded payload.
    pub(super) fn header_size(&self) -> u32 {
        self.u32(4)
    }

    pub(super) fn payload_size(&self) -> u64 {
        self.u64(8)
    }

    /// The entry whose header is at `offset`.
    pub(super) fn entry(&self, offset: u64) -> FatbinEntry {
        let flags = self.u64(0x28);
        let kind = self.kind();
        let compressed_size = self.u32(0x10);
        FatbinEntry {
            kind,
            arch: self.u32(0x1c),
            variant: match flags {
                f if f & ARCHITECTURE_SPECIFIC != 0 => Variant::Architecture,
                f if f & FAMILY_SPECIFIC != 0 => Variant::Family,
                _ => Variant::Base,
            },
            version: (self.u16(0x1a), self.u16(0x18)),
            flags,
            offset,
            payload: offset.saturating_add(self.header_size().into()),
            size: self.payload_size(),
            compressed_size,
            uncompressed_size: self.u64(0x38),
            compression: match flags {
                _ if compressed_size == 0 => Compression::None,
                _ if kind == ImageKind::LtoIr => Compression::Other,
                f if f & ZSTD != 0 => Compression::Zstd,
                f if f & LZ4 != 0 => Compression::Lz4,
                _ => Compression::Other,
            },
            name: self.name(),
            part: None,
        }
    }

    fn name(&self) -> Option<Vec<u8>> {
        let (at, len) = (self.u32(0x20) as usize, self.u32(0x24) as usize);
        if at < FIXED || len == 0 {
            return None;
        }
        let name = self.bytes.get(at..at.checked_add(len)?)?;
        let end = name.iter().position(|&b| b == 0).unwrap_or(len);
        Some(name[..end].to_vec())
    }

    /// Headers of the images in a concatenated entry: u32 count, u32 size of the table with these
    /// two, then one [`FIXED`] header each, the field of the header size giving the offset.
    pub(super) fn parts(&self, offset: u64) -> Vec<FatbinEntry> {
        let Some(table) = self.bytes.get(FIXED..) else {
            return Vec::new();
        };
        if table.len() < 8 {
            return Vec::new();
        }
        let count = self.u32(FIXED) as usize;
        let payload = self.entry(offset).payload;
        table[8..]
            .chunks_exact(FIXED)
            .take(count)
            .enumerate()
            .filter_map(|(i, bytes)| {
                let raw = Raw::new(bytes)?;
                let mut entry = raw.entry(offset + (FIXED + 8 + i * FIXED) as u64);
                entry.payload = payload;
                entry.name = None;
                entry.part = Some(Part {
                    offset: raw.header_size().into(),
                    of: offset,
                });
                Some(entry)
            })
            .collect()
    }

    /// Number of images in a concatenated entry, from its header.
    pub(super) fn part_count(&self) -> usize {
        match self.bytes.len() {
            n if n >= FIXED + 8 => self.u32(FIXED) as usize,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: u16, arch: u32, flags: u64) -> Vec<u8> {
        let mut bytes = vec![0; FIXED];
        bytes[..2].copy_from_slice(&kind.to_le_bytes());
        bytes[2..4].copy_from_slice(&[1, 1]);
        bytes[4..8].copy_from_slice(&(FIXED as u32).to_le_bytes());
        bytes[8..16].copy_from_slice(&88_u64.to_le_bytes());
        bytes[0x18..0x1c].copy_from_slice(&[5, 0, 9, 0]);
        bytes[0x1c..0x20].copy_from_slice(&arch.to_le_bytes());
        bytes[0x28..0x30].copy_from_slice(&flags.to_le_bytes());
        bytes
    }

    #[test]
    fn architectures_have_the_names_that_nvcc_gives_them() {
        let name = |kind, arch, flags| {
            let bytes = header(kind, arch, flags);
            Raw::new(&bytes).unwrap().entry(0).arch_name()
        };
        assert_eq!(name(2, 90, 0x10_0011).unwrap(), "sm_90a");
        assert_eq!(name(2, 120, 0x20_8011).unwrap(), "sm_120f");
        assert_eq!(name(1, 80, 0x11).unwrap(), "compute_80");
        assert_eq!(name(8, 86, 0x1_8011).unwrap(), "lto_86");
        assert_eq!(name(0x100, 0, 0x8011), None);
        assert_eq!(name(77, 90, 0).unwrap(), "sm_90");
    }

    #[test]
    fn an_unknown_kind_keeps_its_number() {
        let bytes = header(0x40, 100, 0);
        let entry = Raw::new(&bytes).unwrap().entry(16);
        assert_eq!(entry.kind.word(), "unknown (0x40)");
        assert_eq!((entry.version, entry.size, entry.payload), ((9, 5), 88, 80));
    }

    #[test]
    fn a_name_outside_its_header_is_none() {
        let mut bytes = header(2, 90, 0);
        bytes[0x20..0x24].copy_from_slice(&0x40_u32.to_le_bytes());
        bytes[0x24..0x28].copy_from_slice(&5_u32.to_le_bytes());
        assert_eq!(Raw::new(&bytes).unwrap().entry(0).name, None);
        bytes.extend_from_slice(b"a.cu\0");
        let entry = Raw::new(&bytes).unwrap().entry(0);
        assert_eq!(entry.name.unwrap(), b"a.cu");
        bytes[0x24..0x28].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Raw::new(&bytes).unwrap().entry(0).name, None);
    }
}
