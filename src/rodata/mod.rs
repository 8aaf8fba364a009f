//! Scans the data of an ELF file for sonames that it may dlopen and for a statically linked CUDA
//! runtime.
//!
//! One streaming pass over read-only data in fixed windows, whatever the file's size. Device code
//! is not read here, nor are executable bytes, but for the one number that follows the three
//! strings of a cudart.

mod regions;
mod sonames;

pub(crate) use crate::cuda::cudart::RuntimeCode;
pub(crate) use regions::{code, read_only_data};

use crate::cuda::device_code::{self, DeviceCode};
use crate::cuda::{CudaVersion, Soname, cudart, fatbin};
use elf_edit::windows::{Region, windows};
use elf_edit::{ElfInfo, ReadAt, ReadError};
use memchr::memmem;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Names kept of one file: a real one has a few dozen.
const MAX_SONAMES: usize = 4096;
/// NVVM's library of device functions.
static FIND_LIBDEVICE: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(b"libdevice.10.bc\0"));

/// Results of the scan of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Strings that are exactly a soname (`libcuda.so.1`), sorted and unique, without the file's
    /// own SONAME and its NEEDED: libraries that the file may dlopen.
    pub sonames: Vec<Vec<u8>>,
    /// Sonames that only end a longer string (`/opt/lib/libfoo.so.1`, `cannot load libfoo.so.1`),
    /// sorted, each once, none that is in `sonames`. Linkers merge a string into the tail of a
    /// longer one, so one of these may be dlopened too; mostly it is just part of a path.
    pub tails: Vec<Vec<u8>>,
    /// First offset in the file of each name of `sonames` and `tails`.
    pub offsets: BTreeMap<Vec<u8>, u64>,
    /// More names were there than are kept: the first ones in file order are.
    pub truncated: bool,
    /// It names libdevice.10.bc, which code that calls NVVM looks for.
    pub libdevice: bool,
    /// The code of a CUDA runtime: linked into the file, or the file is libcudart itself.
    pub cudart: Option<RuntimeCode>,
}

/// Reads the read-only data of `file`, whose headers are `info`.
pub fn read<R: ReadAt + ?Sized>(file: &R, info: &ElfInfo) -> Result<Contents, ReadError> {
    let regions = read_only_data(file, info)?;
    contents(file, info, &regions, |_, _| ())
}

/// The same and the file's device code, for which the read-only data is read only once.
pub fn read_with_device_code<R: ReadAt + ?Sized>(
    file: &R,
    info: &ElfInfo,
) -> Result<(Contents, DeviceCode), ReadError> {
    let regions = read_only_data(file, info)?;
    let mut quiet = vec![true; regions.len()];
    let contents = contents(file, info, &regions, |number, bytes| {
        quiet[number] = quiet[number] && !fatbin::may_begin_in(bytes);
    })?;
    let quiet: Vec<Region> = regions
        .into_iter()
        .zip(quiet)
        .filter_map(|(region, quiet)| quiet.then_some(region))
        .collect();
    let code = device_code::read_elf_outside(file, &info.header, &quiet)?;
    Ok((contents, code))
}

/// The runtime in a file alone, without the names.
pub(crate) fn cudart<R: ReadAt + ?Sized>(
    file: &R,
    info: &ElfInfo,
) -> Result<Option<RuntimeCode>, ReadError> {
    let regions = read_only_data(file, info)?;
    let mut clues = cudart::Clues::default();
    for &region in &regions {
        windows(file, region, |window| clues.look_for_first(window))?;
    }
    runtime(file, info, &regions, clues)
}

/// Reads these regions. `also` gets the number of a region and the bytes of each of its windows.
fn contents<R: ReadAt + ?Sized>(
    file: &R,
    info: &ElfInfo,
    regions: &[Region],
    mut also: impl FnMut(usize, &[u8]),
) -> Result<Contents, ReadError> {
    let mut names = sonames::Finder::new(MAX_SONAMES);
    let mut clues = cudart::Clues::default();
    let mut has_libdevice = false;
    for (number, &region) in regions.iter().enumerate() {
        windows(file, region, |window| {
            names.look(window, |at| clues.look_at_first(window, at));
            has_libdevice = has_libdevice || FIND_LIBDEVICE.find(window.bytes).is_some();
            also(number, window.bytes);
        })?;
    }
    let cudart = runtime(file, info, regions, clues)?;
    let own = info.dynamic.as_ref().and_then(|d| d.soname.as_deref());
    let mut contents = Contents {
        truncated: names.truncated(),
        libdevice: has_libdevice,
        cudart,
        ..Contents::default()
    };
    let mut found = names.found();
    add_versions(&mut found, own);
    for (name, found) in found {
        if own == Some(&name[..]) || info.needed().contains(&name) {
            continue;
        }
        if found.whole {
            contents.sonames.push(name.clone());
        } else {
            contents.tails.push(name.clone());
        }
        contents.offsets.insert(name, found.offset);
    }
    Ok(contents)
}

/// The runtime in a file that was searched for the first of its strings.
fn runtime<R: ReadAt + ?Sized>(
    file: &R,
    info: &ElfInfo,
    regions: &[Region],
    mut clues: cudart::Clues,
) -> Result<Option<RuntimeCode>, ReadError> {
    if clues.has_first() {
        for &region in regions {
            windows(file, region, |window| clues.look_for_others(window))?;
        }
    }
    let Some(clues) = clues.all() else {
        return Ok(None);
    };
    let mut versions = cudart::Versions::new(info.header.machine);
    for region in code(info) {
        windows(file, region, |window| versions.look(window))?;
    }
    Ok(Some(RuntimeCode::new(clues, &versions)))
}

/// cuDNN makes the names of its own parts at run time: it has `libcudnn_ops.so` and opens
/// `libcudnn_ops.so.9`, by the version of its SONAME.
fn add_versions(names: &mut BTreeMap<Vec<u8>, sonames::FoundSoname>, own: Option<&[u8]>) {
    let Some(own) = own.and_then(Soname::parse) else {
        return;
    };
    let Some(major) = own.major().filter(|_| own.stem.starts_with(b"libcudnn")) else {
        return;
    };
    let is_part = |name: &Vec<u8>| name.starts_with(b"libcudnn_") && name.ends_with(b".so");
    let parts: Vec<_> = names
        .iter()
        .filter(|(name, found)| found.whole && is_part(name))
        .map(|(name, found)| ([name, format!(".{major}").as_bytes()].concat(), *found))
        .collect();
    for (name, found) in parts {
        names.entry(name).or_insert(found);
    }
}

/// The newest CUDA version that a driver's libcuda.so.1 knows: its `cuDriverGetVersion` is the same
/// few instructions as the runtime's function. Seen in 535.261.03 (12.2) and 550.163.01 (12.4); not
/// in 470.256.02, whose code differs.
pub(crate) fn driver_version<R: ReadAt + ?Sized>(
    file: &R,
    info: &ElfInfo,
) -> Result<Option<CudaVersion>, ReadError> {
    let mut versions = cudart::Versions::new(info.header.machine);
    for region in code(info) {
        windows(file, region, |window| versions.look(window))?;
    }
    let version = RuntimeCode::new(Vec::new(), &versions).version;
    Ok(version.map(CudaVersion::from_number))
}
