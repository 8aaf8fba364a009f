//! One file: an ELF file that a loader loads, a static library, a file of device code, a script.

use super::Floor;
use crate::cuda::Capability;
use crate::cuda::device_code::{self, DeviceCode, NoDeviceCode};
use crate::cuda::fatbin::ImageKind;
use crate::cuda::linkage::{Cudart, Linkage};
use crate::escape::Shown;
use crate::rodata;
use crate::scan::{self, FileError, Skip};
use elf_edit::notes::parse_dlopen_notes;
use elf_edit::windows::{Region, windows};
use elf_edit::{ElfInfo, FileReader, Kind, ReadError, machine_name};
use memchr::memmem;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Bytes of a script's first line that Linux reads (BINPRM_BUF_SIZE).
const MAX_LINE: usize = 256;

/// What is in one file.
pub(super) enum Contents {
    Elf(Box<ElfFeatures>),
    /// The first line without `#!`.
    Script(String),
    StaticLibrary(ImageSet),
    DeviceCode(ImageSet),
}

/// A shared library or a program.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct ElfFeatures {
    pub path: String,
    /// Other names of the file: symbolic and hard links.
    pub links: Vec<String>,
    /// As `inspect` words it.
    pub kind: &'static str,
    #[serde(skip)]
    pub is_library: bool,
    pub machine: String,
    pub soname: Option<String>,
    pub needed: Vec<String>,
    /// Sonames that it may load by name: of its notes, and strings in its data.
    pub dlopen: Vec<String>,
    #[serde(flatten)]
    pub images: ImageSet,
    pub cudart: Option<CudartFeature>,
    #[serde(flatten)]
    pub floor: Floor,
    /// Whether it is an extension module of Python, by its symbols.
    #[serde(skip)]
    pub has_python_module: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct CudartFeature {
    /// `static` or `shared`.
    pub linkage: &'static str,
    pub version: Option<String>,
}

/// Architectures of device code, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ImageSet {
    images: BTreeSet<(u8, Capability)>,
    /// Violations of the format, after which images may be missing.
    pub problems: Vec<String>,
}

/// The kinds of images, and the key that lists each.
const KINDS: [(ImageKind, &str); 3] = [
    (ImageKind::Cubin, "cubins"),
    (ImageKind::Ptx, "ptx"),
    (ImageKind::LtoIr, "lto_ir"),
];

impl ImageSet {
    fn new(code: &DeviceCode) -> ImageSet {
        let images = code.images.iter().filter_map(|image| {
            let entry = &image.entry;
            let kind = KINDS.iter().position(|(kind, _)| *kind == entry.kind)?;
            Some((kind as u8, entry.capability()?))
        });
        let mut problems: Vec<String> = code
            .problems
            .iter()
            .map(|(_, problem)| format!("device code at {:#x}: {}", problem.offset, problem.what))
            .collect();
        if code.truncated {
            problems.push("there is more device code than is read of one file".to_owned());
        }
        ImageSet {
            images: images.collect(),
            problems,
        }
    }

    pub(super) fn merge(&mut self, other: &ImageSet) {
        self.images.extend(&other.images);
    }

    /// The key and the architectures of each kind: `sm_90a`, `compute_90`, `lto_90`.
    pub(crate) fn by_kind(&self) -> [(&'static str, Vec<String>); 3] {
        [(0, "sm"), (1, "compute"), (2, "lto")].map(|(kind, prefix)| {
            let of_kind = self.images.iter().filter(|(each, _)| *each == kind);
            let names = of_kind.map(|(_, arch)| format!("{prefix}_{}", arch.digits()));
            (KINDS[usize::from(kind)].1, names.collect())
        })
    }
}

impl Serialize for ImageSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, architectures) in self.by_kind() {
            map.serialize_entry(key, &architectures)?;
        }
        map.serialize_entry("problems", &self.problems)?;
        map.end()
    }
}

