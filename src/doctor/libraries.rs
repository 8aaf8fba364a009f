//! Copies of the driver's libcuda.so.1 on this machine, and the one that a program gets whose
//! RUNPATH leads to none.

use super::Where;
use super::kernel::is_version;
use crate::cuda::CudaVersion;
use crate::cuda::driver;
use crate::rodata;
use crate::scan;
use elf_edit::{ElfInfo, FileReader};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const LIBCUDA: &str = "libcuda.so.1";
/// Opened by libcuda.so.1, by name, for every program that has only PTX for this GPU.
const PTX_COMPILER: &str = "libnvidia-ptxjitcompiler.so.1";

/// Programs that every Linux has some of, and that have no RUNPATH of their own to the driver.
const ORDINARY: [&str; 4] = [
    "/bin/sh",
    "/usr/bin/env",
    "/bin/ls",
    "/run/current-system/sw/bin/sh",
];

/// A driver's stub, which links and does nothing, is far smaller: the smallest libcuda.so.1 of the
/// last ten years has 5 MB.
const STUB: u64 = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DriverCopy {
    /// As seen inside the root, with the links that lead to it.
    pub path: String,
    /// `580.159.04`, by the name of the file that it is.
    pub version: Option<String>,
    /// The newest CUDA version that it knows, by its own code.
    pub cuda: Option<CudaVersion>,
    /// Too small to be a driver.
    pub stub: bool,
    /// Of a forward compatibility package.
    pub compat: bool,
    /// Whether it finds the compiler for PTX.
    pub compiles_ptx: bool,
}

/// The loader of ordinary programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SystemLoader {
    /// The ELF machine, `e_machine`.
    pub machine: u16,
    /// PT_INTERP
    pub path: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Libraries {
    /// One for each file, whatever links lead to it.
    pub copies: Vec<DriverCopy>,
    /// The ordinary program used for the search.
    pub asked: Option<&'static str>,
    /// The copy that such a program loads: an index into `copies`.
    pub default: Option<usize>,
    /// The loader of that program.
    pub loader: Option<SystemLoader>,
}

impl Libraries {
    /// The copy that a program loads if its RUNPATH leads to none.
    pub(crate) fn default_copy(&self) -> Option<&DriverCopy> {
        self.copies.get(self.default?)
    }

    pub(super) fn find(place: &Where<'_>) -> Libraries {
        let mut found = Libraries::default();
        let mut files = BTreeSet::new();
        let mut add = |copies: &mut Vec<DriverCopy>, path: String, compat: bool| {
            let real = inside(place, &path)?;
            if !files.insert(real.clone()) {
                return copies
                    .iter()
                    .position(|copy| inside(place, &copy.path) == Some(real.clone()));
            }
            copies.push(look(place, path, &real, compat)?);
            Some(copies.len() - 1)
        };
        if let Some((program, loader, path)) = ordinary(place) {
            found.asked = Some(program);
            found.loader = Some(loader);
            found.default = path.and_then(|path| add(&mut found.copies, path, false));
        }
        for dir in driver::DIRECTORIES {
            add(&mut found.copies, format!("{dir}/{LIBCUDA}"), false);
        }
        for name in place.names("/usr/local") {
            if name == "cuda" || name.starts_with("cuda-") {
                add(
                    &mut found.copies,
                    format!("/usr/local/{name}/compat/{LIBCUDA}"),
                    true,
                );
            }
        }
        found
    }
}

/// The copy at a path, as seen inside the root.
pub(super) fn at(place: &Where<'_>, path: &str) -> Option<DriverCopy> {
    look(place, path.to_owned(), &inside(place, path)?, false)
}

/// Whether two paths lead to one file.
pub(super) fn is_same(place: &Where<'_>, a: &str, b: &str) -> bool {
    let real = inside(place, a);
    real.is_some() && real == inside(place, b)
}

/// The file at a path inside the root, if it exists.
fn inside(place: &Where<'_>, path: &str) -> Option<PathBuf> {
    let real = place.loader.real_path(Path::new(path))?;
    real.is_file().then_some(real)
}

fn look(place: &Where<'_>, path: String, real: &Path, compat: bool) -> Option<DriverCopy> {
    let file = scan::open(real, true).ok()?;
    let info = ElfInfo::read(&file).ok()?;
    let name = real.file_name()?.to_str()?;
    let version = name.strip_prefix("libcuda.so.").filter(|v| is_version(v));
    let stub = info.size < STUB;
    let compiles_ptx =
        !stub && finds(place, Path::new(&path), &file, &info, PTX_COMPILER).is_some();
    Some(DriverCopy {
        version: version.map(str::to_owned),
        cuda: if stub {
            None
        } else {
            rodata::driver_version(&file, &info).ok().flatten()
        },
        stub,
        compat,
        compiles_ptx,
        path,
    })
}

/// The ordinary program that was found, its loader, and the libcuda.so.1 that it would get.
fn ordinary(place: &Where<'_>) -> Option<(&'static str, SystemLoader, Option<String>)> {
    ORDINARY.into_iter().find_map(|program| {
        let real = place.loader.real_path(Path::new(program))?;
        let file = scan::open(&real, true).ok()?;
        let info = ElfInfo::read(&file).ok()?;
        let loader = SystemLoader {
            machine: info.platform().machine,
            path: info.interpreter.clone()?,
        };
        Some((
            program,
            loader,
            finds(place, Path::new(program), &file, &info, LIBCUDA),
        ))
    })
}

/// The file that dlopen of `name` finds, called by this file.
fn finds(
    place: &Where<'_>,
    path: &Path,
    file: &FileReader,
    info: &ElfInfo,
    name: &str,
) -> Option<String> {
    let names = [name.as_bytes().to_vec()];
    let resolution = place.loader.resolve(path, file, info, &names).ok()?;
    let candidate = resolution.dlopen.into_iter().find(|c| c.names == names)?;
    let found = candidate.found?.path;
    Some(String::from_utf8_lossy(&found).into_owned())
}
