//! NVIDIA's fat binaries: containers of device code for several architectures, as nvcc embeds them.
//! NVIDIA publishes no specification; the layout was checked byte by byte against the output of
//! cuobjdump and fatbinary of CUDA 11.8 to 13.5 for the same files.
//!
//! Headers only: no payload is read but when a user asks for an entry.

mod entry;
pub(crate) mod payload;
mod scan;
mod walk;
mod window;

pub(crate) use entry::{Compression, FatbinEntry, ImageKind};
pub(crate) use scan::{FatbinRegion, scan};
pub(crate) use walk::{FatbinProblem, FoundFatbins};
pub(crate) use window::may_begin_in;

/// Start of a container: magic 0xba55ed50, version 1, header size 16, all little-endian.
pub(crate) const CONTAINER_MAGIC: [u8; 8] = [0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0];
/// Size of a container's header.
pub(crate) const CONTAINER_HEADER: u64 = 16;
