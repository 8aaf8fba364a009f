//! The machine: its system and its distribution, by the files below a root directory.

use super::root::Root;
use crate::advice::{Distribution, System};

pub(super) fn system(root: &Root) -> System {
    let there = |path: &str| root.has(path);
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
pub(super) fn distribution(root: &Root) -> Distribution {
    let text = root.text("/etc/os-release");
    of_os_release(
        &text
            .or_else(|| root.text("/usr/lib/os-release"))
            .unwrap_or_default(),
    )
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
