//! Bytes of device code by architecture.

use super::DeviceCode;
use crate::cuda::Capability;
use crate::cuda::fatbin::ImageKind;
use std::collections::{BTreeMap, HashMap};

/// Device code of one kind for one architecture; in order of kind, then of architecture.
pub(crate) type ByArch = BTreeMap<(ImageKind, Option<Capability>), ArchBytes>;

/// The images for one architecture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ArchBytes {
    /// Bytes in the file. Images that are compressed together share their bytes by size.
    pub bytes: u64,
    pub images: usize,
}

/// Sums up `code`, all places together. Concatenated entries count as the images in them.
pub(crate) fn by_arch(code: &DeviceCode) -> ByArch {
    // Concatenated entries by the offset of their headers: bytes in the file, and of all parts.
    let mut wholes: HashMap<u64, (u64, u64)> = HashMap::new();
    for image in &code.images {
        let entry = &image.entry;
        if entry.kind == ImageKind::Concatenated {
            wholes.entry(entry.offset).or_default().0 = entry.size;
        }
        if let Some(part) = entry.part {
            let whole = wholes.entry(part.of).or_default();
            whole.1 = whole.1.saturating_add(entry.size);
        }
    }
    let mut sums = ByArch::new();
    for image in &code.images {
        let entry = &image.entry;
        let bytes = match entry.part {
            Some(part) => {
                let (stored, parts) = wholes.get(&part.of).copied().unwrap_or_default();
                share(stored, entry.size, parts)
            }
            None if entry.kind == ImageKind::Concatenated => {
                let parts = wholes.get(&entry.offset).map_or(0, |whole| whole.1);
                if parts > 0 {
                    continue;
                }
                entry.size
            }
            None => entry.size,
        };
        let sum = sums.entry((entry.kind, entry.capability())).or_default();
        sum.bytes = sum.bytes.saturating_add(bytes);
        sum.images += 1;
    }
    sums
}

fn share(stored: u64, part: u64, parts: u64) -> u64 {
    let share = u128::from(stored) * u128::from(part) / u128::from(parts.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_together_is_shared_by_size() {
        assert_eq!(share(100, 30, 40), 75);
        assert_eq!(share(100, 0, 0), 0);
        assert_eq!(share(u64::MAX, u64::MAX, 1), u64::MAX);
    }
}
