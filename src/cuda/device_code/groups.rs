//! Images summed up: one line for each place, architecture and kind.

use super::{DeviceCode, Place};
use crate::cuda::fatbin::{Compression, ImageKind};
use std::collections::BTreeMap;

/// Images of one kind for one architecture in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `sm_90a`, `compute_90`, `lto_86`; None for images without an architecture.
    pub arch: Option<String>,
    pub kind: ImageKind,
    pub place: Place,
    pub count: usize,
    /// Number of images stored compressed, on their own or in a concatenated entry.
    pub compressed: usize,
    /// Their size in the file, in bytes. An image inside a concatenated entry has none of its own:
    /// the entry does.
    pub size: u64,
    /// Lowest and highest version (of PTX, of the cubin format, of NVVM).
    pub versions: ((u16, u16), (u16, u16)),
}

/// Sums up `code`, sorted by place, kind and architecture.
pub fn groups(code: &DeviceCode) -> Vec<Group> {
    let mut groups = BTreeMap::new();
    for image in &code.images {
        let entry = &image.entry;
        let key = (image.place, entry.kind, entry.capability());
        let group = groups.entry(key).or_insert_with(|| Group {
            arch: entry.arch_name(),
            kind: entry.kind,
            place: code.places[image.place].clone(),
            count: 0,
            compressed: 0,
            size: 0,
            versions: (entry.version, entry.version),
        });
        group.count += 1;
        let in_concatenated = entry.part.is_some();
        if in_concatenated || entry.compression != Compression::None {
            group.compressed += 1;
        }
        if !in_concatenated {
            group.size = group.size.saturating_add(entry.size);
        }
        group.versions.0 = group.versions.0.min(entry.version);
        group.versions.1 = group.versions.1.max(entry.version);
    }
    groups.into_values().collect()
}
