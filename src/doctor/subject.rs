//! Checks one program, library or tree on a machine: the libcuda.so.1 that its files load, their
//! CUDA runtimes, and whether their device code runs on the GPUs.

use super::libraries::{self, DriverCopy};
use super::{Machine, Where};
use crate::cuda::device_code::{self, DeviceCode};
use crate::cuda::driver_versions::DriverVersions;
use crate::cuda::linkage::{Cudart, Linkage};
use crate::cuda::reach::{self, Reach};
use crate::cuda::table::GpuTable;
use crate::cuda::{Capability, CudaVersion};
use crate::loader::{LoadedBy, Resolution, SearchLog, TreeLoaders};
use crate::rodata;
use crate::scan::{self, Walk};
use elf_edit::{ElfInfo, FileId, FileReader, Kind};
use rayon::prelude::*;
use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const LIBCUDA: &str = "libcuda.so.1";

/// The requirements for files.
pub(crate) struct Yardstick {
    /// Whether it was given, rather than this machine's: the libraries of this machine don't count
    /// then.
    pub given: bool,
    /// The GPUs that must run the device code, each with its name.
    pub gpus: Vec<(String, Capability)>,
    /// The newest CUDA that the driver knows; where none is given, that of the copy of
    /// libcuda.so.1 that a file gets.
    pub driver: Option<CudaVersion>,
    pub table: &'static GpuTable,
    pub drivers: &'static DriverVersions,
}

/// A path on the command line.
#[derive(Debug)]
pub(crate) struct Subject {
    pub path: PathBuf,
    /// ELF files that were looked at: for a program its libraries too.
    pub files: usize,
    /// Those that have to do with CUDA, in the order of the tree or of the loader.
    pub cuda: Vec<CudaFile>,
    /// Why it can't be checked.
    pub problem: Option<String>,
}

/// A file that loads the driver, has a CUDA runtime or has device code.
#[derive(Debug)]
pub(crate) struct CudaFile {
    pub path: PathBuf,
    pub driver: Driver,
    /// Whether it requires the driver: it depends on it, or has a CUDA runtime or device code. Many
    /// programs use it only if it is there.
    pub needs_driver: bool,
    pub cudart: Cudart,
    /// Whether the version of its runtime runs on the driver; unknown without either version.
    pub runtime_runs: Option<bool>,
    /// The oldest driver that runs its runtime, where that is known.
    pub min_driver: Option<String>,
    /// For each GPU of the yardstick whether some image runs on it; none without device code.
    pub runs_on: Vec<RunsOn>,
    /// The capabilities that it has code for, as `cuobjdump` writes them.
    pub has: Vec<String>,
    /// Whether the loader loads it at all; of a library whose program is not known, true.
    pub loads: bool,
}

/// Whether a file's device code runs on a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunsOn {
    pub gpu: Capability,
    /// The image that the driver takes, such as `sm_90`; none if none runs.
    pub image: Option<String>,
    /// The cause where none runs, for the end of a message; empty where nothing is for this GPU.
    pub why: String,
}

/// The libcuda.so.1 that a file gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    /// It loads none.
    Unused,
    /// With the places that were tried, in their order.
    Missing(SearchLog),
    Found {
        copy: Option<DriverCopy>,
        path: String,
        /// `RUNPATH`, `ld.so.cache`
        through: &'static str,
    },
}

/// One file and the libraries of its process.
struct Asked {
    path: PathBuf,
    file: FileReader,
    info: ElfInfo,
}

impl Asked {
    fn open(path: &Path) -> Result<Asked, String> {
        let what = |error| match error {
            scan::FileError::Skip(skip) => format!("expected an ELF file, found: {}", skip.found()),
            scan::FileError::Problem(what) | scan::FileError::Malformed(what) => what,
        };
        let file = scan::open(path, true).map_err(what)?;
        let info = scan::dynamic_info(&file).map_err(what)?;
        Ok(Asked {
            path: path.to_owned(),
            file,
            info,
        })
    }
}

