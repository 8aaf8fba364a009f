//! How new a libcudadevrt.a is, from the device code in it.
//!
//! nvlink refuses one that is newer than itself, at every link, whether it is used or not. The
//! archive holds PTX, whose ISA version came with a certain CUDA version: 7.m with CUDA 11.m,
//! 8.m with 12.m, 9.m with 13.m; but 8.5 served 12.5 and 12.6, and from there on 12 is one ahead.

use super::FarmError;
use crate::cuda::CudaVersion;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Real ones have 1 to 3 MB.
const MAX_SIZE: u64 = 64 << 20;
/// A container's magic, version 1 and header size 16.
const CONTAINER: [u8; 8] = [0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0];
const PTX: u16 = 1;

/// The oldest CUDA version whose nvlink takes this archive, if it tells.
pub fn oldest_cuda(path: &Path) -> Result<Option<CudaVersion>, FarmError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| FarmError::io(path, e))?;
    let mut file = file.take(MAX_SIZE);
    file.read_to_end(&mut bytes)
        .map_err(|e| FarmError::io(path, e))?;
    Ok(newest_ptx(&bytes).and_then(|(major, minor)| cuda_of_isa(major, minor)))
}

fn cuda_of_isa(major: u16, minor: u16) -> Option<CudaVersion> {
    let (major, minor) = (u32::from(major), u32::from(minor));
    (major >= 7).then_some(CudaVersion {
        major: major + 4,
        minor: minor + u32::from(major == 8 && minor > 5),
    })
}

/// The newest PTX ISA of all fatbin entries.
fn newest_ptx(bytes: &[u8]) -> Option<(u16, u16)> {
    let mut newest = None;
    let mut at = 0;
    while let Some(found) = find(&bytes[at..]) {
        let container = at + found;
        at = container + CONTAINER.len();
        let Some(size) = number::<8>(bytes, container + 8) else {
            break;
        };
        let Some(end) = end(container + 16, size, bytes.len()) else {
            continue;
        };
        let mut entry = container + 16;
        while entry < end {
            let (Some(kind), Some(header), Some(payload), Some(isa)) = (
                number::<2>(bytes, entry),
                number::<4>(bytes, entry + 4),
                number::<8>(bytes, entry + 8),
                number::<4>(bytes, entry + 0x18),
            ) else {
                break;
            };
            if kind == u64::from(PTX) {
                // Minor number in the low half, major in the high one.
                let isa = ((isa >> 16) as u16, isa as u16);
                newest = newest.max(Some(isa));
            }
            let next = header
                .checked_add(payload)
                .and_then(|size| self::end(entry, size, end));
            match next {
                Some(next) if header >= 0x40 => entry = next,
                _ => break,
            }
        }
        at = at.max(entry.min(bytes.len()));
    }
    newest
}

fn find(bytes: &[u8]) -> Option<usize> {
    bytes.windows(CONTAINER.len()).position(|w| w == CONTAINER)
}

fn end(start: usize, size: u64, limit: usize) -> Option<usize> {
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    (end <= limit).then_some(end)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let mut value = [0; 8];
    value[..N].copy_from_slice(bytes.get(at..at.checked_add(N)?)?);
    Some(u64::from_le_bytes(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: u16, isa: (u16, u16)) -> Vec<u8> {
        let mut bytes = vec![0; 0x40 + 8];
        bytes[..2].copy_from_slice(&kind.to_le_bytes());
        bytes[4] = 0x40;
        bytes[8] = 8;
        bytes[0x18..0x1a].copy_from_slice(&isa.1.to_le_bytes());
        bytes[0x1a..0x1c].copy_from_slice(&isa.0.to_le_bytes());
        bytes
    }

    fn container(entries: &[Vec<u8>]) -> Vec<u8> {
        let body = entries.concat();
        let mut bytes = CONTAINER.to_vec();
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn the_newest_ptx_of_all_containers_counts() {
        let mut bytes = b"!<arch>\n".to_vec();
        bytes.extend(container(&[entry(2, (9, 9)), entry(1, (8, 4))]));
        bytes.extend(container(&[entry(1, (8, 7)), entry(2, (1, 8))]));
        assert_eq!(newest_ptx(&bytes), Some((8, 7)));
        for (isa, cuda) in [
            ((7, 8), "11.8"),
            ((8, 4), "12.4"),
            ((8, 8), "12.9"),
            ((9, 5), "13.5"),
        ] {
            assert_eq!(cuda_of_isa(isa.0, isa.1), cuda.parse().ok());
        }
        assert_eq!(newest_ptx(&container(&[entry(2, (1, 8))])), None);
    }

    #[test]
    fn nonsense_ends() {
        let good = container(&[entry(1, (8, 4)), entry(2, (1, 8))]);
        for at in 0..good.len() {
            newest_ptx(&good[..at]);
            for value in [0, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                newest_ptx(&bad);
            }
        }
        newest_ptx(&CONTAINER.repeat(1000));
    }
}
