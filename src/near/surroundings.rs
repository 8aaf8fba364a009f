//! Facts of one run that all its advice shares.

use super::listings::Listings;
use super::packages::Packages;
use super::root::Root;
use super::{debian, machine, places};
use crate::advice::{Distribution, ForeignArchitecture, Near};
use crate::loader::runs_here;
use elf_edit::{Class, ElfInfo};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The files of a run, the environment, and the answers of package tools.
#[derive(Default)]
pub(crate) struct Surroundings {
    files: Vec<PathBuf>,
    by_name: OnceLock<HashMap<OsString, Vec<usize>>>,
    library_path: Vec<u8>,
    /// The current directory.
    pub(super) here: Vec<u8>,
    packages: Packages,
    pub(super) root: Root,
    configured: OnceLock<Vec<PathBuf>>,
    pub(super) listings: Listings,
}

impl Surroundings {
    /// `files` are those of the run, as the user names them; `library_path` is LD_LIBRARY_PATH.
    /// With a `root`, advice is for the system below it.
    pub(crate) fn new(
        files: Vec<PathBuf>,
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
        let by_name = self.by_name.get_or_init(|| {
            let mut by_name: HashMap<OsString, Vec<usize>> = HashMap::new();
            for (at, file) in self.files.iter().enumerate() {
                let name = file.file_name().unwrap_or_default().to_owned();
                by_name.entry(name).or_default().push(at);
            }
            by_name
        });
        let found = by_name.get(name).into_iter().flatten();
        found.map(|&at| self.files[at].clone())
    }

    /// The places of a name in the directories of LD_LIBRARY_PATH.
    pub(super) fn in_library_path(&self, name: &OsStr) -> impl Iterator<Item = PathBuf> {
        let entries = self.library_path.split(|byte| b":;".contains(byte));
        let entries = entries.filter(|entry| !entry.is_empty()).take(64);
        entries.map(move |entry| Path::new(OsStr::from_bytes(entry)).join(name))
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
            driver_runs: self
                .root
                .is_here()
                .then(|| Path::new("/proc/driver/nvidia/version").exists()),
            system: machine::system(&self.root),
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
            directories.any(|directory| self.root.has(&format!("{directory}/{program}")))
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
        machine::distribution(&self.root)
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
