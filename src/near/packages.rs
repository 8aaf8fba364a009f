//! Which package has a library, by nix-locate and by the lists of APT and dpkg.

use super::debian;
use super::root::Root;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Names that nix-locate is asked about in one run: each takes it a second.
const MAX_ASKED: usize = 64;

/// What is known of packages, each list read once.
#[derive(Default)]
pub(super) struct Packages {
    nixpkgs: Mutex<HashMap<Vec<u8>, Vec<String>>>,
    debian: OnceLock<HashSet<Box<str>>>,
    installed: OnceLock<debian::Installed>,
}

impl Packages {
    /// Attributes of nixpkgs that have a library, where nix-locate is installed.
    pub(super) fn nixpkgs(&self, name: &[u8]) -> Vec<String> {
        let mut known = self.nixpkgs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(packages) = known.get(name) {
            return packages.clone();
        }
        if known.len() >= MAX_ASKED {
            return Vec::new();
        }
        let packages = locate(name);
        known.insert(name.to_vec(), packages.clone());
        packages
    }

    /// The first of the packages that Debian's policy would name so, out of those in APT's lists.
    pub(super) fn debian(&self, root: &Root, soname: &[u8]) -> Option<String> {
        let lists = || debian::packages(&root.host("/var/lib/apt/lists"));
        let known = self.debian.get_or_init(lists);
        let mut names = debian::package_names(soname).into_iter();
        names.find(|name| known.contains(name.as_str()))
    }

    /// The files of that name in packages that dpkg has installed, as its system names them.
    pub(super) fn installed(&self, root: &Root, name: &OsStr) -> Vec<PathBuf> {
        let lists = || debian::Installed::read(&root.host("/var/lib/dpkg/info"));
        self.installed.get_or_init(lists).named(name)
    }
}

fn locate(name: &[u8]) -> Vec<String> {
    let Ok(name) = str::from_utf8(name) else {
        return Vec::new();
    };
    let place = format!("/lib/{name}");
    let args = ["--minimal", "--top-level", "--whole-name", "--at-root"];
    let mut command = Command::new("nix-locate");
    command.args(args).arg(place).stdin(Stdio::null());
    let output = command.output().ok().filter(|run| run.status.success());
    let text = |run: Output| String::from_utf8_lossy(&run.stdout).into_owned();
    let plain = |line: &&str| {
        let ok = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
        !line.is_empty() && line.chars().all(ok)
    };
    let text = output.map(text).unwrap_or_default();
    text.lines()
        .filter(plain)
        .take(3)
        .map(str::to_owned)
        .collect()
}