impl Subject {
    /// Looks at `path`, a file or a directory, named as this machine has it.
    pub(crate) fn read(
        place: &Where<'_>,
        machine: &Machine,
        yardstick: &Yardstick,
        path: &Path,
    ) -> Subject {
        let mut subject = Subject {
            path: path.to_owned(),
            files: 0,
            cuda: Vec::new(),
            problem: None,
        };
        let found = match path.is_dir() {
            true => subject.tree(place, machine, yardstick),
            false => subject.file(place, machine, yardstick),
        };
        subject.problem = found.err();
        subject
    }

    /// A tree: each of its files, in the processes of the tree's programs and extensions.
    fn tree(
        &mut self,
        place: &Where<'_>,
        machine: &Machine,
        yardstick: &Yardstick,
    ) -> Result<(), String> {
        let files = scan::list(Walk::of(std::slice::from_ref(&self.path))).files;
        let inside = files.iter().filter_map(|f| place.inside(&f.path));
        let loaders = TreeLoaders::new(inside.collect());
        let looked = files.par_iter().map(|walked| {
            let asked = Asked::open(&walked.path).ok()?;
            let seen = place.inside(&walked.path)?;
            let resolve = |names: &[Vec<u8>]| {
                let Asked { file, info, .. } = &asked;
                match names {
                    [name] => loaders.resolve_opening(place.loader, &seen, file, info, name),
                    _ => loaders.resolve(place.loader, &seen, file, info, names),
                }
                .ok()
            };
            Some((
                FileId::from(&asked.file),
                look(place, machine, yardstick, &asked, &resolve),
            ))
        });
        let looked: Vec<_> = looked.collect();
        let mut ids = HashSet::new();
        for (id, found) in looked.into_iter().flatten() {
            if ids.insert(id) {
                self.files += 1;
                self.cuda.extend(found);
            }
        }
        match self.files {
            0 => Err("expected programs or libraries, found no dynamic ELF file".to_owned()),
            _ => Ok(()),
        }
    }

    /// A program or library with all that it loads.
    fn file(
        &mut self,
        place: &Where<'_>,
        machine: &Machine,
        yardstick: &Yardstick,
    ) -> Result<(), String> {
        let asked = Asked::open(&self.path)?;
        let seen = place
            .inside(&self.path)
            .ok_or("expected a path below the root")?;
        let resolve = |names: &[Vec<u8>]| {
            let Asked { file, info, .. } = &asked;
            place.loader.resolve(&seen, file, info, names).ok()
        };
        let whole = resolve(&[]).ok_or("its headers can't be read")?;
        self.files = 1;
        self.cuda
            .extend(look(place, machine, yardstick, &asked, &resolve));
        let program = (asked.info.kind != Kind::SharedLibrary).then_some(&seen);
        let others = whole.loaded().iter().skip(1).collect::<Vec<_>>();
        let looked = others.par_iter().map(|object| {
            let inside = Path::new(std::ffi::OsStr::from_bytes(&object.path));
            let other = Asked::open(&place.loader.real_path(inside)?).ok()?;
            let Asked { file, info, .. } = &other;
            let resolve = |names: &[Vec<u8>]| match program {
                Some(by) => place.loader.resolve_by(by, inside, file, info, names).ok(),
                None => place.loader.resolve(inside, file, info, names).ok(),
            };
            Some(look(place, machine, yardstick, &other, &resolve))
        });
        for found in looked.collect::<Vec<_>>().into_iter().flatten() {
            self.files += 1;
            self.cuda.extend(found);
        }
        Ok(())
    }
}