/// Reads one file; other kinds of files are skipped.
pub(super) fn read(path: &Path, file: &FileReader) -> Result<Contents, FileError> {
    let head = file.head();
    if head.starts_with(b"#!") {
        return script(path, head);
    }
    match scan::dynamic_info(file) {
        Ok(info) => elf(file, &info)
            .map(|elf| Contents::Elf(Box::new(elf)))
            .map_err(failed),
        Err(FileError::Skip(Skip::Static)) => {
            let info = ElfInfo::read(file).map_err(failed)?;
            let elf = elf(file, &info).map_err(failed)?;
            Ok(Contents::Elf(Box::new(elf)))
        }
        Err(FileError::Skip(skip)) => other(path, file, skip),
        Err(error) => Err(error),
    }
}

fn failed(error: ReadError) -> FileError {
    match error {
        ReadError::Malformed(_) => FileError::Malformed(error.to_string()),
        _ => FileError::Problem(error.to_string()),
    }
}

fn script(path: &Path, head: &[u8]) -> Result<Contents, FileError> {
    let mode = fs::metadata(path).map(|meta| meta.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o111 == 0) {
        return Err(FileError::Skip(Skip::NotElf));
    }
    let line = &head[2..head.len().min(MAX_LINE)];
    let end = memchr::memchr(b'\n', line).unwrap_or(line.len());
    let line = Shown::from(line[..end].trim_ascii()).to_string();
    Ok(Contents::Script(line))
}

/// An archive of objects, an object, or device code on its own.
fn other(path: &Path, file: &FileReader, skip: Skip) -> Result<Contents, FileError> {
    match device_code::read(path, file) {
        Ok(code) if skip == Skip::Archive => Ok(Contents::StaticLibrary(ImageSet::new(&code))),
        Ok(code) if !code.is_empty() => Ok(Contents::DeviceCode(ImageSet::new(&code))),
        Ok(_) | Err(NoDeviceCode::OtherFile) => Err(FileError::Skip(skip)),
        Err(NoDeviceCode::Read(error)) => Err(failed(error)),
    }
}

fn elf(file: &FileReader, info: &ElfInfo) -> Result<ElfFeatures, ReadError> {
    let contents = rodata::read(file, info)?;
    let notes = parse_dlopen_notes(&info.dlopen_notes).into_iter();
    let mut dlopen: BTreeSet<Vec<u8>> = notes.flat_map(|note| note.names).collect();
    dlopen.extend(contents.sonames.iter().cloned());
    let cudart = Cudart::new(info, contents.cudart.as_ref());
    let cudart = (cudart.linkage != Linkage::None).then(|| CudartFeature {
        linkage: cudart.linkage.word(),
        version: cudart.version.map(|version| version.to_string()),
    });
    let soname = info.dynamic.as_ref().and_then(|d| d.soname.as_deref());
    Ok(ElfFeatures {
        kind: info.kind.as_str(),
        is_library: info.kind == Kind::SharedLibrary,
        machine: machine(info.header.machine),
        soname: soname.map(text),
        needed: info.needed().iter().map(|name| text(name)).collect(),
        dlopen: dlopen.iter().map(|name| text(name)).collect(),
        images: ImageSet::new(&device_code::read_elf(file, &info.header)?),
        cudart,
        floor: Floor::read(file, info)?,
        has_python_module: has_python_module(file, info)?,
        ..ElfFeatures::default()
    })
}

fn text(bytes: &[u8]) -> String {
    Shown::from(bytes).to_string()
}

/// Whether a function of the name that Python calls on import is among the dynamic symbols.
fn has_python_module(file: &FileReader, info: &ElfInfo) -> Result<bool, ReadError> {
    /// Names of symbols that are searched at most.
    const MAX: u64 = 16 << 20;
    let Some(dynamic) = info
        .dynamic
        .as_ref()
        .filter(|_| info.kind == Kind::SharedLibrary)
    else {
        return Ok(false);
    };
    let names = Region {
        start: dynamic.strtab,
        end: dynamic.strtab.saturating_add(dynamic.strsz.min(MAX)),
    };
    let finder = memmem::Finder::new(b"\0PyInit_");
    let mut found = false;
    windows(file, names, |window| {
        found = found || finder.find(window.bytes).is_some();
    })?;
    Ok(found)
}

fn machine(number: u16) -> String {
    machine_name(number).map_or_else(|| format!("machine {number}"), str::to_owned)
}
