//! What the program writes: little-endian words of four bytes.

use crate::cuda::{Capability, CudaVersion};

/// In front, since a driver may write to standard output, too.
const MAGIC: [u8; 8] = *b"cuInit:\0";
/// Offsets of the functions' results and answers.
pub(super) const INIT: u32 = 8;
pub(super) const VERSION_RESULT: u32 = 12;
pub(super) const VERSION: u32 = 16;
pub(super) const COUNT_RESULT: u32 = 20;
pub(super) const COUNT: u32 = 24;
/// A GPU each: its handle, the functions' results (or'ed), its attributes; 32 bytes.
pub(super) const DEVICES: u32 = 32;
const DEVICE: usize = 32;
/// The most GPUs that are written; a machine has up to 16, parts of them (MIG) more.
pub(super) const CAPACITY: u32 = 64;
pub(super) const LEN: usize = DEVICES as usize + CAPACITY as usize * DEVICE;

/// cuda.h's CUdevice_attribute: compute capability (major, minor), PCI bus, device and domain.
pub(super) const ATTRIBUTES: [u32; 5] = [75, 76, 33, 34, 50];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Result of cuInit: 0 is success.
    pub init: u32,
    /// The CUDA version that the driver names.
    pub version: Option<CudaVersion>,
    /// GPUs that a program sees, in its order.
    pub devices: Vec<Device>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// Its compute capability.
    pub capability: Capability,
    /// `0000:00:06.0`
    pub bus: String,
}

/// The answer before the functions are called.
pub(super) fn empty() -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.resize(LEN, 0);
    bytes
}

impl Answer {
    /// Reads it out of a child's standard output.
    pub(super) fn read(out: &[u8]) -> Option<Answer> {
        let start = memchr::memmem::find(out, &MAGIC)?;
        let bytes = out.get(start..start + LEN)?;
        let word = |offset: usize| {
            let bytes = bytes.get(offset..offset + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(bytes))
        };
        let field = |offset: u32| word(offset as usize);
        let init = field(INIT)?;
        let version = field(VERSION).filter(|_| field(VERSION_RESULT) == Some(0));
        let count = field(COUNT).filter(|_| init == 0 && field(COUNT_RESULT) == Some(0));
        let devices = (0..count.unwrap_or(0).min(CAPACITY) as usize).filter_map(|index| {
            let at = DEVICES as usize + index * DEVICE;
            let attribute = |index: usize| word(at + 8 + 4 * index);
            (word(at + 4)? == 0).then_some(())?;
            let (major, minor) = (attribute(0)?, attribute(1)?);
            let (bus, device, domain) = (attribute(2)?, attribute(3)?, attribute(4)?);
            Some(Device {
                capability: format!("{major}.{minor}").parse().ok()?,
                bus: format!("{domain:04x}:{bus:02x}:{device:02x}.0"),
            })
        });
        Some(Answer {
            init,
            version: version.map(CudaVersion::from_number),
            devices: devices.collect(),
        })
    }
}
