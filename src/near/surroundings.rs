//! Facts of one run that all its advice shares.

use super::absent::Absent;
use super::listings::Listings;
use super::packages::Packages;
use super::root::Root;
use super::state::state;
use super::{bundle, debian, machine, places};
use crate::advice::{Bundle, Distribution, ForeignArchitecture, Near, NearState, System};
use crate::loader::runs_here;
use crate::path_list::PathList;
use elf_edit::{Class, ElfInfo};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The files of a run, the environment, and the answers of package tools.
#[derive(Default)]
pub(crate) struct Surroundings {
    files: Arc<PathList>,
    /// Their places, by name and then in order.
    by_name: OnceLock<Vec<u32>>,
    library_path: Vec<u8>,
    /// The current directory.
    pub(super) here: Vec<u8>,
    packages: Packages,
    pub(super) root: Root,
    configured: OnceLock<Vec<PathBuf>>,
    system: OnceLock<System>,
    driver_runs: OnceLock<bool>,
    distribution: OnceLock<Distribution>,
    pub(super) listings: Listings,
    absent: Absent,
}

impl Surroundings {
    /// `files` are those of the run, as the user names them; `library_path` is LD_LIBRARY_PATH.
    /// With a `root`, advice is for the system below it.
    pub(crate) fn new(
        files: Arc<PathList>,
        library_path: Option<Vec<u8>>,
        root: Option<PathBuf>,
    ) -> Surroundings {
        Surroundings {
            files,
            library_path: library_path.unwrap_or_default(),
            root: Root::new(root),
            here: super::bytes(&std::env::current_dir().unwrap_or_default()),
            ..Surroundings::default()
        }
    }

    /// The files of the run that have a name, in its order.
    pub(super) fn in_tree(&self, name: &OsStr) -> impl Iterator<Item = PathBuf> {
        let files = &self.files;
        let by_name = self.by_name.get_or_init(|| {
            // 2^32 files do not fit into memory.
            let mut by_name: Vec<u32> = (0..files.len() as u32).collect();
            by_name.sort_unstable_by_key(|&at| (files.name(at as usize), at));
            by_name
        });
        let wanted = name.as_bytes();
        let start = by_name.partition_point(|&at| files.name(at as usize) < wanted);
        let found = by_name[start..].iter().map(|&at| at as usize);
        found
            .take_while(move |&at| files.name(at) == wanted)
            .map(|at| files.get(at))
    }

    /// The places of a name in the directories of LD_LIBRARY_PATH.
    pub(super) fn in_library_path(&self, name: &OsStr) -> impl Iterator<Item = PathBuf> {
        let entries = self.library_path.split(|byte| b":;".contains(byte));
        let entries = entries.filter(|entry| !entry.is_empty()).take(64);
        entries.map(move |entry| Path::new(OsStr::from_bytes(entry)).join(name))
    }

    /// The state of a file with the name of a library, for one that needs it; `None` if there is no
    /// file, or no remedy for it.
    pub(super) fn state(&self, path: &Path, info: &ElfInfo) -> Option<NearState> {
        state(&self.absent, path, info)
    }

    pub(super) fn is_link(&self, path: &Path) -> bool {
        let metadata = self.absent.metadata(path);
        metadata.is_some_and(|metadata| metadata.is_symlink())
    }

    /// Whose installation a file is part of, by its absolute path.
    pub(super) fn bundle(&self, file: &Path) -> Option<Bundle> {
        bundle::of(&self.absent, file)
    }

    /// Files of that name in the places of a machine where software is installed without a package.
    pub(super) fn installed(&self, name: &OsStr) -> Vec<PathBuf> {
        places::installed(&self.listings, &self.absent, name)
    }

    /// The directories of /etc/ld.so.conf.
    pub(super) fn configured(&self) -> &[PathBuf] {
        self.configured.get_or_init(places::configured)
    }

    /// How this machine installs a driver.
    pub(super) fn machine(&self) -> Near {
        Near {
            here: self.here.clone(),
            other_root: !self.root.is_here(),
            driver_runs: self.root.is_here().then(|| self.driver_runs()),
            system: *self.system.get_or_init(|| machine::system(&self.root)),
            ..Near::default()
        }
    }

    /// The packages that may contain a missing library, of this machine's kind if no file says more.
    pub(crate) fn packages(&self, name: &[u8], info: Option<&ElfInfo>) -> Near {
        let driver = crate::cuda::driver::library(name).is_some();
        if driver || info.is_some_and(|info| !runs_here(info.header.machine)) {
            return self.machine();
        }
        let distribution = self.distribution();
        let debian = match distribution {
            Distribution::Debian => self.packages.debian(&self.root, name),
            _ => None,
        };
        let has = |program: &str| {
            let mut directories = ["/usr/bin", "/run/current-system/sw/bin"].into_iter();
            directories.any(|directory| {
                let path = format!("{directory}/{program}");
                self.absent.exists(&self.root.host(path))
            })
        };
        let nixpkgs = match self.root.is_here() {
            true => self.packages.nixpkgs(name),
            false => Vec::new(),
        };
        Near {
            nixpkgs,
            debian,
            debian_architecture: info.and_then(|info| self.architecture(info)),
            distribution,
            searches_packages: match distribution {
                Distribution::Debian => has("apt-file"),
                Distribution::Nixos => has("nix-locate"),
                _ => true,
            },
            wide: info.is_none_or(|info| info.header.format.class == Class::Elf64),
            ..self.machine()
        }
    }

    pub(super) fn distribution(&self) -> Distribution {
        let find = || machine::distribution(&self.root);
        *self.distribution.get_or_init(find)
    }

    fn driver_runs(&self) -> bool {
        let version = Path::new("/proc/driver/nvidia/version");
        *self.driver_runs.get_or_init(|| version.exists())
    }

    /// Debian's architecture of a program that is not of the machine's own.
    fn architecture(&self, info: &ElfInfo) -> Option<ForeignArchitecture> {
        let name = debian::architecture(info)?;
        let known = self.root.text("/var/lib/dpkg/arch").unwrap_or_default();
        let added = known.lines().any(|line| line == name);
        Some(ForeignArchitecture { name, added })
    }

    /// The files of that name in installed packages of Debian.
    pub(super) fn in_packages(&self, name: &OsStr) -> Vec<PathBuf> {
        self.packages.installed(&self.root, name)
    }
}
