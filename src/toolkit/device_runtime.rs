//! The version of a libcudadevrt.a, from the device code in it.
//!
//! nvlink refuses one that is newer than itself, at every link, whether it is used or not. The
//! archive holds PTX, whose ISA version came with a certain CUDA version: 7.m with CUDA 11.m,
//! 8.m with 12.m, 9.m with 13.m; but 8.5 served 12.5 and 12.6, and from there on 12 is one ahead.

use super::FarmError;
use crate::cuda::CudaVersion;
use crate::cuda::fatbin::{FatbinRegion, FoundFatbins, ImageKind, scan};
use elf_edit::{FileReader, ReadAt};
use std::fs::File;
use std::io;
use std::path::Path;

/// Bytes of an archive that are read. Real ones have 1 to 3 MB.
const MAX_SIZE: u64 = 64 << 20;

/// The oldest CUDA version whose nvlink accepts this archive, if it can be determined.
pub(super) fn oldest_cuda(path: &Path) -> Result<Option<CudaVersion>, FarmError> {
    let file = File::open(path).and_then(FileReader::new);
    let newest = file.and_then(|file| newest_ptx(&file));
    let newest = newest.map_err(|e| FarmError::io(path, e))?;
    Ok(newest.and_then(|(major, minor)| cuda_of_isa(major, minor)))
}

fn cuda_of_isa(major: u16, minor: u16) -> Option<CudaVersion> {
    let (major, minor) = (u32::from(major), u32::from(minor));
    (major >= 7).then_some(CudaVersion {
        major: major + 4,
        minor: minor + u32::from(major == 8 && minor > 5),
    })
}

/// The newest PTX ISA of all images.
fn newest_ptx<R: ReadAt + ?Sized>(archive: &R) -> io::Result<Option<(u16, u16)>> {
    let everywhere = FatbinRegion {
        start: 0,
        end: archive.len().min(MAX_SIZE),
        only_fatbins: false,
    };
    let mut found = FoundFatbins::default();
    scan(archive, everywhere, &mut found)?;
    let ptx = found.entries.iter().filter(|e| e.kind == ImageKind::Ptx);
    Ok(ptx.map(|e| e.version).max())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::fatbin::CONTAINER_MAGIC;

    fn entry(kind: u16, isa: (u16, u16)) -> Vec<u8> {
        let mut bytes = vec![0; 0x40 + 8];
        bytes[..2].copy_from_slice(&kind.to_le_bytes());
        bytes[2..4].copy_from_slice(&[1, 1]);
        bytes[4] = 0x40;
        bytes[8] = 8;
        bytes[0x18..0x1a].copy_from_slice(&isa.1.to_le_bytes());
        bytes[0x1a..0x1c].copy_from_slice(&isa.0.to_le_bytes());
        bytes
    }

    fn container(entries: &[Vec<u8>]) -> Vec<u8> {
        let body = entries.concat();
        let mut bytes = CONTAINER_MAGIC.to_vec();
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn the_newest_ptx_of_all_containers_counts() {
        let mut bytes = b"!<arch>\n".to_vec();
        bytes.extend(container(&[entry(2, (9, 9)), entry(1, (8, 4))]));
        bytes.extend(container(&[entry(1, (8, 7)), entry(2, (1, 8))]));
        assert_eq!(newest_ptx(&bytes[..]).unwrap(), Some((8, 7)));
        for (isa, cuda) in [
            ((7, 8), "11.8"),
            ((8, 4), "12.4"),
            ((8, 8), "12.9"),
            ((9, 5), "13.5"),
        ] {
            assert_eq!(cuda_of_isa(isa.0, isa.1), cuda.parse().ok());
        }
        let cubin = container(&[entry(2, (1, 8))]);
        assert_eq!(newest_ptx(&cubin[..]).unwrap(), None);
    }

    #[test]
    fn nonsense_ends() {
        let good = container(&[entry(1, (8, 4)), entry(2, (1, 8))]);
        for at in 0..good.len() {
            newest_ptx(&good[..at]).unwrap();
            for value in [0, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                newest_ptx(&bad[..]).unwrap();
            }
        }
        newest_ptx(&CONTAINER_MAGIC.repeat(1000)[..]).unwrap();
    }
}
