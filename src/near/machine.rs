//! The machine: its system, its distribution, and what its package tools know.

use crate::advice::{Distribution, System};
use elf_edit::ElfInfo;
use object::elf;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Names that nix-locate is asked about in one run: each takes it a second.
const MAX_ASKED: usize = 64;

/// Answers of package tools, each asked once.
#[derive(Default)]
pub(super) struct PackageTools {
    nixpkgs: Mutex<HashMap<Vec<u8>, Vec<String>>>,
    debian: OnceLock<HashSet<String>>,
}

impl PackageTools {
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

    /// The first of the packages that Debian's policy would name so, out of those that apt knows.
    pub(super) fn debian(&self, soname: &[u8]) -> Option<String> {
        let known = self.debian.get_or_init(|| {
            let names = run("apt-cache", &["pkgnames"]);
            names.lines().map(str::to_owned).collect()
        });
        let mut names = debian_names(soname).into_iter();
        names.find(|name| known.contains(name))
    }
}

fn run(program: &str, args: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    let output = command.output().ok().filter(|run| run.status.success());
    let text = |run: Output| String::from_utf8_lossy(&run.stdout).into_owned();
    output.map(text).unwrap_or_default()
}

fn locate(name: &[u8]) -> Vec<String> {
    let Ok(name) = str::from_utf8(name) else {
        return Vec::new();
    };
    let place = format!("/lib/{name}");
    let args = ["--minimal", "--top-level", "--whole-name", "--at-root"];
    let text = run("nix-locate", &[&args[..], &[&place]].concat());
    let plain = |line: &&str| {
        let ok = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
        !line.is_empty() && line.chars().all(ok)
    };
    text.lines()
        .filter(plain)
        .take(3)
        .map(str::to_owned)
        .collect()
}

/// Names of the package with a library: Debian policy 8.1, the form without a hyphen that GLib
/// has, and both as renamed for 64-bit time.
fn debian_names(soname: &[u8]) -> Vec<String> {
    let Some((stem, version)) = str::from_utf8(soname)
        .ok()
        .and_then(|name| name.split_once(".so."))
    else {
        return Vec::new();
    };
    let lower = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let (stem, version) = (lower(stem), lower(version));
    let join = |stem: &str| match stem.ends_with(|c: char| c.is_ascii_digit()) {
        true => format!("{stem}-{version}"),
        false => format!("{stem}{version}"),
    };
    let names = [join(&stem), join(&stem.replace('-', ""))];
    let renamed = names.iter().map(|name| format!("{name}t64"));
    names.iter().cloned().chain(renamed).collect()
}

/// What apt wants behind the name of a package for the 32-bit programs of a 64-bit machine.
pub(super) fn debian_architecture(info: &ElfInfo) -> &'static str {
    match (std::env::consts::ARCH, info.header.machine) {
        ("x86_64", elf::EM_386) => ":i386",
        ("aarch64", elf::EM_ARM) => ":armhf",
        _ => "",
    }
}

pub(super) fn system() -> System {
    let there = |path: &str| Path::new(path).exists();
    if there("/.dockerenv") || there("/run/.containerenv") {
        System::Container
    } else if there("/usr/lib/wsl/lib") || there("/dev/dxg") {
        System::Wsl
    } else if there("/etc/NIXOS") {
        System::Nixos
    } else if there("/etc/nv_tegra_release") {
        System::Jetson
    } else if there("/etc/debian_version") {
        System::Debian
    } else {
        System::Other
    }
}

/// By os-release(5).
pub(super) fn distribution() -> Distribution {
    let text = fs::read_to_string("/etc/os-release")
        .or_else(|_| fs::read_to_string("/usr/lib/os-release"));
    of_os_release(&text.unwrap_or_default())
}

fn of_os_release(text: &str) -> Distribution {
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_default().trim_matches(['"', '\''])
    };
    let words = value("ID=").split(' ').chain(value("ID_LIKE=").split(' '));
    let mut known = words.filter_map(|word| match word {
        "debian" | "ubuntu" => Some(Distribution::Debian),
        "fedora" | "rhel" | "centos" => Some(Distribution::Fedora),
        "suse" | "opensuse" | "sles" => Some(Distribution::Suse),
        "arch" => Some(Distribution::Arch),
        "alpine" => Some(Distribution::Alpine),
        "nixos" => Some(Distribution::Nixos),
        _ => None,
    });
    known.next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debians_rule_for_names() {
        for (soname, name) in [
            ("libGL.so.1", "libgl1"),
            ("libgomp.so.1", "libgomp1"),
            ("libssl.so.1.1", "libssl1.1"),
            ("libz3.so.4", "libz3-4"),
            ("libfoo_bar.so.2", "libfoo-bar2"),
        ] {
            assert_eq!(debian_names(soname.as_bytes())[0], name);
        }
        let glib = debian_names(b"libglib-2.0.so.0");
        assert!(glib.contains(&"libglib2.0-0t64".to_owned()), "{glib:?}");
        assert!(debian_names(b"libfoo.so").is_empty());
    }

    #[test]
    fn distributions_by_os_release() {
        for (text, distribution) in [
            ("ID=debian\n", Distribution::Debian),
            (
                "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n",
                Distribution::Debian,
            ),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                Distribution::Fedora,
            ),
            (
                "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n",
                Distribution::Suse,
            ),
            ("NAME=x\nID=alpine\n", Distribution::Alpine),
            ("VARIANT_ID=debian\n", Distribution::Other),
        ] {
            assert_eq!(of_os_release(text), distribution, "{text}");
        }
    }
}