/// The file's traces of CUDA, if any.
fn look(
    place: &Where<'_>,
    machine: &Machine,
    yardstick: &Yardstick,
    asked: &Asked,
    resolve: &dyn Fn(&[Vec<u8>]) -> Option<Resolution>,
) -> Option<CudaFile> {
    let Asked { path, file, info } = asked;
    let contents = rodata::read(file, info).unwrap_or_default();
    let code = device_code::read_elf(file, &info.header).unwrap_or_default();
    let cudart = Cudart::new(info, contents.cudart.as_ref());
    let name = LIBCUDA.as_bytes().to_vec();
    let needs = info.needed().contains(&name);
    let opens = contents.sonames.contains(&name) || contents.tails.contains(&name);
    let own_runtime = cudart.linkage == Linkage::Static || contents.cudart.is_some();
    if !needs && !opens && cudart.linkage == Linkage::None && code.images.is_empty() {
        return None;
    }
    let resolution = resolve(std::slice::from_ref(&name));
    let driver = match &resolution {
        Some(resolution) if needs || opens => driver(place, machine, resolution, &name, needs),
        _ => Driver::Unused,
    };
    let driver_missing = needs && matches!(driver, Driver::Missing(_));
    let knows = match &driver {
        Driver::Found {
            copy: Some(copy), ..
        } => copy.cuda,
        _ => None,
    };
    let cuda = yardstick.driver.or(knows).or_else(|| machine.driver_cuda());
    let min_driver = cudart
        .version
        .and_then(|v| yardstick.drivers.min_driver(v.major));
    let runtime_runs = match (cuda, cudart.version) {
        (Some(cuda), Some(runtime)) => Some(yardstick.drivers.runs(cuda, runtime)),
        _ => None,
    };
    Some(CudaFile {
        path: path.clone(),
        driver,
        needs_driver: needs || own_runtime || !code.images.is_empty(),
        runtime_runs,
        min_driver: min_driver.map(str::to_owned),
        runs_on: runs_on(yardstick, cuda, &code),
        has: names(&code),
        // A driver that is missing has a finding of its own.
        loads: driver_missing
            || resolution.is_none_or(|r| r.loads() || r.loaded_by == LoadedBy::First),
        cudart,
    })
}

fn driver(
    place: &Where<'_>,
    machine: &Machine,
    resolution: &Resolution,
    name: &[u8],
    needs: bool,
) -> Driver {
    let mut candidates = resolution.dlopen.iter();
    let mut needed = resolution.objects.iter().take(1).flat_map(|o| &o.needs);
    let (found, tried) = match needs {
        true => match needed.find(|need| need.name == name) {
            Some(need) => {
                let object = need.object.and_then(|at| resolution.objects.get(at));
                let found = object.and_then(|object| Some((&object.path, need.via?)));
                (found, Some(&need.trail))
            }
            None => (None, None),
        },
        false => match candidates.find(|c| c.names.iter().any(|n| n == name)) {
            Some(candidate) => {
                let found = candidate.found.as_ref().filter(|found| found.name == name);
                let at = candidate.names.iter().position(|n| n == name);
                let tried = at.and_then(|at| candidate.trails.get(at));
                (found.map(|found| (&found.path, found.via)), tried)
            }
            None => (None, None),
        },
    };
    let Some((path, via)) = found else {
        return Driver::Missing(tried.cloned().unwrap_or_default());
    };
    let path = String::from_utf8_lossy(path).into_owned();
    let mut known = machine.libraries.copies.iter();
    let copy = known
        .find(|copy| libraries::is_same(place, &copy.path, &path))
        .cloned();
    Driver::Found {
        copy: copy.or_else(|| libraries::at(place, &path)),
        path,
        through: via.step.as_str(),
    }
}

fn runs_on(yardstick: &Yardstick, driver: Option<CudaVersion>, code: &DeviceCode) -> Vec<RunsOn> {
    let machine = reach::Machine {
        table: yardstick.table,
        drivers: yardstick.drivers,
        driver,
    };
    let gpus = yardstick.gpus.iter().map(|(_, gpu)| *gpu);
    gpus.filter_map(|gpu| {
        let reach = machine.reach(&code.images, gpu)?;
        Some(RunsOn {
            gpu,
            image: match reach {
                Reach::Runs(image) => image.arch_name(),
                _ => None,
            },
            why: reach.to_string(),
        })
    })
    .collect()
}

/// `sm_80`, `compute_90`: each once.
fn names(code: &DeviceCode) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in device_code::groups(code).into_iter().filter_map(|g| g.arch) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
